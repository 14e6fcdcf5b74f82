"""A direction no longer than a radius."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adaqn_lab.checks import require_real
from adaqn_lab.protocols import InnerStepper, Operator, Step
from adaqn_lab.steppers.composing import Composing, length_of, require_stepper
from adaqn_lab.steppers.plain import Plain


@dataclass(frozen=True, kw_only=True)
class Clipped(Composing):
    """d_of min(1, radius / |d_of|): a trust radius lr * radius.

    Raises ``ValueError`` or ``TypeError`` unless radius > 0. Source: textbook.
    """

    radius: float = 1.0
    of: InnerStepper = Plain()

    def __post_init__(self) -> None:
        require_real("Clipped", "radius", self.radius, above=0.0)
        require_stepper("Clipped", self.of)

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        """Return the shortened inner direction."""
        d = self.of.direction_(state, step, operator)
        length = length_of(d)
        return d * torch.where(length > self.radius, self.radius / length, 1.0)
