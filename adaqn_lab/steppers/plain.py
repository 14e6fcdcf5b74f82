"""d = H g."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from adaqn_lab.bases import StepperBase
from adaqn_lab.protocols import Operator, Step


@dataclass(frozen=True)
class Plain(StepperBase):
    """d = H g, so that w <- w - lr H g. No state."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        """Return H g, written over g."""
        return operator.apply_(step.g)
