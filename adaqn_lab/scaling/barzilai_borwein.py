"""H0 = gamma I from the newest pair."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from adaqn_lab.bases import ScalingBase
from adaqn_lab.diagonal import Diagonal
from adaqn_lab.protocols import Curvature


@dataclass(frozen=True)
class BarzilaiBorwein(ScalingBase):
    """H0 = (s'y / y'y) I of the newest pair held, I before there is one. No state.

    The second Barzilai-Borwein step length; the usual H0 of L-BFGS (Liu & Nocedal, Math. Programming 45, 1989).
    """

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        """H0 as it is now."""
        s_y, _, y_y, exists = curvature.newest()
        return Diagonal(gamma=torch.where(exists, s_y / y_y, 1.0))
