"""d = g."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from adaqn_lab.protocols import Operator, Step
from adaqn_lab.space import Space


@dataclass(frozen=True)
class Gradient:
    """d = g: stochastic gradient descent, whatever H is. No state."""

    def init(self, space: Space) -> None:
        """No state."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        """Return a copy of g."""
        return step.g.clone()

    def rollback_(self, state: None, where: Tensor) -> None:
        """Nothing to undo."""
