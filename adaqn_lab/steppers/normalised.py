"""A direction of length one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adaqn_lab.protocols import InnerStepper, Operator, Step
from adaqn_lab.steppers.composing import Composing, length_of, require_stepper
from adaqn_lab.steppers.plain import Plain


@dataclass(frozen=True, kw_only=True)
class Normalised(Composing):
    """d_of / |d_of|, so that lr is the length of a step; d = 0 where d_of = 0. Source: aSNAQ, documented."""

    of: InnerStepper = Plain()

    def __post_init__(self) -> None:
        require_stepper("Normalised", self.of)

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        """Return the unit vector along the inner direction."""
        d = self.of.direction_(state, step, operator)
        length = length_of(d)
        return d / torch.where(length == 0, 1.0, length)
