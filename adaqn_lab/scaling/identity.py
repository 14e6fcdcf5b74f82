"""H0 = I."""

from __future__ import annotations

from dataclasses import dataclass

from adaqn_lab.diagonal import Diagonal
from adaqn_lab.protocols import Curvature, Step
from adaqn_lab.scaling.elementwise import Elementwise
from adaqn_lab.space import Space


@dataclass(frozen=True)
class Identity(Elementwise):
    """H0 = I: without pairs the step is stochastic gradient descent. No state."""

    def init(self, space: Space) -> None:
        """No state."""

    def observe_(self, state: None, step: Step) -> None:
        """Gradients are not used."""

    def diagonal(self, state: None, history: Curvature) -> Diagonal:
        """H0 as data."""
        return Diagonal()
