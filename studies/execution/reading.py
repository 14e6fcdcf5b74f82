"""Texts from the command line: a large one is read and encoded behind a bar."""

import sys
from pathlib import Path

from tqdm import tqdm  # type: ignore[import-untyped]

from studies.tasks import Text, load_text

LARGE = 1 << 25
"""A text of so many bytes or characters takes seconds."""


class ReadingBar:
    """What is told how far the reading or encoding of a text is; draws nothing for a small one."""

    def __init__(self, what: str, unit: str) -> None:
        self._options = {"desc": what, "unit": unit, "unit_scale": True, "file": sys.stderr, "leave": False}
        self._bar: tqdm | None = None

    def __call__(self, done: int, total: int) -> None:
        """Show ``done`` of ``total``."""
        if total < LARGE:
            return
        if self._bar is None:
            self._bar = tqdm(total=total, **self._options)
        self._bar.update(done - self._bar.n)
        if done >= total:
            self._bar.close()


def read(path: Path | None) -> Text:
    """Return the text of a file, of a directory of three, or the King James Bible; a large one with progress."""
    text = load_text(path, ReadingBar("reading the text", "B"))
    return text.watched(ReadingBar("encoding it", " characters"))
