"""Inner steppers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab.bases import StepperBase
from adaqn_lab.protocols import Operator, Step
from adaqn_lab.space import Space
from adaqn_lab.steppers import Momentum, Nesterov
from adaqn_lab.steppers.momentum import Velocity, moved
from adaqn_lab.steppers.nesterov import Acceleration
from verification.law import Subject


@dataclass(frozen=True, kw_only=True)
class LentVelocity(Momentum):
    """Hands out the velocity itself as the direction: an lr which is a tensor is multiplied into it."""

    declares: ClassVar[frozenset[str]] = frozenset({"heavy ball", "around"})

    def direction_(self, state: Velocity, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state.of, step, operator)
        state.velocity = moved(state.velocity, d, self.momentum, step)
        return state.velocity


@dataclass
class TwoVelocities:
    """``velocity`` now and ``kept`` at the reference, (R, n)."""

    velocity: Tensor
    kept: Tensor


@dataclass(frozen=True, kw_only=True)
class RestoredMomentum(StepperBase):
    """Both velocities begin as one tensor: a roll-back before the first reference restores what is there."""

    momentum: float = 0.8

    def init(self, space: Space) -> TwoVelocities:
        velocity = kept = space.zeros()
        return TwoVelocities(velocity, kept)

    def direction_(self, state: TwoVelocities, step: Step, operator: Operator) -> Tensor:
        d = operator.apply_(step.g)
        sound = step.where & torch.isfinite(d).all(dim=1)
        factor = torch.ones_like(sound, dtype=d.dtype).masked_fill_(sound, self.momentum)
        state.velocity.mul_(factor.unsqueeze(1)).add_(torch.where(sound.unsqueeze(1), d, 0.0))
        return torch.where(sound.unsqueeze(1), state.velocity, d)

    def advance_(self, state: TwoVelocities, where: Tensor) -> None:
        state.kept = torch.where(where.unsqueeze(1), state.velocity, state.kept)

    def rollback_(self, state: TwoVelocities, where: Tensor) -> None:
        state.velocity.copy_(torch.where(where.unsqueeze(1), state.kept, state.velocity))


@dataclass(frozen=True, kw_only=True)
class UnitStep(StepperBase):
    """Divides by a length in torch's default dtype: 8 digits in a float64 model, and other ones by the default."""

    declares: ClassVar[frozenset[str]] = frozenset({"unit"})

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator.apply_(step.g)
        length = torch.zeros(len(d), 1, device=d.device)
        length.copy_(torch.linalg.vector_norm(d.double(), dim=1, keepdim=True))
        return d / torch.where(length > 0, length, 1.0).to(d.dtype)


@dataclass(frozen=True, kw_only=True)
class EagerlyKept(Nesterov):
    """Keeps the velocity of every run at every window, whether or not its average became the reference."""

    declares: ClassVar[frozenset[str]] = frozenset({"nesterov", "around"})

    def advance_(self, state: Acceleration, where: Tensor) -> None:
        super().advance_(state, where)
        state.kept = state.velocity.clone()


@dataclass
class Ball:
    """``velocity`` (R, n)."""

    velocity: Tensor


@dataclass(frozen=True, kw_only=True)
class TrustingMomentum(StepperBase):
    """A direction which overflowed enters the velocity and never leaves it: the run stands still from then on."""

    momentum: float = 0.9

    def init(self, space: Space) -> Ball:
        return Ball(space.zeros())

    def direction_(self, state: Ball, step: Step, operator: Operator) -> Tensor:
        d = operator.apply_(step.g)
        following = self.momentum * state.velocity + d
        state.velocity = torch.where(step.where.unsqueeze(1), following, state.velocity)
        return state.velocity.clone()

    def rollback_(self, state: Ball, where: Tensor) -> None:
        state.velocity = torch.where(where.unsqueeze(1), 0.0, state.velocity)


@dataclass(frozen=True, kw_only=True)
class NarrowBegin(StepperBase):
    """The velocity begins as a column of zeros and grows by broadcasting: its checkpoint fits no new optimizer."""

    momentum: float = 0.7

    def init(self, space: Space) -> Ball:
        return Ball(torch.zeros(space.runs, 1, dtype=space.dtype, device=space.device))

    def direction_(self, state: Ball, step: Step, operator: Operator) -> Tensor:
        d = operator.apply_(step.g)
        following = self.momentum * state.velocity + d
        sound = step.where & torch.isfinite(torch.linalg.vector_norm(following, dim=1).square())
        state.velocity = torch.where(sound.unsqueeze(1), following, state.velocity)
        return following

    def rollback_(self, state: Ball, where: Tensor) -> None:
        state.velocity = torch.where(where.unsqueeze(1), 0.0, state.velocity)


@dataclass(frozen=True, kw_only=True)
class WideMomentum(StepperBase):
    """Right: heavy ball with its velocity in float64, which forgets nothing to rounding."""

    momentum: float = 0.9

    declares: ClassVar[frozenset[str]] = frozenset({"heavy ball"})

    def init(self, space: Space) -> Ball:
        return Ball(space.scalars(space.size))

    def direction_(self, state: Ball, step: Step, operator: Operator) -> Tensor:
        d = operator.apply_(step.g)
        following = self.momentum * state.velocity + d.double()
        rounded = following.to(d.dtype)
        sound = step.where & torch.isfinite(torch.linalg.vector_norm(rounded, dim=1).square())
        state.velocity = torch.where(sound.unsqueeze(1), following, state.velocity)
        return rounded

    def rollback_(self, state: Ball, where: Tensor) -> None:
        state.velocity = torch.where(where.unsqueeze(1), 0.0, state.velocity)


@dataclass(frozen=True, kw_only=True)
class Waves(StepperBase):
    """Right: the direction times 3/4 + cos(k / 7) / 4, a length which depends on the step's number and nothing else."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator.apply_(step.g)
        if isinstance(step.k, Tensor):
            return d * (0.75 + 0.25 * torch.cos(step.k / 7.0)).to(d.dtype)
        return d * (0.75 + 0.25 * math.cos(step.k / 7.0))


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: {
        "velocity_lent_as_the_direction": LentVelocity,
        "two_fields_begin_as_one_tensor": RestoredMomentum,
        "length_in_the_default_dtype": UnitStep,
        "velocity_kept_without_a_new_reference": EagerlyKept,
        "overflow_stays_in_the_velocity": TrustingMomentum,
        "state_grows_by_broadcasting": NarrowBegin,
    }
}
HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: {"heavy_ball_in_float64": WideMomentum, "length_in_waves": Waves}
}
