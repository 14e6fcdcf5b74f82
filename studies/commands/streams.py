"""The program's streams: closed, of an encoding without our signs, or cut short by whoever reads them."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Callable
from io import TextIOWrapper

CUT_OFF = 141
"""What a shell tells of a program that SIGPIPE ended."""
_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
_PLAIN = "adaqn-plain-signs"
_FAILING = ("strict", "surrogateescape")
"""Handlers that raise for a sign which the encoding lacks; the second is the C locale's."""
_IN_ASCII = str.maketrans({
    "±": "+-", "–": "-", "—": "-", "…": "...", "×": "x", "≤": "<=", "≥": ">=", "’": "'", "“": '"', "”": '"', "•": "*",
    "│": "|", "─": "-", "╭": "+", "╮": "+", "╰": "+", "╯": "+", "├": "+", "┤": "+", "┼": "+", "█": "#",
})  # fmt: skip


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """The handler of what an encoding lacks: the sign that is nearest in ASCII, else a question mark."""
    assert isinstance(error, UnicodeEncodeError)
    nearest = error.object[error.start : error.end].translate(_IN_ASCII)
    return nearest.encode("ascii", "replace").decode(), error.end


codecs.register_error(_PLAIN, _in_ascii)


def prepare() -> None:
    """Give a closed stream the null device, and let an encoding replace the signs that it does not have."""
    for descriptor, (name, mode) in enumerate(_STREAMS):
        stream = getattr(sys, name)
        if stream is None:
            _reserve(descriptor)
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - open until the end
        elif isinstance(stream, TextIOWrapper) and mode == "w" and stream.errors in _FAILING:
            stream.reconfigure(errors=_PLAIN)


def _reserve(descriptor: int) -> None:
    """Take a closed descriptor: a file opened later would get its number, and what others print to it."""
    try:
        os.fstat(descriptor)
    except OSError:
        null = os.open(os.devnull, os.O_RDWR)
        if null != descriptor:
            os.dup2(null, descriptor)
            os.close(null)


def until_cut_off(do: Callable[[], int]) -> int:
    """Do it and return its status; 141 and silence when nobody reads its output any more."""
    try:
        try:
            return do()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _mute()
        return CUT_OFF
    except OSError as error:
        _mute()
        print(f"The output cannot be written ({error.strerror}): see to where it goes.", file=sys.stderr)
        return 2


def _mute() -> None:
    """Let what is left in the buffer go nowhere: the interpreter writes it when it ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
