"""Steppers: wrong ones, and right ones that look odd."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab.bases import StepperBase
from adaqn_lab.linalg import dot
from adaqn_lab.protocols import InnerStepper, Operator, Step
from adaqn_lab.space import Space
from adaqn_lab.steppers import Decaying, GradientAverage, Nesterov, Normalised, Plain
from adaqn_lab.steppers.composing import Composing, length_of
from adaqn_lab.steppers.momentum import moved
from adaqn_lab.steppers.nesterov import Acceleration
from verification.law import Subject


@dataclass(frozen=True, kw_only=True)
class KeptIsTheVelocity(Nesterov):
    """Before the first advance the velocity kept is the velocity itself, so that a roll-back then restores nothing."""

    declares: ClassVar[frozenset[str]] = frozenset({"nesterov", "around"})

    def init(self, space: Space) -> Acceleration:
        zero = space.zeros()
        return Acceleration(zero, zero, space.scalars(fill=self.momentum), self.of.init(space))

    def direction_(self, state: Acceleration, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state.of, step, operator)
        mu = state.momentum.to(d.dtype).unsqueeze(1)
        state.velocity.copy_(moved(state.velocity, d, mu, step))
        return d + mu * state.velocity


@dataclass(frozen=True, kw_only=True)
class MeasuredAfterwards(Composing):
    """No longer than ``ratio`` times the gradient, whose length is taken when the stepper inside wrote over it."""

    ratio: float = 0.5
    of: InnerStepper = Plain()

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state, step, operator)
        length, most = length_of(d), self.ratio * length_of(step.g)
        return d * torch.where(length > most, most / length, 1.0)


@dataclass
class Steps:
    """The steps of each run and the state inside."""

    count: Tensor
    of: Any


@dataclass(frozen=True, kw_only=True)
class DecaysByStepsMade(Decaying):
    """k counts the steps of which a run's gradient was finite."""

    tau: float = 5.0
    declares: ClassVar[frozenset[str]] = frozenset({"decaying", "around"})

    def init(self, space: Space) -> Steps:
        return Steps(space.counts(), self.of.init(space))

    def direction_(self, state: Steps, step: Step, operator: Operator) -> Tensor:
        state.count = state.count + step.where
        factor = (self.tau / (self.tau + state.count.clamp(min=1) - 1).double()) ** self.power
        d = self.of.direction_(state.of, step, operator)
        return d * factor.to(d.dtype).unsqueeze(1)

    def advance_(self, state: Steps, where: Tensor) -> None:
        self.of.advance_(state.of, where)

    def rollback_(self, state: Steps, where: Tensor) -> None:
        self.of.rollback_(state.of, where)


@dataclass(frozen=True, kw_only=True)
class AverageHandedInwards(GradientAverage):
    """The average itself goes inwards, where the stepper writes H times it over it."""

    declares: ClassVar[frozenset[str]] = frozenset({"gradient average", "around"})

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        averaged = torch.where(state.started.unsqueeze(1), state.mean.lerp(step.g, 1.0 - self.decay), step.g)
        state.mean = torch.where(step.where.unsqueeze(1), averaged, state.mean)
        state.started = state.started | step.where
        return self.of.direction_(state.of, replace(step, g=state.mean), operator)


@dataclass(frozen=True, kw_only=True)
class NormWithoutRoom(Normalised):
    """The length is summed in float32: a short direction has none and stays as short."""

    declares: ClassVar[frozenset[str]] = frozenset({"unit"})

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state, step, operator)
        length = d.square().sum(1, keepdim=True).sqrt()
        return d / torch.where(length == 0, 1.0, length)


@dataclass
class Rng:
    """The state of a CPU generator."""

    rng: Tensor


@dataclass(frozen=True, kw_only=True)
class NoiseByPlaceAmongRuns(StepperBase):
    """Noise is drawn for all runs in one go: a run's own depends on how many there are beside it."""

    level: float = 1e-2
    seed: int = 0

    def init(self, space: Space) -> Rng:
        return Rng(torch.Generator().manual_seed(self.seed).get_state())

    def direction_(self, state: Rng, step: Step, operator: Operator) -> Tensor:
        generator = torch.Generator()
        generator.set_state(state.rng.cpu())
        noise = torch.randn(step.g.shape, generator=generator, dtype=torch.float64, device="cpu")
        state.rng = generator.get_state()
        return operator.apply_(step.g) + self.level * noise.to(step.g)


@dataclass(frozen=True, kw_only=True)
class CoolingOnThePart(StepperBase):
    """How many steps of plain gradient are left after a roll-back is kept on the part, common to its optimizers."""

    steps: int = 3
    box: dict[str, Tensor] = field(default_factory=dict, compare=False, repr=False)

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        left = self.box.get("left")
        if left is None or left.shape != step.where.shape:
            return operator.apply_(step.g)
        self.box["left"] = (left - 1).clamp(min=0)
        return torch.where((left > 0).unsqueeze(1), step.g, operator(step.g))

    def rollback_(self, state: None, where: Tensor) -> None:
        left = self.box.get("left")
        if left is None or left.shape != where.shape:
            left = torch.zeros_like(where, dtype=torch.int64)
        self.box["left"] = torch.where(where, self.steps, left)


