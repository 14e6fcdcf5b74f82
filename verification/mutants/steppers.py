"""Wrong inner steppers. Each class is the honest part with one sin, which its name says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import Plain, Space, Step
from adaqn_lab.bases import StepperBase
from adaqn_lab.protocols import Operator
from verification.mutants.naming import by_sin


@dataclass
class Velocity:
    """``v`` (R, n)."""

    v: Tensor


class WrongPlain(Plain):
    """What the wrong plain steppers share."""

    declares: ClassVar[tuple[str, ...]] = ("plain",)


class IgnoresOperator(WrongPlain):
    """d = g: the curvature is never used."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return step.g.clone()


class AppliesTwice(WrongPlain):
    """d = H H g."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d: Tensor = operator(operator(step.g))
        return d


class StepsUphill(WrongPlain):
    """d = -H g: the sign is the optimizer's business."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return -operator(step.g)


class StepperNormalises(WrongPlain):
    """d = H g / |H g|, unasked."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d: Tensor = operator(step.g)
        length: Tensor = torch.linalg.vector_norm(d, dim=1, keepdim=True)
        return d / length.clamp(min=1e-30)


class WritesIntoArgument(WrongPlain):
    """Takes every run's gradient for sound: those which have none are told to move."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        step.where.fill_(True)
        return operator(step.g)


class Float64Answer(WrongPlain):
    """Answers in another dtype than the space's."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator(step.g)
        return d.double() if d.dtype != torch.float64 else d.float()


class RunsLeak(WrongPlain):
    """The mean direction for every run."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator(step.g)
        return d.mean(0, keepdim=True).expand_as(d).contiguous()


class Momentum(StepperBase):
    """v <- v / 2 + H g, honest: what the wrong ones below are wrong in."""

    def init(self, space: Space) -> Any:
        return Velocity(space.zeros())

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        state.v = torch.where(step.where.unsqueeze(1), state.v / 2 + operator(step.g), state.v)
        return torch.clone(state.v)

    def rollback_(self, state: Any, where: Tensor) -> None:
        state.v = torch.where(where.unsqueeze(1), 0.0, state.v)


class AnswersWithItsState(Momentum):
    """d is the velocity itself: the optimizer's d = 0 for a run that does not move stops it for good."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        super().direction_(state, step, operator)
        velocity: Tensor = state.v
        return velocity


class ForgetsMask(Momentum):
    """The velocity decays for every run, also for those whose gradient was bad."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        state.v = state.v / 2 + operator(step.g)
        return torch.clone(state.v)


class StateOnPart(Momentum):
    """Keeps the velocity on itself."""

    def init(self, space: Space) -> Any:
        self.velocity = Velocity(space.zeros())
        return Velocity(space.zeros())

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        return super().direction_(self.velocity, step, operator)


class HiddenVelocity(Velocity):
    """A state with an attribute that is no field, and so in no checkpoint."""

    def __init__(self, v: Tensor) -> None:
        super().__init__(v)
        self.hidden = Velocity(v.clone())


class FieldMissingInState(Momentum):
    """Keeps the velocity beside the state's fields."""

    def init(self, space: Space) -> Any:
        return HiddenVelocity(space.zeros())

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        return super().direction_(state.hidden, step, operator)


STEPPERS: dict[str, Callable[[], Any]] = by_sin(
    IgnoresOperator,
    AppliesTwice,
    StepsUphill,
    StepperNormalises,
    WritesIntoArgument,
    AnswersWithItsState,
    Float64Answer,
    RunsLeak,
    ForgetsMask,
    StateOnPart,
    FieldMissingInState,
)
"""Sin -> factory of the wrong part."""
