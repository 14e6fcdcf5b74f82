"""Steps which grow shorter with time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from adaqn_lab.checks import require_real
from adaqn_lab.protocols import InnerStepper, Operator, Step
from adaqn_lab.steppers.composing import Composing, require_stepper
from adaqn_lab.steppers.plain import Plain


@dataclass(frozen=True, kw_only=True)
class Decaying(Composing):
    """d_of [tau / (tau + k - 1)]^power at step k = 1, 2, ...

    power = 1: eta_0 tau / (tau + t), t = k - 1; power = 1/2, tau = 1: alpha_0 / sqrt(k).
    Raises ``ValueError`` or ``TypeError`` unless tau > 0 and power > 0. Source: Schraudolph, Yu & Guenter 2007.
    """

    tau: float = 1.0
    power: float = 1.0
    of: InnerStepper = Plain()

    def __post_init__(self) -> None:
        require_real("Decaying", "tau", self.tau, above=0.0)
        require_real("Decaying", "power", self.power, above=0.0)
        require_stepper("Decaying", self.of)

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        """Return the scaled inner direction."""
        factor = (self.tau / (self.tau + step.k - 1)) ** self.power
        return self.of.direction_(state, step, operator) * factor
