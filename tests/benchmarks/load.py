"""Disturbances, on purpose: busy cores, and a direction which takes half its time again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from adaqn_lab.history import History

BUSY = "import array\nx = array.array('d', bytes(8 << 22))\nwhile True:\n    y = x[:]\n"
"""Copies 32 MiB again and again: it takes turns and memory bandwidth both."""


@contextmanager
def busy_cores(on: bool = True) -> Iterator[None]:
    """A busy process for each core, inside the block."""
    processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(os.cpu_count() or 1)] if on else []
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


@contextmanager
def slowed_direction(on: bool = True) -> Iterator[None]:
    """``History.apply_`` takes 1.5 times its time, in this thread's processor time, inside the block."""
    apply_ = History.apply_

    def slow(self: History, *arguments: Any) -> Any:
        start = time.thread_time()
        result = apply_(self, *arguments)
        end = start + 1.5 * (time.thread_time() - start)
        while time.thread_time() < end:
            pass
        return result

    if on:
        History.apply_ = slow  # type: ignore[method-assign]
    try:
        yield
    finally:
        History.apply_ = apply_  # type: ignore[method-assign]
