"""Reading UTF-8 chunk by chunk; every way in which a file is no text gets its sentence."""

import codecs
from collections.abc import Callable, Iterator
from pathlib import Path

from studies.errors import InputError

CHUNK = 1 << 20
"""Bytes that are read at a time."""
WAY_OUT = "give a UTF-8 text file with --text"
_LONGEST_SHOWN = 200


def shown(path: Path) -> str:
    """Return the path as a sentence may hold it: one that is far too long without its middle."""
    name = str(path)
    if len(name) <= _LONGEST_SHOWN:
        return name
    return f"{name[:60]}...{name[-60:]} ({len(name)} characters)"


def decoded(path: Path, tell: Callable[[int], None]) -> Iterator[str]:
    """Yield the characters of a file, without a byte-order mark; ``tell`` every chunk's size.

    `InputError` when it cannot be read, is binary (also when it is no UTF-8 before its first NUL
    byte) or is not UTF-8.
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
            byte = place + error.start
            reason = f"is not UTF-8 (byte {byte} cannot be decoded)"
            raise InputError(f"{shown(path)} {reason}: convert it, or {WAY_OUT}.") from error
        left, place = data[used:], place + used
        yield piece


def _refuse_binary(path: Path, chunk: bytes, place: int) -> None:
    if (found := chunk.find(0)) >= 0:
        reason = f"it holds a NUL byte at {place + found}"
        raise InputError(f"{shown(path)} is binary ({reason}): {WAY_OUT}.")


def _chunks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except IsADirectoryError as error:
        raise InputError(f"{shown(path)} is a directory, not a text: {WAY_OUT}.") from error
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be read ({error.strerror}): {WAY_OUT}.") from error
