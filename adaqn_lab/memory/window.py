"""First in, first out, with a cautious test."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from adaqn_lab.checks import require_int, require_storage, storage
from adaqn_lab.history import History
from adaqn_lab.linalg import dot
from adaqn_lab.memory.curvature_tests import CautiousYY, CurvatureTest
from adaqn_lab.protocols import Apply, Displacement, Operator, Verdict
from adaqn_lab.space import Space


@dataclass(frozen=True, kw_only=True)
class Window:
    """Keep the last ``capacity`` = m_L pairs that pass ``test``; a pair that fails is skipped.

    H is the L-BFGS matrix of the pairs held around H0 (see :class:`~adaqn_lab.history.History`). A pair whose
    s'y, s's or y'y is not finite, or whose s'y <= 0, never enters. With capacity 0 nothing is held and H = H0,
    while the test still decides whether the reference advances.

    ``dtype``: that of the stored pairs, by default the vectors'. With ``torch.bfloat16`` both s and y are rounded to 8
    bits of mantissa before they are tested, so that H is exactly the L-BFGS matrix of the rounded pairs.

    Memory: 2 m_L n elements a run. Raises ``ValueError`` or ``TypeError`` for ``capacity`` < 0 or a ``dtype`` other
    than bfloat16 and None.
    """

    capacity: int = 10
    test: CurvatureTest = CautiousYY()
    dtype: torch.dtype | None = None

    def __post_init__(self) -> None:
        require_int("Window", "capacity", self.capacity, at_least=0)
        require_storage("Window", self.dtype)

    def init(self, space: Space) -> History:
        """An empty history."""
        return History.empty(space, self.capacity, storage(space, self.dtype))

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        """Store (s, y) where the test accepts it."""
        s, y = state.rounded(move.s), state.rounded(y)
        s_y, s_s, y_y = dot(s, y), dot(s, s), dot(y, y)
        sound = torch.isfinite(s_y) & torch.isfinite(s_s) & torch.isfinite(y_y) & (s_y > 0)
        admitted = move.where & sound & self.test.accept(s_y, s_s, y_y)
        state.push_(s, y, admitted)
        return Verdict(admitted, s_y, s_s, y_y)

    def apply(self, state: History, v: Tensor, h0: Apply) -> Tensor:
        """Return H v."""
        return state.apply(v, h0)

    def apply_(self, state: History, v: Tensor, h0: Apply) -> Tensor:
        """Return H v, in ``v``."""
        return state.apply_(v, h0)

    def apply_inverse(self, state: History, v: Tensor, b0: Apply) -> Tensor:
        """Return B v."""
        return state.apply_inverse(v, b0)

    def reset_(self, state: History, where: Tensor) -> None:
        """Drop the pairs."""
        state.clear_(where)
