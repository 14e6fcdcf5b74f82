"""Between arrays and parts: tensors, spaces, displacements, and memories as plain functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adaqn_lab import Diagonal, Displacement, Space, Window
from adaqn_lab import state as part_state
from adaqn_lab.bases import ScalingBase
from adaqn_lab.diagonal import Entries
from adaqn_lab.operator import InverseHessian
from adaqn_lab.protocols import Curvature, InitialMatrix
from verification.compare import torch_dtype

Array = NDArray[Any]


Form = Callable[[Tensor], InitialMatrix]
"""Diagonal entries h0 (R, n) -> that H0."""


def tensor(x: Array) -> Tensor:
    """A fresh tensor with the values and dtype of ``x``."""
    return torch.from_numpy(np.array(x, copy=True))


def array(x: Tensor) -> Array:
    """A fresh array with the values and dtype of ``x``."""
    return np.array(x.detach().cpu().numpy(), copy=True)


def space_of(v: Array, runs: int = 1) -> Space:
    """The space of ``runs`` vectors like ``v`` (..., n)."""
    return Space(runs, v.shape[-1], torch_dtype(str(v.dtype)))


def displacement(s: Tensor, where: Tensor, w_ref: Tensor | None = None) -> Displacement:
    """A displacement ``s`` (R, n) from ``w_ref``, by default a point which is the same for every run and not zero.

    As the optimizer makes it: s is exact and w_bar = w_ref + s is rounded. So nobody may take w_bar for s.
    """
    if w_ref is None:
        w_ref = torch.arange(1, s.shape[1] + 1, dtype=s.dtype, device=s.device).cos().expand_as(s).clone()
    return Displacement(s=s, w_bar=w_ref + s, w_ref=w_ref, where=where)


def by_entries(h0: Tensor) -> Entries:
    """H0 by its entries (R, n): bit for bit."""
    return Entries(entries=h0)


def by_diagonal(h0: Tensor) -> Diagonal:
    """H0 as 2 / sqrt(4 G), G = h0^-2: the form which training has, applied inside the direction, with all its factors.

    Within one ulp, 2 u, of ``h0``: the square and its reciprocal err by u each, of which the root keeps half, and the
    root by u; 2, 4 and eps = 0 round nothing. H is linear in H0, so H v moves by 2 u times the magnitude, which the
    factor 100 of every tolerance around an H0 covers.
    """
    four = torch.full(h0.shape[:1], 4.0, dtype=torch.float64, device=h0.device)
    return Diagonal(gamma=2.0, squares=h0.square().reciprocal_(), weight=four, eps=0.0)


FORMS: tuple[Form, ...] = (by_entries, by_diagonal)
"""Every form of one diagonal H0."""


@dataclass(frozen=True)
class Fixed(ScalingBase):
    """H0 is this one at every step."""

    matrix: InitialMatrix

    def h0(self, state: None, curvature: Curvature) -> InitialMatrix:
        """H0."""
        return self.matrix


def operator_of(memory: Any, state: Any, h0: InitialMatrix) -> InverseHessian:
    """The operator which the optimizer gives to its parts: H of a memory around ``h0``, and its inverse."""
    return InverseHessian(Fixed(h0), memory, {"scaling": None, "memory": state})


def operator_without_pairs(h0: InitialMatrix) -> InverseHessian:
    """The same without pairs: H = H0."""
    return InverseHessian(Fixed(h0), Window(capacity=0), {"scaling": None, "memory": None}, without_pairs=True)


def capacity_of(memory: Any) -> int | None:
    """How many pairs ``memory``, or the one inside it, says that it holds; None if neither says it."""
    own = getattr(memory, "capacity", None)
    inner = getattr(memory, "of", None)
    return own if isinstance(own, int) or inner is None else capacity_of(inner)


class RefusedPairError(Exception):
    """A memory did not take a pair with s'y > 0: its test is stricter than the case, which says nothing then."""


class TooLargeError(Exception):
    """A case would cost the subject too much, by what it allocates or by what smaller ones cost: it is not tried."""


class MemoryDirection:
    """The operator of a memory policy, offered the pairs one by one. RefusedPairError if it refuses one.

    A memory is filled anew when S, Y or h0 are others than at the last call: the columns of H cost one filling.
    ``forms``: the same for every form of H0; a law about operators is checked on all of them.
    """

    def __init__(self, factory: Callable[[], Any], form: Form = by_entries) -> None:
        self._factory, self._form = factory, form
        self._last: Any = None
        self._operator: Any = None

    def bytes_needed(self, n: int) -> int:
        """What the state of one float32 run of n parameters takes; ``ValueError`` if the memory cannot hold it."""
        state = self._factory().init(Space(1, n, torch.float32, torch.device("meta")))
        return sum(x.numel() * x.element_size() for x in part_state.flatten({"memory": state}).values())

    @property
    def forms(self) -> tuple[MemoryDirection, ...]:
        """One for each form of H0, its own first."""
        return (self, *(MemoryDirection(self._factory, form) for form in FORMS if form is not self._form))

    def __call__(self, S: Array, Y: Array, h0: Array, g: Array) -> Array:
        """H g."""
        pairs = tuple((x.dtype, x.shape, x.tobytes()) for x in (S, Y, h0))
        if self._last != pairs:
            self._last, self._operator = pairs, _filled(self._factory(), S, Y, self._form(tensor(h0[None])), h0)
        result: Array = array(self._operator.apply_(tensor(g[None])))[0]
        return result


def memory_direction(factory: Callable[[], Any], form: Form = by_entries) -> MemoryDirection:
    """The operator of the memories that ``factory`` makes."""
    return MemoryDirection(factory, form)


def _filled(part: Any, S: Array, Y: Array, h0: InitialMatrix, like: Array) -> InverseHessian:
    """H with the pairs in the memory, for vectors like ``like``."""
    space = space_of(like)
    state, everyone = part.init(space), space.mask(True)
    operator = operator_of(part, state, h0)
    for index, (s, y) in enumerate(zip(S, Y, strict=True)):
        verdict = part.admit_(state, displacement(tensor(s[None]), everyone), tensor(y[None]), operator)
        if not bool(verdict.admitted.all()):
            raise RefusedPairError(f"pair {index}, s'y = {float(s @ y):.6g}")
    return operator
