"""Ctrl-C: the first one stops the command in good order, the second one at once."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPED = 130


@contextmanager
def stopping() -> Iterator[None]:
    """Answer the first Ctrl-C with a word and `KeyboardInterrupt`, and end the process at the second.

    Workers notice the end by their pipes. Outside of the main thread, or where SIGINT is ignored, nothing changes.
    """
    before = signal.getsignal(signal.SIGINT)
    if before in (signal.SIG_IGN, None):
        yield
        return

    def first(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, second)
        print("\nstopping ... (Ctrl-C again ends at once)", file=sys.stderr, flush=True)
        raise KeyboardInterrupt

    def second(number: int, frame: FrameType | None) -> None:
        os._exit(STOPPED)

    try:
        signal.signal(signal.SIGINT, first)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
