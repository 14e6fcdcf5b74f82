"""One normal form for every text: at once, or piece by piece with the same result."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache

_FIRST_UNSURE = "\u0300"
"""Every character below it starts anew in NFC."""


def normalise(raw: str) -> str:
    r"""Return ``raw`` in Unicode NFC, one blank between words, at most one empty line in a row.

    >>> normalise("a \t b \r\n\r\n\n\n c\n")
    'a b\n\nc'
    """
    text = unicodedata.normalize("NFC", raw).replace("\r\n", "\n").replace("\r", "\n")
    text = re.sub(r"[^\S\n]+", " ", text)
    text = re.sub(r" ?\n ?", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def normalised(raw: Iterable[str]) -> Iterator[str]:
    r"""Yield the pieces of what `normalise` makes of the whole of ``raw``, wherever that is cut.

    It holds one piece at a time, or, of a text in which no character starts anew, all of them.

    >>> "".join(normalised(["a \t", " b \r", "\n\r\n", "\n\n c\n"]))
    'a b\n\nc'
    """
    return _spaced(_composed(raw))


def _composed(pieces: Iterable[str]) -> Iterator[str]:
    """Yield NFC: each piece up to the last character that starts anew, the rest with the next."""
    held: list[str] = []
    for piece in pieces:
        for place in reversed(range(len(piece))):
            if _starts_anew(piece[place]):
                held.append(piece[:place])
                yield unicodedata.normalize("NFC", "".join(held))
                held = [piece[place:]]
                break
        else:
            held.append(piece)
    yield unicodedata.normalize("NFC", "".join(held))


def _starts_anew(character: str) -> bool:
    """Whether NFC leaves it as it is and joins it with nothing before it, whatever that is."""
    return character < _FIRST_UNSURE or (
        unicodedata.combining(character) == 0
        and character not in _joining()
        and unicodedata.is_normalized("NFC", character)
    )


@cache
def _joining() -> frozenset[str]:
    """The characters that join one before them: vowels and finals of Hangul, second halves."""
    hangul = map(chr, (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)))
    decomposed = (unicodedata.decomposition(chr(code)).split() for code in range(0x110000))
    pairs = (parts for parts in decomposed if len(parts) == 2 and parts[0][0] != "<")
    return frozenset((*hangul, *(chr(int(second, 16)) for _, second in pairs)))


def _spaced(pieces: Iterable[str]) -> Iterator[str]:
    begun, blanks = False, ""
    for piece in pieces:
        text = blanks + piece
        body = text.strip()
        if not body:
            blanks = _shortened(text)
            continue
        begin = len(text) - len(text.lstrip())
        yield (_gap(text[:begin]) if begun else "") + _evened(body)
        begun, blanks = True, _shortened(text[begin + len(body) :])


def _shortened(blanks: str) -> str:
    """Return as few blanks that mean the same before what follows."""
    # A "\r" at the end may be the first half of a "\r\n".
    return f"{_gap(blanks[:-1])}\r" if blanks.endswith("\r") else _gap(blanks)


def _gap(blanks: str) -> str:
    """Return what becomes of blanks between two words."""
    if lines := _line_ends(blanks).count("\n"):
        return "\n" * min(lines, 2)
    return " " if blanks else ""


def _evened(body: str) -> str:
    """Return what `normalise` makes of a text without blanks at its ends; no regex, so faster."""
    text = "\n".join([" ".join(line.split()) for line in _line_ends(body).split("\n")])
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text


def _line_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
