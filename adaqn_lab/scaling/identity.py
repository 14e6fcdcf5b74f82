"""H0 = I."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from adaqn_lab.protocols import Curvature, Step
from adaqn_lab.space import Space


@dataclass(frozen=True)
class Identity:
    """H0 = I: without pairs the step is stochastic gradient descent. No state."""

    def init(self, space: Space) -> None:
        """No state."""

    def observe_(self, state: None, step: Step) -> None:
        """Gradients are not used."""

    def apply_(self, state: None, history: Curvature, v: Tensor) -> Tensor:
        """Return v itself."""
        return v

    def apply_inverse_(self, state: None, history: Curvature, v: Tensor) -> Tensor:
        """Return v itself."""
        return v
