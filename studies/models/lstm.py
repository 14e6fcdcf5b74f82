"""A layer of long short-term memory for R runs side by side, in two forms which compute the same.

    i, f, o = sigmoid(pre + W h),  a = tanh(pre + W h)      gates in torch's order i, f, a, o along 4H
    c' = f c + i a,  h' = o tanh(c')

``pre`` (R, T, B, 4H) is the inputs' part of all steps, biases included; ``weight`` W (R, 4H, H); h, c (R, B, H).
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

State = tuple[Tensor, ...]
"""What a layer hands from one step to the next, each (R, B, H)."""

_tanh_backward = torch.ops.aten.tanh_backward.grad_input


def lstm(pre: Tensor, weight: Tensor, state: State) -> tuple[Tensor, State]:
    """Return the outputs (R, T, B, H) and the last state: differentiable once, and ``pre`` is overwritten.

    Written by hand because a graph of a dozen nodes a step costs more than the arithmetic of a small layer: the
    gates are activated where they stand, and their gradients take the same memory.
    """
    outputs, cell = _Lstm.apply(pre, weight, *state)  # type: ignore[no-untyped-call]
    return outputs, (outputs[:, -1], cell)


def lstm_twice(pre: Tensor, weight: Tensor, state: State) -> tuple[Tensor, State]:
    """Return the same, differentiable as often as one likes."""
    h, c = state
    weight_t, outputs = weight.transpose(1, 2), []
    for row in pre.unbind(1):
        i, f, a, o = torch.baddbmm(row, h, weight_t).chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(a)
        h = torch.sigmoid(o) * torch.tanh(c)
        outputs.append(h)
    return torch.stack(outputs, dim=1), (h, c)


class _Lstm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, pre: Tensor, weight: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        runs, steps, batch, width = pre.shape
        size = width // 4
        # One step more than there are outputs, so that "the state before" is a view and never copied.
        hs, cs = (pre.new_empty(runs, steps + 1, batch, size) for _ in range(2))
        tanhs = pre.new_empty(runs, steps, batch, size)
        hs[:, 0], cs[:, 0] = h, c
        weight_t = weight.transpose(1, 2)
        for t in range(steps):
            gates = pre[:, t].baddbmm_(hs[:, t], weight_t)
            i, f, a, o = _parts(gates)
            a.mul_(2.0)
            gates.sigmoid_()
            a.mul_(2.0).sub_(1.0)
            torch.mul(f, cs[:, t], out=cs[:, t + 1]).addcmul_(i, a)
            _tanh(cs[:, t + 1], out=tanhs[:, t])
            torch.mul(o, tanhs[:, t], out=hs[:, t + 1])
        ctx.save_for_backward(weight, hs, cs, tanhs)
        ctx.gates = pre  # not saved: the backward pass overwrites it, once
        return hs[:, 1:], cs[:, -1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_hs: Tensor, d_cell: Tensor) -> tuple[Tensor, Tensor, None, None]:
        weight, hs, cs, tanhs = ctx.saved_tensors
        gates, ctx.gates = ctx.gates, None
        if gates is None:
            raise RuntimeError("The backward pass of this layer runs once; build the loss again for a second one.")
        runs, steps, batch, size = tanhs.shape
        dh, dc = torch.zeros_like(hs[:, 0]), d_cell.clone()
        slopes, scratch = torch.empty_like(gates[:, 0]), (torch.empty_like(dh), torch.empty_like(dh))
        for t in range(steps - 1, -1, -1):
            dh.add_(d_hs[:, t])
            _backward_step(gates[:, t], tanhs[:, t], cs[:, t], dh, dc, slopes, scratch)
            torch.bmm(gates[:, t], weight, out=dh)
        d_gates = gates.view(runs, steps * batch, 4 * size)
        d_weight = torch.bmm(d_gates.transpose(1, 2), hs[:, :-1].view(runs, steps * batch, size))
        return gates, d_weight, None, None


def _backward_step(
    gates: Tensor, tanh: Tensor, before: Tensor, dh: Tensor, dc: Tensor, slopes: Tensor, scratch: tuple[Tensor, Tensor]
) -> None:
    """Put the gates' gradients in the gates' place; ``dc`` goes from after this step to before it."""
    (i, f, a, o), (first, second) = _parts(gates), scratch
    torch.addcmul(gates, gates, gates, value=-1.0, out=slopes)  # sigmoid' = p - p^2
    torch.mul(dh, o, out=first)
    dc.add_(_tanh_backward(first, tanh, grad_input=second))
    torch.mul(dh, tanh, out=o)
    torch.mul(dc, i, out=first)
    _tanh_backward(first, a, grad_input=second)
    torch.mul(dc, a, out=i)
    a.copy_(second)
    _parts(slopes)[2].fill_(1.0)
    torch.mul(dc, f, out=first)
    torch.mul(dc, before, out=f)
    dc.copy_(first)
    gates.mul_(slopes)


def _parts(gates: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    i, f, a, o = gates.chunk(4, dim=-1)
    return i, f, a, o


def _tanh(x: Tensor, *, out: Tensor) -> Tensor:
    """Set out = 2 sigmoid(2x) - 1: tanh to one rounding of a number near 1, in a fifth of torch.tanh's time."""
    return torch.mul(x, 2.0, out=out).sigmoid_().mul_(2.0).sub_(1.0)
