"""Steppers: six wrong, two unusual but right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import Clipped, Nesterov, PlusGradient
from adaqn_lab.bases import StepperBase
from adaqn_lab.protocols import Operator, Step
from adaqn_lab.space import Space
from adaqn_lab.steppers.momentum import moved
from verification.law import Subject


@dataclass
class Direction:
    """``u`` (R, n): what is left of earlier directions."""

    u: Tensor


def _finite(d: Tensor) -> Tensor:
    """Whether |d|^2 is finite, (R,)."""
    return torch.isfinite(torch.linalg.vector_norm(d, dim=1).square())


@dataclass(frozen=True, kw_only=True)
class PlusAViewOfTheGradient(PlusGradient):
    """The stepper inside gets g itself and a view is kept in place of a copy: H g is written over it."""

    weight: float = 0.1

    declares: ClassVar[frozenset[str]] = frozenset({"plus gradient", "around"})

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        """Return the inner direction plus a multiple of g."""
        kept = step.g.view_as(step.g)
        return self.of.direction_(state, step, operator) + self.weight * kept


@dataclass(frozen=True, kw_only=True)
class ForgetsEveryRun(StepperBase):
    """``rollback_`` zeroes the average of every run, though it is called at each window with a mask."""

    decay: float = 0.8

    def init(self, space: Space) -> Direction:
        """u = 0."""
        return Direction(space.zeros())

    def direction_(self, state: Direction, step: Step, operator: Operator) -> Tensor:
        """Return u <- decay u + (1 - decay) H g."""
        mixed = self.decay * state.u + (1.0 - self.decay) * operator(step.g)
        state.u = torch.where((step.where & _finite(mixed)).unsqueeze(1), mixed, state.u)
        return state.u.clone()

    def rollback_(self, state: Direction, where: Tensor) -> None:
        """u = 0."""
        state.u = torch.zeros_like(state.u)


@dataclass(frozen=True, kw_only=True)
class StateAsDirection(StepperBase):
    """The velocity itself is returned, and the optimizer, which may write into a direction, multiplies it by lr."""

    momentum: float = 0.7

    def init(self, space: Space) -> Direction:
        """u = 0."""
        return Direction(space.zeros())

    def direction_(self, state: Direction, step: Step, operator: Operator) -> Tensor:
        """Return u <- momentum u + H g."""
        following = self.momentum * state.u + operator.apply_(step.g)
        state.u = torch.where((step.where & _finite(following)).unsqueeze(1), following, state.u)
        return state.u

    def rollback_(self, state: Direction, where: Tensor) -> None:
        """u = 0."""
        state.u = torch.where(where.unsqueeze(1), 0.0, state.u)


@dataclass(frozen=True, kw_only=True)
class InfiniteEnters(StepperBase):
    """A direction that is not finite enters the average of directions and never leaves it."""

    decay: float = 0.5

    def init(self, space: Space) -> Direction:
        """u = 0."""
        return Direction(space.zeros())

    def direction_(self, state: Direction, step: Step, operator: Operator) -> Tensor:
        """Return u <- decay u + (1 - decay) H g."""
        mixed = torch.lerp(operator.apply_(step.g), state.u, self.decay)
        state.u = torch.where(step.where.unsqueeze(1), mixed, state.u)
        return state.u.clone()

    def rollback_(self, state: Direction, where: Tensor) -> None:
        """u = 0."""
        state.u = torch.where(where.unsqueeze(1), 0.0, state.u)


@dataclass(frozen=True, kw_only=True)
class ClampedEach(Clipped):
    """Every entry is clamped to the radius: the direction turns, and is longer than the radius in n > 1 entries."""

    radius: float = 0.3

    declares: ClassVar[frozenset[str]] = frozenset({"clipped", "around"})

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        """Return the shortened inner direction."""
        return self.of.direction_(state, step, operator).clamp(-self.radius, self.radius)


@dataclass(frozen=True, kw_only=True)
class EarlierVelocity(Nesterov):
    """d = d_of + mu u with the velocity from before the step: heavy ball with a lag, no look-ahead."""

    declares: ClassVar[frozenset[str]] = frozenset({"nesterov", "around"})

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        """Return d_of + mu u."""
        d = self.of.direction_(state.of, step, operator)
        mu = state.momentum.to(d.dtype).unsqueeze(1)
        before = state.velocity
        state.velocity = moved(before, d, mu, step)
        return d + mu * before


@dataclass(frozen=True, kw_only=True)
class LongAndShort(StepperBase):
    """Right: H g at odd steps, ``short`` H g at even ones, by arithmetic that serves a tensor k too."""

    short: float = 0.25

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        """Return H g, long or short."""
        odd = step.k % 2
        return operator(step.g) * (self.short + (1.0 - self.short) * odd)


@dataclass(frozen=True, kw_only=True)
class Restarting(StepperBase):
    """Right: heavy ball that starts anew in the runs where the velocity points uphill; a roll-back zeroes it."""

    momentum: float = 0.6

    def init(self, space: Space) -> Direction:
        """u = 0."""
        return Direction(space.zeros())

    def direction_(self, state: Direction, step: Step, operator: Operator) -> Tensor:
        """Return momentum u + H g, or H g."""
        d = operator(step.g)
        along = (state.u.double() * step.g.double()).sum(1) >= 0
        u = torch.where(along.unsqueeze(1), state.u, 0.0)
        following = self.momentum * u + d
        state.u = torch.where((step.where & _finite(following)).unsqueeze(1), following, state.u)
        return torch.where(step.where.unsqueeze(1), following, 0.0)

    def rollback_(self, state: Direction, where: Tensor) -> None:
        """u = 0."""
        state.u = torch.where(where.unsqueeze(1), 0.0, state.u)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: {
        "view_of_the_gradient_in_place_of_a_copy": PlusAViewOfTheGradient,
        "roll_back_of_one_run_zeroes_all": ForgetsEveryRun,
        "velocity_itself_is_the_direction": StateAsDirection,
        "infinite_direction_enters_the_average": InfiniteEnters,
        "every_entry_clamped_to_the_radius": ClampedEach,
        "look_ahead_by_the_earlier_velocity": EarlierVelocity,
    }
}
HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: {"long_and_short_steps": LongAndShort, "restarting_momentum": Restarting}
}
