"""A window whose pairs are believed only so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from adaqn_lab.bases import MemoryBase
from adaqn_lab.checks import require_int, require_real
from adaqn_lab.history import History
from adaqn_lab.memory.curvature_tests import CautiousSS, CurvatureTest
from adaqn_lab.memory.windowed import Windowed
from adaqn_lab.protocols import Verdict


@dataclass(frozen=True, kw_only=True)
class SoftWindow(Windowed):
    """L-BFGS with rho = 1 / (s'y + tau), tau = softness s's, in place of 1 / s'y: the secant equation gives way.

    With V = I - rho s y', for the newest pair

        H+ = V H V' + rho s s',   H+ y = [tau V H y + (s'y) s] / (s'y + tau)

    so that softness -> 0 is the secant equation and softness -> infinity no update; a pair of small curvature, which
    is mostly noise, is believed little. ``softness`` has the units of a Hessian. H stays positive definite. There
    are no products with B; ``newest`` answers with s'y + tau.

    Memory: 2 m n elements a run. Raises ``ValueError`` or ``TypeError`` unless capacity >= 1 and softness > 0.
    Source: after the soft secant of S-BFGS (Carlon, Espath & Tempone, arXiv 2507.07729), documented denominators
    s'y + rho / p; its choice of the penalty from per-sample variances is not implemented.
    """

    capacity: int = 10
    softness: float = 1e-2
    test: CurvatureTest = CautiousSS(eps=1e-4)

    def __post_init__(self) -> None:
        require_int("SoftWindow", "capacity", self.capacity, at_least=1)
        require_real("SoftWindow", "softness", self.softness, above=0.0)

    invertible: ClassVar[bool] = False

    def store_(self, state: History, s: Tensor, y: Tensor, verdict: Verdict) -> None:
        """Push the pair with its softness."""
        state.push_(s, y, verdict.admitted, soften=self.softness * verdict.s_s)

    solve_ = MemoryBase.solve_  # which refuses: the compact form of B is not that of soft pairs
