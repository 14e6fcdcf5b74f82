"""H0 = gamma I from the newest pair."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from adaqn_lab.protocols import Curvature, Step
from adaqn_lab.space import Space


@dataclass(frozen=True)
class BarzilaiBorwein:
    """H0 = (s'y / y'y) I of the newest pair held, I before there is one. No state.

    The second Barzilai-Borwein step length; the usual H0 of L-BFGS (Liu & Nocedal, Math. Programming 45, 1989).
    """

    def init(self, space: Space) -> None:
        """No state."""

    def observe_(self, state: None, step: Step) -> None:
        """Gradients are not used."""

    def apply_(self, state: None, history: Curvature, v: Tensor) -> Tensor:
        """Return gamma v, in place."""
        s_y, _, y_y, exists = history.newest()
        gamma = torch.where(exists, s_y / y_y, 1.0)
        return v.mul_(gamma.to(v.dtype).unsqueeze(1))

    def apply_inverse_(self, state: None, history: Curvature, v: Tensor) -> Tensor:
        """Return v / gamma, in place."""
        s_y, _, y_y, exists = history.newest()
        return v.mul_(torch.where(exists, y_y / s_y, 1.0).to(v.dtype).unsqueeze(1))
