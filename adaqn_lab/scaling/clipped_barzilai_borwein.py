"""H0 = I / gamma, gamma bounded from below."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from adaqn_lab.bases import ScalingBase
from adaqn_lab.checks import require_real
from adaqn_lab.diagonal import Diagonal
from adaqn_lab.protocols import Curvature


@dataclass(frozen=True, kw_only=True)
class ClippedBarzilaiBorwein(ScalingBase):
    """H0 = I / gamma, gamma = max(y'y / s'y, floor) of the newest pair held, ``floor`` before there is one. No state.

    So |H0| <= 1 / floor. Raises ``ValueError`` or ``TypeError`` unless floor > 0.
    Source: SdLBFGS, Wang, Ma, Goldfarb & Liu 2017, as a public code does; there gamma is that of the pair before its
    damping, here of the pair as held (they differ where the damping changed it).
    """

    floor: float = 1.0

    def __post_init__(self) -> None:
        require_real("ClippedBarzilaiBorwein", "floor", self.floor, above=0.0)

    def _gamma(self, curvature: Curvature) -> Tensor:
        """(R,) float64."""
        s_y, _, y_y, exists = curvature.newest()
        return torch.where(exists, y_y / s_y, self.floor).clamp(min=self.floor)

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        """H0 as it is now."""
        return Diagonal(gamma=1.0 / self._gamma(curvature))
