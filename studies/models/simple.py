"""A layer of simple recurrent units, h' = tanh(pre + W h) or max(0, pre + W h), for R runs side by side.

Shapes as in `studies.models.lstm`, with H in the place of 4H.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from studies.models.lstm import State

_tanh_backward = torch.ops.aten.tanh_backward.grad_input
_relu_backward = torch.ops.aten.threshold_backward.grad_input


def tanh_layer(pre: Tensor, weight: Tensor, state: State) -> tuple[Tensor, State]:
    """Return the outputs (R, T, B, H) of tanh units and the last state; differentiable once."""
    return _last(_Simple.apply(pre, weight, state[0], False))  # type: ignore[no-untyped-call]


def relu_layer(pre: Tensor, weight: Tensor, state: State) -> tuple[Tensor, State]:
    """Return the outputs (R, T, B, H) of rectified linear units and the last state; differentiable once."""
    return _last(_Simple.apply(pre, weight, state[0], True))  # type: ignore[no-untyped-call]


def tanh_twice(pre: Tensor, weight: Tensor, state: State) -> tuple[Tensor, State]:
    """Return what `tanh_layer` does, differentiable as often as one likes."""
    return _twice(pre, weight, state[0], rectified=False)


def relu_twice(pre: Tensor, weight: Tensor, state: State) -> tuple[Tensor, State]:
    """Return what `relu_layer` does, differentiable as often as one likes."""
    return _twice(pre, weight, state[0], rectified=True)


def _last(outputs: Tensor) -> tuple[Tensor, State]:
    return outputs, (outputs[:, -1],)


def _twice(pre: Tensor, weight: Tensor, h: Tensor, *, rectified: bool) -> tuple[Tensor, State]:
    weight_t, outputs = weight.transpose(1, 2), []
    for row in pre.unbind(1):
        sums = torch.baddbmm(row, h, weight_t)
        h = torch.relu(sums) if rectified else torch.tanh(sums)
        outputs.append(h)
    return torch.stack(outputs, dim=1), (h,)


class _Simple(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, pre: Tensor, weight: Tensor, h: Tensor, rectified: bool) -> Tensor:
        runs, steps, batch, size = pre.shape
        hs = pre.new_empty(runs, steps + 1, batch, size)
        hs[:, 0] = h
        weight_t = weight.transpose(1, 2)
        for t in range(steps):
            sums = torch.baddbmm(pre[:, t], hs[:, t], weight_t, out=hs[:, t + 1])
            torch.relu_(sums) if rectified else torch.tanh_(sums)
        ctx.save_for_backward(weight, hs)
        ctx.rectified = rectified
        return hs[:, 1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_hs: Tensor) -> tuple[Tensor, Tensor, None, None]:
        weight, hs = ctx.saved_tensors
        runs, steps, batch, size = d_hs.shape
        d_pre = hs.new_empty(runs, steps, batch, size)
        dh = torch.zeros_like(hs[:, 0])
        for t in range(steps - 1, -1, -1):
            dh.add_(d_hs[:, t])
            if ctx.rectified:
                _relu_backward(dh, hs[:, t + 1], 0.0, grad_input=d_pre[:, t])
            else:
                _tanh_backward(dh, hs[:, t + 1], grad_input=d_pre[:, t])
            torch.bmm(d_pre[:, t], weight, out=dh)
        flat = d_pre.view(runs, steps * batch, size)
        d_weight = torch.bmm(flat.transpose(1, 2), hs[:, :-1].reshape(runs, steps * batch, size))
        return d_pre, d_weight, None, None
