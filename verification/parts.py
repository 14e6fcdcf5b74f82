"""Between arrays and parts: tensors, spaces, displacements, and memories as plain functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adaqn_lab import Displacement, Space
from verification.compare import torch_dtype
from verification.laws.operators import Direction

Array = NDArray[Any]


def tensor(x: Array) -> Tensor:
    """A fresh tensor with the values and dtype of ``x``."""
    return torch.from_numpy(np.array(x, copy=True))


def array(x: Tensor) -> Array:
    """A fresh array with the values and dtype of ``x``."""
    return np.array(x.detach().cpu().numpy(), copy=True)


def space_of(v: Array, runs: int = 1) -> Space:
    """The space of ``runs`` vectors like ``v`` (..., n)."""
    return Space(runs, v.shape[-1], torch_dtype(str(v.dtype)))


def displacement(s: Tensor, where: Tensor) -> Displacement:
    """A displacement ``s`` (R, n) from the origin."""
    return Displacement(s=s, w_bar=s.clone(), w_ref=torch.zeros_like(s), where=where)


class RefusedPairError(Exception):
    """A memory did not take a pair with s'y > 0: its test is stricter than the case, which says nothing then."""


def memory_direction(factory: Callable[[], Any]) -> Direction:
    """The operator of a memory policy, offered the pairs one by one. RefusedPairError if it refuses one.

    A memory is filled anew when S, Y or h0 are others than at the last call: the columns of H cost one filling.
    """
    last: list[Any] = [None, None]

    def direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
        pairs = tuple((x.dtype, x.shape, x.tobytes()) for x in (S, Y, h0))
        if last[0] != pairs:
            last[:] = pairs, _filled(factory(), S, Y, h0)
        result: Array = array(last[1](tensor(g[None])))[0]
        return result

    return direction


def _filled(part: Any, S: Array, Y: Array, h0: Array) -> Callable[[Tensor], Tensor]:
    """v -> H v, with the pairs in the memory."""
    space, h0_ = space_of(h0), tensor(h0)
    state, everyone = part.init(space), space.mask(True)

    def operator(v: Tensor) -> Tensor:
        result: Tensor = part.apply(state, v, lambda u: u.mul_(h0_))
        return result

    for index, (s, y) in enumerate(zip(S, Y, strict=True)):
        verdict = part.admit_(state, displacement(tensor(s[None]), everyone), tensor(y[None]), operator)
        if not bool(verdict.admitted.all()):
            raise RefusedPairError(f"pair {index}, s'y = {float(s @ y):.6g}")
    return operator
