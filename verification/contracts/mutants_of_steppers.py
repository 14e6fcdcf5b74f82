"""Steppers which break the contract of every part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import Space, Step
from adaqn_lab.bases import StepperBase
from adaqn_lab.protocols import Operator
from verification.law import Subject
from verification.naming import by_name
from verification.steppers.plain import WrongPlain


@dataclass
class Velocity:
    """``v`` (R, n)."""

    v: Tensor


class Momentum(StepperBase):
    """v <- v / 2 + H g, honest: what the wrong ones below are wrong in."""

    def init(self, space: Space) -> Any:
        return Velocity(space.zeros())

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        state.v = torch.where(step.where.unsqueeze(1), state.v / 2 + operator(step.g), state.v)
        return torch.clone(state.v)

    def rollback_(self, state: Any, where: Tensor) -> None:
        state.v = torch.where(where.unsqueeze(1), 0.0, state.v)


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


MUTANTS = {
    Subject.STEPPER: by_name(
        WritesIntoArgument, Float64Answer, RunsLeak, AnswersWithItsState, ForgetsMask, StateOnPart, FieldMissingInState
    )
}
