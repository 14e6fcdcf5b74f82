"""A direction plus a multiple of the gradient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from adaqn_lab.checks import require_real
from adaqn_lab.protocols import InnerStepper, Operator, Step
from adaqn_lab.steppers.composing import Composing, require_stepper
from adaqn_lab.steppers.plain import Plain


@dataclass(frozen=True, kw_only=True)
class PlusGradient(Composing):
    """d_of + weight g: bounded below along the gradient. Raises ``ValueError`` or ``TypeError`` unless weight > 0.

    Source: RES's Gamma, Mokhtari & Ribeiro 2014, as minSQN does.
    """

    weight: float = 1e-3
    of: InnerStepper = Plain()

    def __post_init__(self) -> None:
        require_real("PlusGradient", "weight", self.weight, above=0.0)
        require_stepper("PlusGradient", self.of)

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        """Return the inner direction plus a multiple of g."""
        d = self.of.direction_(state, replace(step, g=step.g.clone()), operator)
        return d + self.weight * step.g
