"""A window in which a nearly parallel displacement replaces its predecessor."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from adaqn_lab.checks import require_int, require_real
from adaqn_lab.history import History
from adaqn_lab.linalg import dot
from adaqn_lab.memory.curvature_tests import CautiousYY, CurvatureTest
from adaqn_lab.memory.windowed import Windowed
from adaqn_lab.protocols import Verdict


@dataclass(frozen=True, kw_only=True)
class AggregatedWindow(Windowed):
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
        require_real("AggregatedWindow", "parallel", self.parallel, above=0.0, at_most=1.0)

    def store_(self, state: History, s: Tensor, y: Tensor, verdict: Verdict) -> None:
        """Push the pair, in the place of the newest where s is parallel to it."""
        _, s_s, _, exists = state.newest()
        cosine = dot(state.latest(), s).abs() / (s_s.sqrt() * verdict.s_s.sqrt())
        state.pop_(verdict.admitted & exists & (cosine > self.parallel))
        super().store_(state, s, y, verdict)
