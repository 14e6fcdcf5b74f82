"""Displacement aggregation: a displacement in the span of newer ones leaves, its curvature stays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from adaqn_lab import ring
from adaqn_lab.checks import require_int, require_real
from adaqn_lab.history import History
from adaqn_lab.memory.aggregation import Frame
from adaqn_lab.memory.curvature_tests import CautiousSS, CurvatureTest
from adaqn_lab.memory.windowed import Windowed
from adaqn_lab.protocols import InitialMatrix, Verdict
from adaqn_lab.scaling import Constant, Identity
from adaqn_lab.space import Space

if TYPE_CHECKING:
    from adaqn_lab.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class DisplacementAggregation(Windowed):
    """The BFGS matrix of *all* pairs in at most ``capacity`` of them, as long as old displacements lie in newer spans.

    After a pair is admitted, the newest stored s_j with |s_j - span(newer)| <= ``tolerance`` |s_j| leaves and the newer
    y take over its curvature, such that H does not change (see :mod:`~adaqn_lab.memory.aggregation`); if there is
    none and more than ``capacity`` pairs are held, the oldest is evicted as from a window. With ``capacity`` >= n
    nothing is ever evicted: H is the full-memory BFGS matrix. Exact for an exact dependence, up to rounding times
    the conditioning of the newer displacements; off by O(``tolerance``) otherwise. A displacement rounded to float32
    lies in a span up to 1e-7 times that conditioning: for such models a tolerance of 1e-4 finds it. Where rounding
    would spoil an s'y > 0, the pair leaves and the y stay as they are.

    The equality holds for one H0 only, since the new y contain H0^-1: H0 is ``h0`` I, and the recipe's scaling must
    be ``Constant(value=h0)``, or ``Identity()`` for 1. For other H0 see :class:`AggregatedWindow`.

    Memory: 2 (m + 1) n float64 elements a run. Cost of a pair: about 10 m^2 n multiply-adds, of H v 4 (m + 1) n.
    Raises ``ValueError`` or ``TypeError`` unless capacity >= 1, h0 > 0, 0 < tolerance < 1, and for other scalings.
    Source: the statement is that of Berahas, Curtis & Zhou, Limited-memory BFGS with displacement aggregation (Math.
    Programming), from memory of the literature; the closed form for the new y is this library's derivation.
    """

    capacity: int = 10
    h0: float = 1.0
    tolerance: float = 1e-6
    test: CurvatureTest = CautiousSS(eps=0.0)

    def __post_init__(self) -> None:
        require_int("DisplacementAggregation", "capacity", self.capacity, at_least=1)
        require_real("DisplacementAggregation", "h0", self.h0, above=0.0)
        require_real("DisplacementAggregation", "tolerance", self.tolerance, above=0.0, below=1.0)

    def check_recipe(self, recipe: Recipe) -> None:
        """H0 must be h0 I at every step."""
        if recipe.scaling not in (
            (Constant(value=self.h0), Identity()) if self.h0 == 1 else (Constant(value=self.h0),)
        ):
            raise ValueError(
                f"DisplacementAggregation(h0={self.h0}) changes y by H0^-1 of that H0, but the scaling is "
                f"{recipe.scaling!r}; take Constant(value={self.h0}), or AggregatedWindow() for any H0."
            )

    def init(self, space: Space) -> History:
        """An empty history, with a slot for the pair which makes another one redundant."""
        return History.empty(replace(space, dtype=torch.float64), self.capacity + 1)

    def store_(self, state: History, s: Tensor, y: Tensor, verdict: Verdict) -> None:
        """Push the pair, then free a slot."""
        state.push_(s.double(), y.double(), verdict.admitted)
        self._aggregate_(state, verdict.admitted)

    def _aggregate_(self, state: History, where: Tensor) -> None:
        """Let one pair of each run in ``where`` leave, if one is redundant or one too many."""
        held, s, y = _in_time(state)
        frame = Frame.of(s, y, held)
        near = frame.redundant(self.tolerance) & where.unsqueeze(1)
        some = near.any(1, keepdim=True)
        p, c = frame.taken_over(near, self.h0)
        changed = torch.baddbmm(c @ y, p, frame.basis)
        before, after = ((s * rows).sum(2) for rows in (y, changed))
        sound = (torch.isfinite(changed).all(2) & ((after > 0.5 * before) | ~held | near)).all(1)
        y = torch.where((some & sound.unsqueeze(1)).unsqueeze(2), changed, y)
        oldest = held & (held.long().cumsum(1) == 1)
        full = (state.count > self.capacity) & where
        gone = torch.where(some, near, oldest & full.unsqueeze(1))
        _refill_(state, s, y, held & ~gone, gone.any(1))

    def apply_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Return H v."""
        return state.apply_(v.double(), h0).to(v.dtype)

    def solve_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Return B v."""
        return state.solve_(v.double(), h0).to(v.dtype)


def _in_time(state: History) -> tuple[Tensor, Tensor, Tensor]:
    """Which rows are held (R, M), S and Y (R, M, n), oldest first, zero where nothing is held."""
    order = ring.age(state.head, state.capacity).argsort(dim=1)
    held = ring.held(state.head, state.count, state.capacity).take_along_dim(order, 1)
    index = order.unsqueeze(2)
    s, y = (torch.where(held.unsqueeze(2), rows.take_along_dim(index, 1), 0.0) for rows in (state.s, state.y))
    return held, s, y


def _refill_(state: History, s: Tensor, y: Tensor, held: Tensor, where: Tensor) -> None:
    """Put the rows in ``held``, oldest first, into the history of the runs in ``where``."""
    state.clear_(where)
    for old_s, old_y, kept in zip(s.unbind(1), y.unbind(1), held.unbind(1), strict=True):
        state.push_(old_s, old_y, kept & where)
