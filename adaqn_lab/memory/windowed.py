"""What the memories with a window of pairs share."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from torch import Tensor

from adaqn_lab.bases import MemoryBase
from adaqn_lab.history import History
from adaqn_lab.memory.admission import judge
from adaqn_lab.memory.curvature_tests import CurvatureTest
from adaqn_lab.protocols import Displacement, InitialMatrix, Operator, Verdict
from adaqn_lab.space import Space


class Windowed(MemoryBase):
    """The last ``capacity`` pairs which pass ``test``, in a :class:`~adaqn_lab.History`; H is their L-BFGS matrix.

    A pair is judged as the rows will hold it. A memory of another kind overrides how a pair is stored, or the products.
    """

    capacity: int
    test: CurvatureTest

    invertible: ClassVar[bool] = True

    def init(self, space: Space) -> History:
        """An empty history."""
        return History.empty(space, self.capacity)

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        """Store (s, y) where the rule admits it."""
        move, y = replace(move, s=state.rounded(move.s)), state.rounded(y)
        verdict = judge(move, y, self.test)
        self.store_(state, move.s, y, verdict)
        return verdict

    def store_(self, state: History, s: Tensor, y: Tensor, verdict: Verdict) -> None:
        """Push the pair of the runs which the verdict admits."""
        state.push_(s, y, verdict.admitted)

    def apply_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Return H v, in ``v``."""
        return state.apply_(v, h0)

    def solve_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Return B v, in ``v``."""
        return state.solve_(v, h0)

    def reset_(self, state: History, where: Tensor) -> None:
        """Drop the pairs."""
        state.clear_(where)
