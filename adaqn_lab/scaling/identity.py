"""H0 = I."""

from __future__ import annotations

from dataclasses import dataclass

from adaqn_lab.bases import ScalingBase
from adaqn_lab.diagonal import Diagonal
from adaqn_lab.protocols import Curvature


@dataclass(frozen=True)
class Identity(ScalingBase):
    """H0 = I: without pairs the step is stochastic gradient descent. No state."""

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        """H0 as it is now."""
        return Diagonal()
