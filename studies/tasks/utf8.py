"""Reading UTF-8 chunk by chunk; every way in which a file is no text gets its sentence."""

import codecs
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from studies.errors import InputError, meant_path

CHUNK = 1 << 20
"""Bytes that are read at a time."""
WAY_OUT = "give a UTF-8 text file with --text"
_LONGEST_SHOWN = 200
_MARKS = {
    "UTF-32": codecs.BOM_UTF32_LE,  # before UTF-16's, with which it begins
    "UTF-32BE": codecs.BOM_UTF32_BE,
    "UTF-16": codecs.BOM_UTF16_LE,
    "UTF-16BE": codecs.BOM_UTF16_BE,
}


def shown(path: Path) -> str:
    """Return the path as a sentence may hold it: one that is far too long without its middle."""
    name = str(path)
    if len(name) <= _LONGEST_SHOWN:
        return name
    return f"{name[:60]}...{name[-60:]} ({len(name)} characters)"


def refuse_stream(path: Path) -> None:
    """Refuse a pipe: it can be read once, and a study reads its text again when it goes on or is repeated."""
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        raise InputError(
            f"{shown(path)} is no file but a pipe or a device, which can be read only once, and a study reads its text "
            "whenever it goes on: write it to a file first, and give that with --text."
        )


def decoded(path: Path, tell: Callable[[int], None]) -> Iterator[str]:
    """Yield the characters of a file, without a byte-order mark; ``tell`` every chunk's size.

    `InputError` when it cannot be read, is UTF-16 or UTF-32, is binary (also when it is no UTF-8 before its first
    NUL byte) or is not UTF-8.
    """
    chunks = _chunks(path)
    left, place, final = b"", 0, False
    while not final:
        chunk = next(chunks, b"")
        final = not chunk
        tell(len(chunk))
        _refuse_binary(path, chunk, place + len(left))
        data = left + chunk
        if place == 0 and data.startswith(codecs.BOM_UTF8):
            data, place = data.removeprefix(codecs.BOM_UTF8), len(codecs.BOM_UTF8)
        try:
            piece, used = codecs.utf_8_decode(data, "strict", final)
        except UnicodeDecodeError as error:
            behind = place + len(data)
            for chunk in chunks:
                _refuse_binary(path, chunk, behind)
                behind += len(chunk)
            _refuse_wide(path)
            byte = place + error.start
            reason = f"is not UTF-8 (byte {byte} cannot be decoded)"
            raise InputError(f"{shown(path)} {reason}: convert it, or {WAY_OUT}.") from error
        left, place = data[used:], place + used
        yield piece


def _refuse_binary(path: Path, chunk: bytes, place: int) -> None:
    if (found := chunk.find(0)) >= 0:
        _refuse_wide(path)
        reason = f"it holds a NUL byte at {place + found}"
        raise InputError(f"{shown(path)} is binary ({reason}): {WAY_OUT}.")


def _refuse_wide(path: Path) -> None:
    """Refuse UTF-16 and UTF-32 by name, told by their byte-order mark or by where the zero bytes of letters are."""
    with path.open("rb") as file:
        begin = file.read(64)
    if name := next((name for name, mark in _MARKS.items() if begin.startswith(mark)), None) or _without_mark(begin):
        raise InputError(f"{shown(path)} is {name}, not UTF-8: convert it (iconv -f {name} -t UTF-8), or {WAY_OUT}.")


def _without_mark(begin: bytes) -> str | None:
    """Return the encoding in which every second byte of Latin letters is zero, and no other is."""
    first, second = begin[0::2], begin[1::2]
    if len(begin) < 8 or not any((*first, *second)):
        return None
    if not any(second) and all(first):
        return "UTF-16LE"
    return "UTF-16BE" if not any(first) and all(second) else None


def _chunks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except IsADirectoryError as error:
        raise InputError(f"{shown(path)} is a directory, not a text: {WAY_OUT}.") from error
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be read ({error.strerror}){meant_path(path)}: {WAY_OUT}.") from error
