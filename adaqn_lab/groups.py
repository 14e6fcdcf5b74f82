"""What a step asks of the parameter groups: gradients into the vector, the direction into the parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import compress, islice
from typing import Any

import torch
from torch import Tensor

from adaqn_lab.space import FlatParameters, per_run

Groups = list[dict[str, Any]]


def with_gradient(parameters: list[Tensor], views: Iterator[Tensor]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """The parameters which have a gradient, their segments and those of the others; takes all from ``views``."""
    segments = list(islice(views, len(parameters)))
    present = [p.grad is not None for p in parameters]
    if all(present):
        return parameters, segments, []
    missing = [not has for has in present]
    return list(compress(parameters, present)), list(compress(segments, present)), list(compress(segments, missing))


def gather_gradients_(groups: Groups, flat: FlatParameters, g: Tensor) -> None:
    """Set g (R, n) to ``.grad``, with the sign of ``maximize`` and weight decay; missing gradients are zero.

    Raises ``RuntimeError`` for a sparse gradient.
    """
    views = iter(flat.views(g))
    for group in groups:
        parameters, segments, missing = with_gradient(group["params"], views)
        if missing:
            torch._foreach_zero_(missing)
        if not parameters:
            continue
        gradients = [p.grad for p in parameters if p.grad is not None]
        sparse = next((gradient for gradient in gradients if gradient.layout != torch.strided), None)
        if sparse is not None:
            raise RuntimeError(
                f"A gradient of shape {tuple(sparse.shape)} is sparse, and the stored pairs and gradients are dense; "
                "build the layer with sparse=False."
            )
        torch._foreach_copy_(segments, gradients)
        if group["maximize"]:
            torch._foreach_neg_(segments)
        if group["weight_decay"] != 0:
            torch._foreach_add_(segments, parameters, alpha=group["weight_decay"])


def check_rates(groups: Groups, runs: int) -> None:
    """Raise ``ValueError`` in one sentence for an lr that cannot be one, before anything sees the gradient."""
    for group in groups:
        lr = group["lr"]
        if isinstance(lr, Tensor):
            if lr.numel() not in (1, runs):
                raise ValueError(
                    f"lr has shape {tuple(lr.shape)}; set a float, or one rate for each of the {runs} run(s)."
                )
        elif not math.isfinite(lr):
            raise ValueError(f"lr={lr} is no rate; set a finite number >= 0.")


def rates(groups: Groups) -> list[float] | None:
    """Each parameter's lr, 0 where it has no gradient; None where an lr is a tensor."""
    if any(isinstance(group["lr"], Tensor) for group in groups):
        return None
    return [0.0 if p.grad is None else float(group["lr"]) for group in groups for p in group["params"]]


def descend(groups: Groups, flat: FlatParameters, d: Tensor) -> None:
    """Set p <- p - lr d for the parameters with a gradient, with the arithmetic of torch.optim.SGD for a float lr."""
    views = iter(flat.views(d))
    for group in groups:
        parameters, segments, _ = with_gradient(group["params"], views)
        if parameters:
            _descend(parameters, segments, group["lr"])


def _descend(parameters: list[Tensor], d: list[Tensor], lr: float | Tensor) -> None:
    """No host read for an lr which is a tensor."""
    if isinstance(lr, Tensor):
        for v in d:
            # A 0-dim tensor on the CPU multiplies on any device as it is; copying it there would wait for the device.
            rate = lr if lr.numel() == 1 else lr.to(device=v.device, dtype=v.dtype, non_blocking=True)
            v.mul_(per_run(rate, v))
        torch._foreach_sub_(parameters, d)
    else:
        torch._foreach_add_(parameters, d, alpha=-lr)


def move_(groups: Groups, flat: FlatParameters, d: Tensor, total: Tensor, reference: Tensor, after_step: bool) -> None:
    """Set w <- w - lr d and add w - w_ref to the window's sum, before the step or ``after_step``.

    A sum of w would round: a frozen parameter's average would be off by an ulp, a roll-back would change it,
    and a window at lr = 0 would make a pair of rounding errors. Here what did not move adds exactly 0.
    """
    own = None if after_step else rates(groups)
    if own is not None:
        flat.descend_(total, reference, d, own)
        return
    if not after_step:
        flat.descend_(total, reference)
    descend(groups, flat, d)
    if after_step:
        flat.descend_(total, reference)


def does_nothing(groups: Groups) -> bool:
    """Whether every lr is 0 and every gradient too, as in the step by which tools make an optimizer's state.

    Reads the gradients on the host only where every lr is 0 there; and a rate which is a tensor, for which a later
    step might wait: so the optimizer asks for tensors at its first step only.
    """
    for group in groups:
        lr = group["lr"]
        if isinstance(lr, Tensor) and (lr.device.type != "cpu" or lr.any()):
            return False
        if not isinstance(lr, Tensor) and lr != 0:
            return False
    return not any(bool(p.grad.any()) for group in groups for p in group["params"] if p.grad is not None)
