"""Word-level language modelling."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from studies.tasks.encoding import UNKNOWN, Encoded, Symbols, smallest_type
from studies.tasks.progress import Passes
from studies.tasks.sequences import SequenceTask, Windows, refuse_short
from studies.tasks.tally import Tally
from studies.tasks.text import Text

END, UNKNOWN_WORD = "<eos>", "<unk>"
MOST_WORDS = 10_000
_WORDS = re.compile(r"\n|\w+(?:['’-]\w+)*|[^\w\s]")
_MARKED = re.compile(r"(?<!\S)<(?:unk|eos)>(?!\S)")
_ENDED = re.compile(rf"(?<!\S){END}\n")
_COUNTED_AT_ONCE = 1 << 24
"""Characters after which the clumps counted so far are split into words."""
_LONGEST_REMEMBERED, _MOST_REMEMBERED = 40, 1 << 20
"""The clumps whose numbers are worth remembering."""


class WordTask(SequenceTask):
    """Predict the next word: one of the training part's ``most`` frequent, or that it is another.

    A line ends with the word ``<eos>``, where the text itself has none. A text in three files, or
    with ``<unk>`` or ``<eos>`` as a word, is taken to be split into words by blanks, as the Penn
    Treebank's is; in any other a word is letters and digits, perhaps joined by
    an apostrophe or a hyphen, or one punctuation mark. Case counts. Words of one frequency enter
    the vocabulary in alphabetical order. Raises `InputError` when the training part is shorter than
    one batch or a held-out part than one window.
    """

    unit = "word"

    def __init__(self, text: Text, windows: Windows | None = None, most: int = MOST_WORDS) -> None:
        windows, encoder = windows or Windows(), Words(most)
        encoded = text.encoded(encoder)
        train, *held_out = encoded.lengths
        whole = max(sum(encoded.lengths), 1)
        shares = max(train, 1) / whole, max(min(held_out), 1) / whole
        refuse_short(text, self.unit, windows, encoded.lengths, shares)
        self.vocabulary = (UNKNOWN_WORD, *encoded.known)
        super().__init__(encoder, encoded, windows)


@dataclass(frozen=True)
class Words:
    """Each word by its place among the ``most`` frequent ones of the training part, from 1 on."""

    most: int = MOST_WORDS

    @property
    def recipe(self) -> dict[str, Any]:
        """The kind and how many."""
        return {"kind": "words", "most": self.most}

    def encode(self, text: Text) -> Encoded:
        """Return the parts; each is read twice."""
        by_blanks = split_by_blanks(text)
        passes = Passes(text.progress, 2 * text.characters)
        tally = Tally()
        lengths = [
            sum(
                _count(counts, by_blanks, tally if part == 0 else None)
                for counts in _counted(passes.over(text.pieces(part)), by_blanks)
            )
            for part in range(3)
        ]
        frequent = tally.most_frequent(self.most)
        known, counts = [word for word, _ in frequent], [count for _, count in frequent]
        kind = smallest_type(len(known) + 1)

        def numbers(part: int) -> Symbols:
            found: Symbols = np.empty(lengths[part], dtype=kind)
            clumps, place = _Clumps(known, kind, by_blanks), 0
            for piece in _whole_clumps(passes.over(text.pieces(part))):
                some = clumps.numbers(piece)
                found[place : place + len(some)] = some
                place += len(some)
            return found

        return Encoded(
            parts=(numbers(0), numbers(1), numbers(2)),
            known=tuple(known),
            counts=(lengths[0] - sum(counts), *counts),
        )


def split_by_blanks(text: Text) -> bool:
    """Return whether a text came split into words: in three files, or with ``<unk>`` or ``<eos>`` as a word."""
    pieces = (piece for part in range(3) for piece in _whole_clumps(text.pieces(part)))
    return text.splits is not None or any(_MARKED.search(piece) for piece in pieces)


def split_words(part: str, *, by_blanks: bool) -> list[str]:
    r"""Return the words of a part of a text, each end of a line as ``<eos>``.

    >>> split_words("Moses' sons,\nand", by_blanks=False)
    ['Moses', "'", 'sons', ',', '<eos>', 'and']
    >>> split_words("the u.s. <unk>\n", by_blanks=True)
    ['the', 'u.s.', '<unk>', '<eos>']
    >>> split_words("a <eos>\nb <eos>\n", by_blanks=True)
    ['a', '<eos>', 'b', '<eos>']
    """
    if by_blanks:
        return _one_end(part).replace("\n", f" {END} ").split()
    return [END if word == "\n" else word for word in _WORDS.findall(part)]


def _whole_clumps(pieces: Iterable[str]) -> Iterator[str]:
    """Yield the same characters cut at blanks and ends of lines only, where no word is torn."""
    held: list[str] = []
    for piece in pieces:
        end = max(piece.rfind(" "), piece.rfind("\n")) + 1
        if end:
            yield "".join((*held, piece[:end]))
            held = []
        held.append(piece[end:])
    yield "".join(held)


def _one_end(piece: str) -> str:
    """Return a text by blanks in which a line that ends with the word ``<eos>`` has no second end."""
    return _ENDED.sub("\n", piece) if END in piece else piece


def _clumps(piece: str, by_blanks: bool) -> list[str]:
    """Return what stands between blanks, and the ends of lines: the same few again and again."""
    piece = _one_end(piece) if by_blanks else piece
    return piece.replace("\n", " \n ").split(" ")


def _counted(pieces: Iterable[str], by_blanks: bool) -> Iterator[Counter[str]]:
    counts: Counter[str] = Counter()
    characters = 0
    for piece in _whole_clumps(pieces):
        counts.update(_clumps(piece, by_blanks))
        characters += len(piece)
        if characters > _COUNTED_AT_ONCE:
            yield counts
            counts, characters = Counter(), 0
    yield counts


def _count(clumps: Counter[str], by_blanks: bool, tally: Tally | None) -> int:
    """Return the number of words, and tell the tally of all but the unknown word."""
    words: Counter[str] = Counter()
    for clump, times in clumps.items():
        for word in split_words(clump, by_blanks=by_blanks):
            words[word] += times
    whole = words.total()
    if tally is not None:
        del words[UNKNOWN_WORD]
        tally.add(words)
    return whole


class _Clumps(dict[str, bytes]):
    """The numbers of a clump's words, as the bytes of an array; short clumps are remembered."""

    def __init__(self, known: Iterable[str], kind: type[np.integer[Any]], by_blanks: bool) -> None:
        super().__init__()
        self._kind, self._by_blanks = kind, by_blanks
        self._words = {word: kind(number).tobytes() for number, word in enumerate(known, 1)}
        self._unknown = kind(UNKNOWN).tobytes()

    def numbers(self, piece: str) -> Symbols:
        """Return the numbers of a piece's words."""
        if len(self) > _MOST_REMEMBERED:
            self.clear()
        joined = b"".join(map(self.__getitem__, _clumps(piece, self._by_blanks)))
        return np.frombuffer(joined, dtype=self._kind)

    def __missing__(self, clump: str) -> bytes:
        words = split_words(clump, by_blanks=self._by_blanks)
        numbers = b"".join([self._words.get(word, self._unknown) for word in words])
        if len(clump) <= _LONGEST_REMEMBERED:
            self[clump] = numbers
        return numbers
