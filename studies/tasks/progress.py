"""Telling how far the reading or the encoding of a text is."""

from collections.abc import Callable, Iterable, Iterator

Progress = Callable[[int, int], None]
"""Called with what is done and the whole: bytes while a file is read, characters while encoding."""


class Passes:
    """Counts the characters of the pieces that go by, in one pass over a text or in several."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._done, self._total = progress, 0, total

    def over(self, pieces: Iterable[str]) -> Iterator[str]:
        """Yield the pieces, and tell of each when the next one is asked for."""
        for piece in pieces:
            yield piece
            self._done += len(piece)
            if self._progress is not None:
                self._progress(self._done, self._total)
