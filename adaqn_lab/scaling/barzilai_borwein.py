"""H0 = gamma I from the newest pair."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from adaqn_lab.diagonal import Diagonal
from adaqn_lab.protocols import Curvature, Step
from adaqn_lab.scaling.elementwise import Elementwise
from adaqn_lab.space import Space


@dataclass(frozen=True)
class BarzilaiBorwein(Elementwise):
    """H0 = (s'y / y'y) I of the newest pair held, I before there is one. No state.

    The second Barzilai-Borwein step length; the usual H0 of L-BFGS (Liu & Nocedal, Math. Programming 45, 1989).
    """

    def init(self, space: Space) -> None:
        """No state."""

    def observe_(self, state: None, step: Step) -> None:
        """Gradients are not used."""

    def diagonal(self, state: None, history: Curvature) -> Diagonal:
        """H0 as data."""
        s_y, _, y_y, exists = history.newest()
        return Diagonal(gamma=torch.where(exists, s_y / y_y, 1.0))