@dataclass
class Velocity:
    """The velocity."""

    velocity: Tensor


@dataclass(frozen=True, kw_only=True)
class WideAfterAWindow(StepperBase):
    """A roll-back halves the velocity with a float64 factor, and velocity and direction are float64 from then on."""

    momentum: float = 0.8

    def init(self, space: Space) -> Velocity:
        return Velocity(space.zeros())

    def direction_(self, state: Velocity, step: Step, operator: Operator) -> Tensor:
        state.velocity = moved(state.velocity, operator.apply_(step.g), self.momentum, step)
        return state.velocity.clone()

    def rollback_(self, state: Velocity, where: Tensor) -> None:
        factor = torch.ones_like(where, dtype=torch.float64).masked_fill(where, 0.5)
        state.velocity = state.velocity * factor.unsqueeze(1)


@dataclass(frozen=True, kw_only=True)
class VelocityOfWhatWasNotFinite(StepperBase):
    """Heavy ball which takes the direction without asking whether it is finite: one that is not stays for good."""

    momentum: float = 0.8

    def init(self, space: Space) -> Velocity:
        return Velocity(space.zeros())

    def direction_(self, state: Velocity, step: Step, operator: Operator) -> Tensor:
        following = self.momentum * state.velocity + operator.apply_(step.g)
        state.velocity = torch.where(step.where.unsqueeze(1), following, state.velocity)
        return state.velocity.clone()

    def rollback_(self, state: Velocity, where: Tensor) -> None:
        state.velocity = torch.where(where.unsqueeze(1), 0.0, state.velocity)


@dataclass(frozen=True, kw_only=True)
class VelocityReturned(StepperBase):
    """The state's own velocity is the direction: the optimizer, which scales the direction in place, scales it too."""

    momentum: float = 0.8

    def init(self, space: Space) -> Velocity:
        return Velocity(space.zeros())

    def direction_(self, state: Velocity, step: Step, operator: Operator) -> Tensor:
        state.velocity = moved(state.velocity, operator.apply_(step.g), self.momentum, step)
        return state.velocity

    def rollback_(self, state: Velocity, where: Tensor) -> None:
        state.velocity = torch.where(where.unsqueeze(1), 0.0, state.velocity)


@dataclass(frozen=True, kw_only=True)
class LongAndShort(StepperBase):
    """Right: steps of H g whose length falls over seven steps and is whole again after them."""

    period: int = 7

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return operator(step.g) * (1.0 / (1.0 + (step.k - 1) % self.period / self.period))


@dataclass(frozen=True, kw_only=True)
class HeavyBallInFloat64(StepperBase):
    """Right: heavy ball with a velocity in float64, zero after a roll-back, which what is not finite never enters."""

    momentum: float = 0.7

    def init(self, space: Space) -> Velocity:
        return Velocity(space.zeros(dtype=torch.float64))

    def direction_(self, state: Velocity, step: Step, operator: Operator) -> Tensor:
        d = operator.apply_(step.g)
        following = self.momentum * state.velocity + d.double()
        narrow = following.to(d.dtype)
        sound = step.where & torch.isfinite(dot(narrow, narrow)) & torch.isfinite(narrow.square().sum(1))
        state.velocity = torch.where(sound.unsqueeze(1), following, state.velocity)
        return state.velocity.to(d.dtype, copy=True)

    def rollback_(self, state: Velocity, where: Tensor) -> None:
        state.velocity = torch.where(where.unsqueeze(1), 0.0, state.velocity)


@dataclass(frozen=True, kw_only=True)
class GradientWhereTheAngleIsWide(StepperBase):
    """Right: H g, and g itself in runs where the cosine of the two is below ``least``."""

    least: float = 0.2

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator(step.g)
        narrow = dot(d, step.g) >= self.least * dot(d, d).sqrt() * dot(step.g, step.g).sqrt()
        return torch.where(narrow.unsqueeze(1), d, step.g)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: {
        "rollback_before_the_first_advance_restores_nothing": KeptIsTheVelocity,
        "gradient_measured_after_it_was_written_over": MeasuredAfterwards,
        "decays_by_the_steps_that_a_run_made": DecaysByStepsMade,
        "average_itself_handed_inwards": AverageHandedInwards,
        "short_direction_has_no_length": NormWithoutRoom,
        "noise_depends_on_the_number_of_runs": NoiseByPlaceAmongRuns,
        "cooling_counted_on_the_part": CoolingOnThePart,
        "float64_from_the_first_window_on": WideAfterAWindow,
        "direction_that_is_not_finite_enters_the_velocity": VelocityOfWhatWasNotFinite,
        "velocity_itself_is_the_direction": VelocityReturned,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: {
        "length_goes_up_and_down": LongAndShort,
        "heavy_ball_in_float64": HeavyBallInFloat64,
        "gradient_where_the_angle_is_wide": GradientWhereTheAngleIsWide,
    }
}
