"""Counting words of which there may be more different ones than memory holds."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from heapq import merge, nsmallest
from itertools import groupby
from operator import itemgetter
from typing import IO

_MOST_HELD = 1 << 21


class Tally:
    """How often each word came. More than ``most_held`` different ones go, sorted, to a file.

    A word holds no blank and no end of a line.
    """

    def __init__(self, most_held: int = _MOST_HELD) -> None:
        self._counts: Counter[str] = Counter()
        self._most_held = most_held
        self._files: list[IO[str]] = []

    def add(self, counts: Mapping[str, int]) -> None:
        """Count some more."""
        self._counts.update(counts)
        if len(self._counts) > self._most_held:
            self._files.append(_file(sorted(self._counts.items())))
            self._counts.clear()

    def most_frequent(self, number: int) -> list[tuple[str, int]]:
        """Return so many words and their counts; those of one frequency in alphabetical order."""
        found = nsmallest(number, ((-count, word) for word, count in self._items()))
        return [(word, -count) for count, word in found]

    def _items(self) -> Iterator[tuple[str, int]]:
        if not self._files:
            yield from self._counts.items()
            return
        sources = [iter(sorted(self._counts.items())), *map(_stored, self._files)]
        for word, same in groupby(merge(*sources, key=itemgetter(0)), key=itemgetter(0)):
            yield word, sum(count for _, count in same)


def _file(items: list[tuple[str, int]]) -> IO[str]:
    # A str that was not read from UTF-8 may hold half a surrogate pair; it must come back.
    half = "surrogatepass"
    file = tempfile.TemporaryFile("w+", encoding="utf-8", errors=half, newline="\n")  # noqa: SIM115
    file.writelines(f"{word} {count}\n" for word, count in items)
    return file


def _stored(file: IO[str]) -> Iterator[tuple[str, int]]:
    file.seek(0)
    for line in file:
        word, count = line.split(" ")
        yield word, int(count)
