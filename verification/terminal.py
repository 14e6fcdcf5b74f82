"""The terminal that a command prints to."""

from __future__ import annotations

import sys
from io import TextIOWrapper


def prepare() -> None:
    """Let an encoding replace the signs that it lacks: no long run shall end because it cannot print its result."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")
