"""A window in which a nearly parallel displacement replaces its predecessor."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from adaqn_lab.checks import require_int, require_real
from adaqn_lab.history import History
from adaqn_lab.linalg import dot
from adaqn_lab.memory.curvature_tests import CautiousYY, CurvatureTest
from adaqn_lab.memory.dense import judged
from adaqn_lab.protocols import Apply, Displacement, Operator, Verdict
from adaqn_lab.space import Space


@dataclass(frozen=True, kw_only=True)
class AggregatedWindow:
    """Keep the last ``capacity`` pairs; an admitted s with |cos(s, s_newest)| > ``parallel`` replaces the newest pair.

    If two successive displacements are exactly parallel, H with both pairs equals H with the later one alone
    (V s_old = 0), whatever H0, so the slot is free for an older, different direction. This is the parallel case of
    displacement aggregation; the general one, where s lies in the span of several stored displacements, changes their
    y by H0^-1 and is :class:`DisplacementAggregation`. With ``parallel`` < 1 H is that of the later pair alone only to
    first order.

    Memory: 2 m n elements a run, and one dot product more than a window.
    Raises ``ValueError`` or ``TypeError`` unless capacity >= 1 and 0 < parallel <= 1.
    Source: Berahas, Curtis & Zhou, Limited-memory BFGS with displacement aggregation (Math. Programming), from
    memory of the literature; restricted as said.
    """

    capacity: int = 10
    parallel: float = 0.99
    test: CurvatureTest = CautiousYY()

    def __post_init__(self) -> None:
        require_int("AggregatedWindow", "capacity", self.capacity, at_least=1)
        require_real("AggregatedWindow", "parallel", self.parallel, above=0.0)
        require_real("AggregatedWindow", "parallel", self.parallel, below=1.0 + 1e-12)

    def init(self, space: Space) -> History:
        """An empty history."""
        return History.empty(space, self.capacity)

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        """Store (s, y) where the test accepts it, in the place of the newest pair where s is parallel to it."""
        verdict = judged(move, y, self.test)
        _, s_s, _, exists = state.newest()
        cosine = dot(state.latest(), move.s).abs() / (s_s * verdict.s_s).sqrt()
        state.pop_(verdict.admitted & exists & (cosine > self.parallel))
        state.push_(move.s, y, verdict.admitted)
        return verdict

    def apply(self, state: History, v: Tensor, h0: Apply) -> Tensor:
        """Return H v."""
        return state.apply(v, h0)

    def apply_inverse(self, state: History, v: Tensor, b0: Apply) -> Tensor:
        """Return B v."""
        return state.apply_inverse(v, b0)

    def reset_(self, state: History, where: Tensor) -> None:
        """Drop the pairs."""
        state.clear_(where)
