"""Peers which calculate by OpenBLAS, each with the number of threads that makes it fastest.

OpenBLAS's threads wait for each other longer than they work on vectors of some lengths: by default a peer may take many
times as long as on one thread, now and then. What it can do, not what it does by default, is what ours is held against.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from threadpoolctl import ThreadpoolController

TRIALS = 3


class Tuned:
    """``call`` with OpenBLAS on one thread or as many as torch has: whichever had the lower median."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call
        self._blas = ThreadpoolController().select(internal_api="openblas")
        self.threads = min((1, torch.get_num_threads()), key=self._typical)

    def __call__(self) -> Any:
        with self._blas.limit(limits=self.threads):
            return self.call()

    def seconds(self, clock: Callable[[], float]) -> float:
        """Of the call alone, by its own account if it has one."""
        with self._blas.limit(limits=self.threads):
            if hasattr(self.call, "seconds"):
                return float(self.call.seconds(clock))
            start = clock()
            self.call()
            return clock() - start

    def _typical(self, threads: int) -> float:
        self.threads = threads
        return sorted(self.seconds(time.perf_counter) for _ in range(TRIALS))[TRIALS // 2]
