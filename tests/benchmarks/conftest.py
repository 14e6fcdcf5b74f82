"""How a benchmark runs: whole rounds under pytest-benchmark, or once on a tiny problem when they are disabled."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import torch

from adaqn_lab import kernels
from tests.benchmarks.timing import PLAIN, Race

TINY = 600
MOST_ROUNDS = 200


@pytest.fixture(autouse=True)
def _seed_and_threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """All threads for timing; one for the tests, as everywhere else."""
    threads = torch.get_num_threads()
    if request.config.getoption("benchmark_enable"):
        torch.set_num_threads(int(os.environ.get("BENCH_THREADS", os.cpu_count() or 1)))
    else:
        torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def compiled(benchmark: Any) -> Iterator[bool]:
    """Ours by the compiled kernels where benchmarks are enabled and they can be had; whether it is so."""
    if not benchmark.disabled:
        with suppress(RuntimeError):
            kernels.load()
    yield kernels.loaded()
    kernels.unload()


@pytest.fixture
def size(benchmark: Any) -> Callable[[int], int]:
    """``size(n)``: n, or a tiny one when benchmarks are disabled."""
    return lambda n: min(n, TINY) if benchmark.disabled else n


@pytest.fixture
def compete(benchmark: Any, request: pytest.FixtureRequest) -> Callable[..., None]:
    """``compete(race, **facts)``: run it and put its medians, ratios and the facts into the benchmark's record."""

    def run(race: Race, **facts: Any) -> None:
        if benchmark.disabled:
            for call in race.others.values():
                call()
            benchmark.pedantic(race.own)
            return
        least = request.config.getoption("benchmark_min_rounds")
        longest = float(request.config.getoption("benchmark_max_time"))
        rounds = max(least, min(MOST_ROUNDS, int(longest / race.calibrate())))
        benchmark.pedantic(race.time_own, setup=race.time_others, rounds=rounds, iterations=1)
        ratios = {name: vars(race.ratio(name)) for name in race.others}
        own = PLAIN if PLAIN in race.others else "own"  # without a compiler ours is plain torch
        facts["plain ratios"] = {name: vars(race.ratio(name, own)) for name in race.others if name != PLAIN}
        medians = {name: race.median(name) for name in race.seconds}
        benchmark.extra_info.update(ratios=ratios, medians=medians, threads=torch.get_num_threads(), **facts)

    return run
