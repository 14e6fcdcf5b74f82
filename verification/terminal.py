"""The terminal that a command prints to."""

from __future__ import annotations

import sys
from io import TextIOWrapper


def prepare() -> None:
    """Let an encoding replace the signs that it lacks: no long run shall end because it cannot print its result."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="replace")


def one_line(text: str) -> str:
    r"""The text without ends of lines, and with escapes like ``\x1b`` for all that does not print."""
    told = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in told)
