"""d = H g."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from adaqn_lab.protocols import Operator, Step
from adaqn_lab.space import Space


@dataclass(frozen=True)
class Plain:
    """d = H g, so that w <- w - lr H g. No state."""

    def init(self, space: Space) -> None:
        """No state."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        """Return H g."""
        return operator(step.g)

    def over_(self, state: None, step: Step, operator: Operator) -> Tensor:
        """Return H g, written over ``step.g``."""
        return operator.over_(step.g)

    def rollback_(self, state: None, where: Tensor) -> None:
        """Nothing to undo."""
