"""d = g."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from adaqn_lab.bases import StepperBase
from adaqn_lab.protocols import Operator, Step


@dataclass(frozen=True)
class Gradient(StepperBase):
    """d = g: stochastic gradient descent, whatever H is. No state."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        """Return g itself."""
        return step.g
