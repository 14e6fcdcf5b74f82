"""Steppers: ten wrong ones and two unusual right ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab.bases import StepperBase
from adaqn_lab.linalg import dot
from adaqn_lab.protocols import Operator, Step
from adaqn_lab.space import Space
from adaqn_lab.steppers import GradientAverage, Momentum, Nesterov, Normalised, PlusGradient
from adaqn_lab.steppers.composing import length_of
from adaqn_lab.steppers.gradient_average import GradientMean
from adaqn_lab.steppers.nesterov import Acceleration
from verification.law import Subject


@dataclass(frozen=True, kw_only=True)
class InnerHearsOfNoRollBack(GradientAverage):
    """The stepper inside is told of advances but of no roll-back: its velocity outlives it."""

    declares: ClassVar[frozenset[str]] = frozenset({"around"})

    def rollback_(self, state: GradientMean, where: Tensor) -> None:
        """Not touched by a roll-back."""


@dataclass
class Speed:
    """``velocity`` (R, n)."""

    velocity: Tensor


@dataclass(frozen=True, kw_only=True)
class DecaysWhileSkipped(StepperBase):
    """u <- 0.9 u + H g also for runs whose gradient was not finite: their velocity decays meanwhile."""

    momentum: float = 0.9

    def init(self, space: Space) -> Speed:
        return Speed(space.zeros())

    def direction_(self, state: Speed, step: Step, operator: Operator) -> Tensor:
        state.velocity = self.momentum * state.velocity + operator.apply_(step.g)
        return state.velocity.clone()

    def rollback_(self, state: Speed, where: Tensor) -> None:
        state.velocity = torch.where(where.unsqueeze(1), 0.0, state.velocity)


@dataclass(frozen=True, kw_only=True)
class AddsWhatIsLeft(PlusGradient):
    """The inner stepper gets g itself and writes over it: what is added is a multiple of its result."""

    declares: ClassVar[frozenset[str]] = frozenset({"plus gradient"})

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state, step, operator)
        return d + self.weight * step.g


@dataclass(frozen=True, kw_only=True)
class HandsOutItsVelocity(StepperBase):
    """Returns its own velocity: an lr which is a tensor multiplies the state, a zeroed direction zeroes it."""

    momentum: float = 0.8

    def init(self, space: Space) -> Speed:
        return Speed(space.zeros())

    def direction_(self, state: Speed, step: Step, operator: Operator) -> Tensor:
        following = self.momentum * state.velocity + operator.apply_(step.g)
        state.velocity = torch.where(step.where.unsqueeze(1), following, state.velocity)
        return state.velocity

    def rollback_(self, state: Speed, where: Tensor) -> None:
        state.velocity = torch.where(where.unsqueeze(1), 0.0, state.velocity)


@dataclass(frozen=True, kw_only=True)
class NotQuiteUnit(Normalised):
    """Divides by |d| + 1e-6: shorter than one where the direction is small."""

    declares: ClassVar[frozenset[str]] = frozenset({"unit"})

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state, step, operator)
        return d / (length_of(d) + 1e-6)


@dataclass(frozen=True, kw_only=True)
class KeepsTheVelocityOfAllRuns(Nesterov):
    """When one run advances the velocities of all are kept: another's roll-back restores a later one."""

    def advance_(self, state: Acceleration, where: Tensor) -> None:
        state.kept = torch.where(where.any(), state.velocity, state.kept)
        grown = (state.momentum * self.grow).clamp(max=self.at_most)
        state.momentum = torch.where(where, grown, state.momentum)
        self.of.advance_(state.of, where)


@dataclass(frozen=True, kw_only=True)
class CountsStepsOnThePart(StepperBase):
    """The first ten steps grow to full length, counted on the part: not again after reset, nor from a checkpoint."""

    steps: int = 10
    _seen: list[int] = field(default_factory=lambda: [0], repr=False, compare=False)

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        self._seen[0] += 1
        return operator.apply_(step.g).mul_(min(1.0, self._seen[0] / self.steps))


