"""A text: a name, normalised characters, and where its validation and its test part begin."""

import copy
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from math import log
from typing import Any, Protocol

from studies.tasks.encoding import Encoded, count_codes
from studies.tasks.kept import Kept
from studies.tasks.progress import Progress

TRAIN_SHARE, VALIDATION_SHARE = 0.90, 0.05
PARTS = ("training", "validation", "test")


class Encoder(Protocol):
    """A way to make numbers of a text."""

    @property
    def recipe(self) -> dict[str, Any]:
        """All that decides the numbers beside the text, as JSON values."""
        ...

    def encode(self, text: "Text") -> Encoded:
        """Return the parts of the text as numbers, piece by piece."""
        ...


class Content:
    """The field ``content`` of a text: given as a str or `Kept`, read as a str."""

    def __get__(self, text: "Text | None", owner: type | None = None) -> str:
        if text is None:
            raise AttributeError("the field has no default")
        return text.kept.read()

    def __set__(self, text: "Text", content: str | Kept) -> None:
        vars(text)["kept"] = Kept.of(content) if isinstance(content, str) else content


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Text:
    """A normalised text and the name under which reports show it.

    ``splits``: where its validation and its test part begin, for a text that came in three files
    (then it is taken to be split into words by blanks); without it the text is split by position,
    90 %, 5 % and 5 %. ``files`` are the names of the three.

    `pieces` reads it part by part in bounded memory; ``content`` and ``parts`` are all at once.
    """

    name: str
    content: Content = Content()
    splits: tuple[int, int] | None = None
    files: tuple[str, str, str] | None = None
    progress: Progress | None = field(default=None)

    @property
    def kept(self) -> Kept:
        """Where the characters are."""
        kept: Kept = vars(self)["kept"]
        return kept

    @cached_property
    def characters(self) -> int:
        """Their number."""
        return self.kept.characters

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the normalised text in UTF-8: who has the same value read the same text."""
        digest = hashlib.sha256()
        for data in self.kept.encoded():
            digest.update(data)
        digest.update(b"" if self.splits is None else repr(self.splits).encode())
        return digest.hexdigest()

    @cached_property
    def unigram_entropy(self) -> float:
        """The function `unigram_entropy` of the whole text."""
        counts = count_codes(self.kept.between(0, self.characters))
        return _entropy(counts[counts > 0].tolist())

    @property
    def lengths(self) -> tuple[int, int, int]:
        """Characters of the training, validation and test part."""
        train, validation, test = map(len, self._ranges)
        return train, validation, test

    @property
    def shares(self) -> tuple[float, float]:
        """The training part's and the smaller held-out part's share of the whole."""
        if self.splits is None:
            return TRAIN_SHARE, VALIDATION_SHARE
        train, validation, test = self.lengths
        whole = max(self.characters, 1)
        return train / whole, max(min(validation, test), 1) / whole

    @property
    def parts(self) -> tuple[str, str, str]:
        """The training, validation and test part."""
        train, validation, test = ("".join(self.pieces(part)) for part in range(len(PARTS)))
        return train, validation, test

    def pieces(self, part: int) -> Iterator[str]:
        """Yield part 0, 1 or 2 piece by piece, a million characters or so at a time."""
        places = self._ranges[part]
        return self.kept.between(places.start, places.stop)

    def encoded(self, encoder: Encoder) -> Encoded:
        """Return the text as numbers."""
        return encoder.encode(self)

    def watched(self, progress: Progress | None) -> "Text":
        """Return the same text, which tells how far its encoding is; no character is copied."""
        watched = copy.copy(self)
        vars(watched)["progress"] = progress
        return watched

    @property
    def _ranges(self) -> tuple[range, range, range]:
        whole = range(self.characters)
        held_out = int(len(whole) * TRAIN_SHARE), int(len(whole) * (TRAIN_SHARE + VALIDATION_SHARE))
        first, second = self.splits or held_out
        return whole[:first], whole[first:second], whole[second:]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Text) and (self.name, self.sha256) == (other.name, other.sha256)

    def __hash__(self) -> int:
        return hash((self.name, self.sha256))

    def __repr__(self) -> str:
        return f"Text(name={self.name!r}, characters={self.characters}, splits={self.splits})"


def unigram_entropy(content: str) -> float:
    """Return H = -sum_c p(c) ln p(c) over the characters c, in nats per character.

    It is the loss of the best model that ignores context: what every trained model has to beat.

    >>> round(unigram_entropy("abab"), 6)  # ln 2
    0.693147
    """
    return _entropy(Counter(content).values())


def _entropy(counts: Iterable[int]) -> float:
    counts = list(counts)
    total = sum(counts)
    return max(0.0, -sum(count / total * log(count / total) for count in counts))  # not -0.0 for one symbol
