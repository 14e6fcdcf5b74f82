"""Stochastic gradient descent first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from adaqn_lab.checks import require_int
from adaqn_lab.protocols import InnerStepper, Operator, Step
from adaqn_lab.steppers.composing import Composing, require_stepper
from adaqn_lab.steppers.plain import Plain


@dataclass(frozen=True, kw_only=True)
class WarmStart(Composing):
    """d = g for the first ``steps`` steps (stochastic gradient descent), d_of after them.

    The stepper inside is asked from the first step on, so that its state is warm too.
    Raises ``ValueError`` or ``TypeError`` unless steps >= 1. Source: SQN's first 2 L steps, documented.
    """

    steps: int = 20
    of: InnerStepper = Plain()

    def __post_init__(self) -> None:
        require_int("WarmStart", "steps", self.steps, at_least=1)
        require_stepper("WarmStart", self.of)

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        """Return g or the inner direction."""
        d = self.of.direction_(state, replace(step, g=step.g.clone()), operator)
        warm = step.k <= self.steps
        return torch.where(warm, step.g, d) if isinstance(warm, Tensor) else (step.g if warm else d)
