"""Steppers which change the length of another's direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adaqn_lab.checks import require_int, require_real
from adaqn_lab.linalg import dot
from adaqn_lab.protocols import InnerStepper, Operator, Step
from adaqn_lab.steppers.composing import Composing, require_stepper
from adaqn_lab.steppers.plain import Plain


def _norm(d: Tensor) -> Tensor:
    """|d| (R, 1) in d's dtype."""
    return dot(d, d).sqrt().to(d.dtype).unsqueeze(1)


@dataclass(frozen=True, kw_only=True)
class Normalised(Composing):
    """d_of / |d_of|, so that lr is the length of a step; d = 0 where d_of = 0. Source: aSNAQ, documented."""

    of: InnerStepper = Plain()

    def __post_init__(self) -> None:
        require_stepper("Normalised", self.of)

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        """Return the unit vector along the inner direction."""
        d = self.of.direction_(state, step, operator)
        length = _norm(d)
        return d / torch.where(length == 0, 1.0, length)


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
        length = _norm(d)
        return d * torch.where(length > self.radius, self.radius / length, 1.0)


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
        factor: float = (self.tau / (self.tau + step.k - 1)) ** self.power
        return self.of.direction_(state, step, operator) * factor


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
        return self.of.direction_(state, step, operator) + self.weight * step.g


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
        d = self.of.direction_(state, step, operator)
        return step.g.clone() if step.k <= self.steps else d