@dataclass(frozen=True)
class LengthByTheLoss(StepperBase):
    """The step is loss / (1 + |loss|) H g of what the closure returned: up for negative losses, full without one."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator.apply_(step.g)
        if step.loss is None:
            return d
        loss = torch.as_tensor(step.loss, dtype=d.dtype, device=d.device).detach().reshape(-1, 1)
        return d * (loss / (1.0 + loss.abs()))


@dataclass(frozen=True, kw_only=True)
class BeginsAtStepOneOnly(GradientAverage):
    """The average starts at the gradient of step 1, or at zero in a run whose first gradient was not finite."""

    declares: ClassVar[frozenset[str]] = frozenset({"gradient average"})

    def direction_(self, state: GradientMean, step: Step, operator: Operator) -> Tensor:
        first = torch.as_tensor(step.k == 1, device=step.g.device)
        averaged = torch.where(first, step.g, state.mean.lerp(step.g, 1.0 - self.decay))
        state.mean = torch.where(step.where.unsqueeze(1), averaged, state.mean)
        state.started = state.started | step.where
        g = torch.where(step.where.unsqueeze(1), state.mean, 0.0)
        return self.of.direction_(state.of, replace(step, g=g), operator)


@dataclass(frozen=True)
class WiderThanTheModel(StepperBase):
    """d = H g / sqrt(1 + |g|^2) with the float64 length: the direction is float64 in a float32 model."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        shrink = (1.0 + dot(step.g, step.g)).rsqrt().unsqueeze(1)
        return operator.apply_(step.g) * shrink


@dataclass
class Tempo:
    """``velocity`` (R, n) and the steps ``taken`` (R,)."""

    velocity: Tensor
    taken: Tensor


@dataclass(frozen=True, kw_only=True)
class SlowingDown(StepperBase):
    """Right: momentum whose length falls with the steps that a run took itself; a roll-back stops it."""

    momentum: float = 0.7
    tau: float = 10.0

    def init(self, space: Space) -> Tempo:
        return Tempo(space.zeros(), space.counts())

    def direction_(self, state: Tempo, step: Step, operator: Operator) -> Tensor:
        following = self.momentum * state.velocity + operator(step.g)
        sound = step.where & torch.isfinite(dot(following, following))
        state.velocity = torch.where(sound.unsqueeze(1), following, state.velocity)
        length = (1.0 + state.taken.double() / self.tau).rsqrt().to(following.dtype).unsqueeze(1)
        state.taken = state.taken + sound.long()
        return following * length

    def rollback_(self, state: Tempo, where: Tensor) -> None:
        state.velocity = torch.where(where.unsqueeze(1), 0.0, state.velocity)


@dataclass(frozen=True, kw_only=True)
class NoLongerThanTheGradient(StepperBase):
    """Right: H g, shortened to ``times`` |g| where it is longer, each run by itself."""

    times: float = 10.0

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        most = self.times * dot(step.g, step.g).sqrt()
        d = operator.apply_(step.g.clone())
        length = dot(d, d).sqrt()
        return d * torch.where(length > most, most / length, 1.0).to(d.dtype).unsqueeze(1)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: {
        "inner_hears_of_no_roll_back": lambda: InnerHearsOfNoRollBack(of=Momentum()),
        "velocity_decays_while_skipped": DecaysWhileSkipped,
        "adds_what_the_inner_one_left": AddsWhatIsLeft,
        "hands_out_its_own_velocity": HandsOutItsVelocity,
        "shorter_than_unit_for_small_directions": NotQuiteUnit,
        "one_advance_keeps_the_velocity_of_all_runs": KeepsTheVelocityOfAllRuns,
        "steps_counted_on_the_part": CountsStepsOnThePart,
        "length_by_the_closures_loss": LengthByTheLoss,
        "average_begins_at_step_one_only": BeginsAtStepOneOnly,
        "float64_direction_in_a_float32_model": WiderThanTheModel,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: {
        "momentum_slowing_down": SlowingDown,
        "no_longer_than_ten_gradients": NoLongerThanTheGradient,
    }
}
