"""The characters of a text, kept as UTF-8: few in memory, many in a file that has no name."""

import os
import tempfile
from bisect import bisect_right
from collections.abc import Iterator
from typing import IO, Any

PIECE = 1 << 20
"""Characters of a piece when a str is cut into them."""
IN_MEMORY = 1 << 24
"""Bytes up to which a text stays in memory."""


class Kept:
    """Characters that come piece by piece and can then be read again, any part of them.

    The file is deleted when it is closed, so it outlives neither this object nor a killed process.
    An `OSError` of the file, a full disk for one, is the caller's to tell.
    """

    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        self.characters = 0
        self._in_memory, self._bytes = in_memory, 0
        self._ends: list[int] = []
        self._places: list[tuple[int, int]] = []
        self._pieces: list[bytes] = []
        self._file: IO[bytes] | None = None

    @classmethod
    def of(cls, content: str) -> "Kept":
        """Keep a str, in memory whatever its length: it was there before."""
        kept = cls(in_memory=4 * len(content))
        for begin in range(0, len(content), PIECE):
            kept.add(content[begin : begin + PIECE])
        return kept

    def add(self, piece: str) -> None:
        """Keep one more piece."""
        # A str that was not read from UTF-8 may hold half a surrogate pair; it must come back.
        data = piece.encode("utf-8", "surrogatepass")
        self.characters += len(piece)
        self._ends.append(self.characters)
        self._places.append((self._bytes, len(data)))
        self._bytes += len(data)
        if self._file is None and self._bytes > self._in_memory:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this
            self._file.writelines(self._pieces)
            self._pieces.clear()
        if self._file is None:
            self._pieces.append(data)
        else:
            self._file.write(data)
            self._file.flush()

    def encoded(self) -> Iterator[bytes]:
        """Yield all of it in UTF-8."""
        return map(self._data, range(len(self._places)))

    def between(self, begin: int, end: int) -> Iterator[str]:
        """Yield the pieces of the characters ``begin`` to ``end``, the latter excluded."""
        for number in range(bisect_right(self._ends, begin), len(self._ends)):
            first = self._ends[number - 1] if number else 0
            if first >= end:
                return
            piece = self._data(number).decode("utf-8", "surrogatepass")
            yield piece[max(begin - first, 0) : end - first]

    def read(self) -> str:
        """Return all of it."""
        return "".join(self.between(0, self.characters))

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are in memory."""
        return Kept.of, (self.read(),)

    def _data(self, number: int) -> bytes:
        if self._file is None:
            return self._pieces[number]
        place, size = self._places[number]
        # Not seek and read: threads and forked processes share the file's position.
        return os.pread(self._file.fileno(), size, place)
