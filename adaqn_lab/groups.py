"""What a step asks of one parameter group."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import compress, islice
from typing import Any

import torch
from torch import Tensor

from adaqn_lab.space import per_run


def with_gradient(parameters: list[Tensor], views: Iterator[Tensor]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """The parameters which have a gradient, their segments and those of the others; takes all from ``views``."""
    segments = list(islice(views, len(parameters)))
    present = [p.grad is not None for p in parameters]
    if all(present):
        return parameters, segments, []
    missing = [not has for has in present]
    return list(compress(parameters, present)), list(compress(segments, present)), list(compress(segments, missing))


def own_rates(groups: list[dict[str, Any]]) -> list[float] | None:
    """Each parameter's lr, 0 where it has no gradient; None where an lr is a tensor."""
    if any(isinstance(group["lr"], Tensor) for group in groups):
        return None
    return [0.0 if p.grad is None else float(group["lr"]) for group in groups for p in group["params"]]


def descend(parameters: list[Tensor], d: list[Tensor], lr: float | Tensor) -> None:
    """Set p <- p - lr d, with the arithmetic of torch.optim.SGD for a float lr; no host read for a tensor."""
    if isinstance(lr, Tensor):
        for v in d:
            # A 0-dim tensor on the CPU multiplies on any device as it is; copying it there would wait for the device.
            rate = lr if lr.numel() == 1 else lr.to(device=v.device, dtype=v.dtype, non_blocking=True)
            v.mul_(per_run(rate, v))
        torch._foreach_sub_(parameters, d)
    else:
        torch._foreach_add_(parameters, d, alpha=-lr)
