"""What a user sees while he waits: from three seconds on a line for each law, on stderr."""

from __future__ import annotations

import sys
import threading
import time

PATIENCE = 3.0
"""Seconds without a word."""


class Progress:
    """Tells which law is being checked, from ``PATIENCE`` seconds on; a law that is at work then is told at once."""

    def __init__(self, name: str, laws: int) -> None:
        self.name, self.laws, self.count, self.law = name, laws, 0, ""
        self.start = time.monotonic()
        self.timer = threading.Timer(PATIENCE, self._tell)
        self.timer.daemon = True
        self.timer.start()

    def begins(self, law: str) -> None:
        """The next law."""
        self.count, self.law = self.count + 1, law
        if time.monotonic() - self.start > PATIENCE:
            self._tell()

    def ends(self) -> None:
        """Nothing more is checked."""
        self.timer.cancel()

    def _tell(self) -> None:
        seconds = time.monotonic() - self.start
        where = f"law {self.count} of {self.laws}, {self.law}"
        print(f"verify {self.name}: {seconds:.0f} s, {where}", file=sys.stderr, flush=True)
