"""Heavy-ball momentum of the directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adaqn_lab.checks import require_real
from adaqn_lab.protocols import InnerStepper, Operator, Step
from adaqn_lab.space import Space
from adaqn_lab.steppers.composing import Around, require_stepper
from adaqn_lab.steppers.plain import Plain


@dataclass
class Velocity:
    """``velocity`` (R, n) and the inner stepper's state."""

    velocity: Tensor
    of: Any


@dataclass(frozen=True, kw_only=True)
class Momentum(Around):
    """d = u,  u <- momentum u + d_of: heavy ball; a roll-back sets u = 0.

    u is in units of directions, as in torch.optim.SGD: a new lr applies to the whole of it. It stays where the
    gradient was not finite. Memory: n elements a run.
    Raises ``ValueError`` or ``TypeError`` unless 0 <= momentum < 1. Source: Polyak 1964.
    """

    momentum: float = 0.9
    of: InnerStepper = Plain()

    def __post_init__(self) -> None:
        require_real("Momentum", "momentum", self.momentum, at_least=0.0, below=1.0)
        require_stepper("Momentum", self.of)

    def init(self, space: Space) -> Velocity:
        """u = 0."""
        return Velocity(space.zeros(), self.of.init(space))

    def direction_(self, state: Velocity, step: Step, operator: Operator) -> Tensor:
        """Return the new u."""
        d = self.of.direction_(state.of, step, operator)
        state.velocity = moved(state.velocity, d, self.momentum, step)
        return state.velocity.clone()

    def rollback_(self, state: Velocity, where: Tensor) -> None:
        """u = 0 for the runs in ``where``."""
        state.velocity = torch.where(where.unsqueeze(1), 0.0, state.velocity)
        self.of.rollback_(state.of, where)

    def advance_(self, state: Velocity, where: Tensor) -> None:
        """Tell the inner stepper."""
        self.of.advance_(state.of, where)


def moved(u: Tensor, d: Tensor, momentum: float | Tensor, step: Step) -> Tensor:
    """momentum u + d for the runs in ``step.where`` with finite d, u for the others."""
    following = momentum * u + d
    sound = step.where & torch.isfinite(torch.linalg.vector_norm(following, dim=1).square())
    return torch.where(sound.unsqueeze(1), following, u)
