"""The floor: reading S twice and Y once, at the speed of a streaming read over S and Y in the same rounds."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from tests.benchmarks.timing import Call

TRIALS = 5


def streaming_read(*buffers: Tensor) -> Call:
    """``() -> None`` which reads each buffer once, by the fastest of a sum, a maximum and a product with a vector."""
    flat = [buffer.view(-1) for buffer in buffers]
    rows = [x[: x.numel() // 4096 * 4096].view(-1, 4096) for x in flat if x.numel() >= 4096]
    ones = torch.ones(4096, dtype=buffers[0].dtype)
    candidates: list[Call] = [
        lambda: [x.sum() for x in flat],
        lambda: [x.amax() for x in flat],
        lambda: [torch.mv(x, ones) for x in rows] if rows else [x.sum() for x in flat],
    ]
    return min(candidates, key=_best)


def floor_fraction(read_over_own: float) -> float:
    """Fraction of the floor from the time of the streaming read over ours: 3 m n elements against its 2 m n."""
    return 1.5 * read_over_own


def _best(call: Call) -> float:
    times = []
    for _ in range(TRIALS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)
