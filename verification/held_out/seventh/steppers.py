"""Steppers: six wrong ones, two that are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab.bases import StepperBase
from adaqn_lab.linalg import dot
from adaqn_lab.protocols import InnerStepper, Operator, Step
from adaqn_lab.space import Space
from adaqn_lab.steppers import Plain
from adaqn_lab.steppers.composing import Around, Composing, length_of
from verification.law import Subject


@dataclass(frozen=True, kw_only=True)
class CautiousMask(StepperBase):
    """Coordinates where H g and g disagree stand still; the share that moves is averaged over all runs."""

    least: float = 1e-3

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator(step.g)
        mask = (d * step.g > 0).to(d.dtype)
        return d * (mask / mask.mean().clamp(min=self.least))


@dataclass
class Moving:
    """``u`` (R, n) and the inner stepper's state."""

    u: Tensor
    of: Any


@dataclass(frozen=True, kw_only=True)
class LentVelocity(Around):
    """The velocity itself is the direction: a rate that is a tensor is multiplied into it by the optimizer."""

    momentum: float = 0.9
    of: InnerStepper = Plain()
    declares: ClassVar[frozenset[str]] = frozenset({"heavy ball"})

    def init(self, space: Space) -> Moving:
        return Moving(space.zeros(), self.of.init(space))

    def direction_(self, state: Moving, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state.of, step, operator)
        new = self.momentum * state.u + d
        sound = step.where & torch.isfinite(dot(new, new))
        state.u = torch.where(sound.unsqueeze(1), new, state.u)
        return state.u

    def rollback_(self, state: Moving, where: Tensor) -> None:
        state.u = state.u.masked_fill(where.unsqueeze(1), 0.0)
        self.of.rollback_(state.of, where)

    def advance_(self, state: Moving, where: Tensor) -> None:
        self.of.advance_(state.of, where)


@dataclass
class Kept:
    """The velocity, and what it was at the reference, (R, n)."""

    u: Tensor
    kept: Tensor


@dataclass(frozen=True, kw_only=True)
class RestoredTogether(StepperBase):
    """Heavy ball whose velocity goes back to the reference's: in all runs as soon as one of them rolls back."""

    momentum: float = 0.8

    def init(self, space: Space) -> Kept:
        return Kept(space.zeros(), space.zeros())

    def direction_(self, state: Kept, step: Step, operator: Operator) -> Tensor:
        new = self.momentum * state.u + operator.apply_(step.g)
        sound = step.where & torch.isfinite(dot(new, new))
        state.u = torch.where(sound.unsqueeze(1), new, state.u)
        return state.u.clone()

    def advance_(self, state: Kept, where: Tensor) -> None:
        state.kept = torch.where(where.unsqueeze(1), state.u, state.kept)

    def rollback_(self, state: Kept, where: Tensor) -> None:
        state.u = torch.where(where.any(), state.kept, state.u)


@dataclass(frozen=True, kw_only=True)
class ClippedGradient(Composing):
    """The gradient is cut to the radius before H, not the direction after it."""

    radius: float = 1.0
    of: InnerStepper = Plain()
    declares: ClassVar[frozenset[str]] = frozenset({"clipped"})

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        length = length_of(step.g)
        factor = torch.where(length > self.radius, self.radius / length, 1.0)
        return self.of.direction_(state, replace(step, g=step.g * factor), operator)


@dataclass(frozen=True, kw_only=True)
class SoftUnit(Composing):
    """d / sqrt(d'd + 1e-12): short directions come out shorter than one."""

    of: InnerStepper = Plain()
    declares: ClassVar[frozenset[str]] = frozenset({"unit"})

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state, step, operator)
        return d / (dot(d, d) + 1e-12).sqrt().to(d.dtype).unsqueeze(1)


@dataclass
class Counted:
    """``steps`` (R,) made, and the inner stepper's state."""

    steps: Tensor
    of: Any


@dataclass(frozen=True, kw_only=True)
class DecayingByOwnCount(Around):
    """Counts the steps with a finite gradient instead of reading k, so that a skipped step holds the decay up."""

    tau: float = 5.0
    power: float = 1.0
    of: InnerStepper = Plain()
    declares: ClassVar[frozenset[str]] = frozenset({"decaying"})

    def init(self, space: Space) -> Counted:
        return Counted(space.counts(), self.of.init(space))

    def direction_(self, state: Counted, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state.of, step, operator)
        state.steps = state.steps + step.where.long()
        factor = (self.tau / (self.tau + (state.steps - 1).clamp(min=0).double())) ** self.power
        return d * factor.to(d.dtype).unsqueeze(1)

    def rollback_(self, state: Counted, where: Tensor) -> None:
        self.of.rollback_(state.of, where)

    def advance_(self, state: Counted, where: Tensor) -> None:
        self.of.advance_(state.of, where)


@dataclass(frozen=True, kw_only=True)
class SawTooth(StepperBase):
    """Right: H g, longest at the first step of a window and shorter towards its end; no state, one factor for all."""

    rate: float = 0.2

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return operator(step.g).div_(1.0 + self.rate * step.place)


@dataclass(frozen=True, kw_only=True)
class WideHeavyBall(Around):
    """Right: heavy ball with a float64 velocity, by u <- u - (1 - momentum) u + d; what is returned is fresh."""

    momentum: float = 0.9
    of: InnerStepper = Plain()
    declares: ClassVar[frozenset[str]] = frozenset({"heavy ball"})

    def init(self, space: Space) -> Moving:
        return Moving(space.zeros(dtype=torch.float64), self.of.init(space))

    def direction_(self, state: Moving, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state.of, step, operator)
        new = state.u - (1.0 - self.momentum) * state.u + d.double()
        sound = step.where & torch.isfinite(dot(new.to(d.dtype), new.to(d.dtype)))
        state.u = torch.where(sound.unsqueeze(1), new, state.u)
        return state.u.to(d.dtype, copy=True)

    def rollback_(self, state: Moving, where: Tensor) -> None:
        state.u = state.u.masked_fill(where.unsqueeze(1), 0.0)
        self.of.rollback_(state.of, where)

    def advance_(self, state: Moving, where: Tensor) -> None:
        self.of.advance_(state.of, where)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: {
        "share_of_moving_coordinates_over_all_runs": CautiousMask,
        "velocity_lent_to_the_optimizer": LentVelocity,
        "one_rollback_restores_every_velocity": RestoredTogether,
        "radius_bounds_the_gradient": ClippedGradient,
        "length_with_eps_under_the_root": SoftUnit,
        "decay_by_own_count_of_finite_steps": DecayingByOwnCount,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: {"saw_tooth_within_the_window": SawTooth, "heavy_ball_in_float64": WideHeavyBall}
}
