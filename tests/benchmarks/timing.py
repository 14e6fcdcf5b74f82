"""Interleaved timing: what counts is the ratio of two times of the same round, never a time alone."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from adaqn_lab import kernels

Call = Callable[[], Any]
PLAIN = "plain torch"
SAMPLE = 1e-3
"""Seconds which one sample takes at least: short calls are repeated, so that the clock's own cost does not show."""


@dataclass(frozen=True)
class InPlainTorch:
    """The same work without the kernels; they are switched off around a sample, not inside what is timed."""

    inside: Call

    def __call__(self) -> Any:
        """Once."""
        with kernels.disabled():
            return self.inside()


@contextmanager
def ready(call: Call) -> Iterator[Call]:
    """What is timed of ``call``, with what it needs around it."""
    if isinstance(call, InPlainTorch):
        with kernels.disabled():
            yield call.inside
    else:
        yield call


@dataclass(frozen=True)
class Median:
    """A median of ratios with the interval between two order statistics which holds it with 95 % or more."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Median:
        """Exact for independent rounds, whatever their distribution: a sign test turned round."""
        ordered, n = sorted(values), len(values)
        tail, rank = 0.0, 0
        while rank < n // 2 and tail + math.comb(n, rank) / 2**n <= 0.025:
            tail += math.comb(n, rank) / 2**n
            rank += 1
        rank = max(rank - 1, 0)  # with fewer than six rounds: the extremes, which hold it less surely
        return cls(statistics.median(ordered), ordered[rank], ordered[n - 1 - rank])


@dataclass
class Race:
    """``own`` against ``others``: a round is the others in random order, then ours, each warmed up by one call.

    ``time_others`` and ``time_own`` are the halves of a round, so that pytest-benchmark can run the one as the untimed
    set-up of the other. ``seconds`` holds seconds per call, one entry a round. ``clock``: the wall's, or
    ``time.thread_time`` where one thread does everything and other processes' turns shall not count.
    """

    own: Call
    others: dict[str, Call]
    seed: int = 0
    clock: Callable[[], float] = time.perf_counter
    seconds: dict[str, list[float]] = field(default_factory=dict)
    repeats: dict[str, int] = field(default_factory=dict)

    def calibrate(self) -> float:
        """Choose the calls per sample; the seconds which a round takes about."""
        total = 0.0
        for name, call in {"own": self.own, **self.others}.items():
            call()
            once = self._timed(call, 1)
            self.repeats[name] = max(1, min(10_000, round(SAMPLE / max(once, 1e-9))))
            self.seconds[name] = []
            total += once * (self.repeats[name] + 1)
        self._random = random.Random(self.seed)
        return total

    def time_others(self) -> None:
        """The first half of a round, and our warm-up."""
        names = list(self.others)
        self._random.shuffle(names)
        for name in names:
            self.others[name]()
            self.seconds[name].append(self._timed(self.others[name], self.repeats[name]))
        self.own()

    def time_own(self) -> None:
        """The second half."""
        self.seconds["own"].append(self._timed(self.own, self.repeats["own"]))

    def run(self, rounds: int) -> None:
        """Calibrate, then whole rounds."""
        self.calibrate()
        for _ in range(rounds):
            self.time_others()
            self.time_own()

    def ratio(self, name: str, own: str = "own") -> Median:
        """Time of ``name`` over ours, of the same rounds: how many times as fast ours is. ``own``: over another's."""
        return Median.of([b / a for a, b in zip(self.seconds[own], self.seconds[name], strict=True)])

    def median(self, name: str = "own") -> float:
        """Median seconds of one call."""
        return statistics.median(self.seconds[name])

    def _timed(self, call: Call, repeats: int) -> float:
        """Seconds per call. A call with a method ``seconds(clock)`` times itself: it has something to prepare."""
        if hasattr(call, "seconds"):
            return sum(call.seconds(self.clock) for _ in range(repeats)) / repeats
        with ready(call) as inside:
            start = self.clock()
            for _ in range(repeats):
                inside()
            return (self.clock() - start) / repeats
