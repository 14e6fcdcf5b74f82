"""Steppers: seven wrong ones and two unusual right ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab.bases import StepperBase
from adaqn_lab.protocols import InnerStepper, Operator, Step
from adaqn_lab.space import Space
from adaqn_lab.steppers import Clipped, Decaying, Nesterov
from adaqn_lab.steppers.composing import Composing, length_of
from verification.law import Subject


@dataclass(frozen=True, kw_only=True)
class ClipsTheGradient(Clipped):
    """Shortens the gradient, not the direction: H may make it longer again."""

    declares: ClassVar[frozenset[str]] = frozenset({"clipped"})

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        length = length_of(step.g)
        g = step.g * torch.where(length > self.radius, self.radius / length, 1.0)
        return self.of.direction_(state, replace(step, g=g), operator)


@dataclass(frozen=True, kw_only=True)
class DecaysByPlace(Decaying):
    """Counts the steps of the window, not all of them: the length jumps back at every window."""

    declares: ClassVar[frozenset[str]] = frozenset({"decaying"})

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        factor = (self.tau / (self.tau + step.place)) ** self.power
        return self.of.direction_(state, step, operator) * factor


@dataclass
class Speed:
    """``velocity`` (R, n)."""

    velocity: Tensor


class _Rolling(StepperBase):
    """A velocity, zero after a roll-back."""

    def init(self, space: Space) -> Speed:
        return Speed(space.zeros())

    def rollback_(self, state: Speed, where: Tensor) -> None:
        state.velocity = torch.where(where.unsqueeze(1), 0.0, state.velocity)


@dataclass(frozen=True, kw_only=True)
class KeepsWhatOverflows(_Rolling):
    """A direction which is not finite enters the velocity: the run is skipped at every step from then on."""

    momentum: float = 0.8

    def direction_(self, state: Speed, step: Step, operator: Operator) -> Tensor:
        following = self.momentum * state.velocity + operator(step.g)
        state.velocity = torch.where(step.where.unsqueeze(1), following, state.velocity)
        return state.velocity.clone()


@dataclass(frozen=True, kw_only=True)
class ToldTwice(Composing):
    """Half the inner direction; the stepper inside is told of each advance and roll-back twice."""

    of: InnerStepper = Nesterov(momentum=0.6, shrink=0.8, grow=1.1)

    declares: ClassVar[frozenset[str]] = frozenset({"around"})

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        return self.of.direction_(state, step, operator) * 0.5

    def advance_(self, state: Any, where: Tensor) -> None:
        self.of.advance_(state, where)
        super().advance_(state, where)

    def rollback_(self, state: Any, where: Tensor) -> None:
        self.of.rollback_(state, where)
        super().rollback_(state, where)


@dataclass(frozen=True, kw_only=True)
class RoundedMomentum(_Rolling):
    """The momentum is chosen by torch.where between two Python numbers, which makes it float32 in float64 models."""

    momentum: float = 0.9

    declares: ClassVar[frozenset[str]] = frozenset({"heavy ball"})

    def direction_(self, state: Speed, step: Step, operator: Operator) -> Tensor:
        d = operator(step.g)
        following = torch.where(step.where, self.momentum, 1.0).unsqueeze(1) * state.velocity + d
        sound = step.where & torch.isfinite(torch.linalg.vector_norm(following, dim=1).square())
        state.velocity = torch.where(sound.unsqueeze(1), following, state.velocity)
        return state.velocity.clone()


@dataclass
class Averaged:
    """``mean`` (R, n) of gradients, where ``started`` (R,)."""

    mean: Tensor
    started: Tensor


@dataclass(frozen=True, kw_only=True)
class AverageMultipliedInPlace(StepperBase):
    """Hands the moving average itself to ``apply_``, which writes over it: the next average begins at H times it."""

    decay: float = 0.8

    def init(self, space: Space) -> Averaged:
        return Averaged(space.zeros(), space.mask(False))

    def direction_(self, state: Averaged, step: Step, operator: Operator) -> Tensor:
        moved = torch.where(state.started.unsqueeze(1), state.mean.lerp(step.g, 1.0 - self.decay), step.g)
        state.mean = torch.where(step.where.unsqueeze(1), moved, state.mean)
        state.started = state.started | step.where
        return operator.apply_(state.mean).clone()


@dataclass(frozen=True, kw_only=True)
class LengthByRunNumber(StepperBase):
    """Gives each run a length of its own by its number among them: run 0 of four is not run 0 alone."""

    shortest: float = 0.5

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator.apply_(step.g)
        runs = d.shape[0]
        share = torch.arange(1, runs + 1, device=d.device, dtype=d.dtype) / runs
        return d * (self.shortest + (1.0 - self.shortest) * share).unsqueeze(1)


# -- right ones --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Cyclic(StepperBase):
    """Right: H g, its length going up and down between 0.5 and 1.5 with the step's number, int or tensor."""

    period: int = 10

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        phase = (step.k - 1) % self.period
        return operator.apply_(step.g) * (0.5 + abs(2.0 * phase / self.period - 1.0))


@dataclass(frozen=True, kw_only=True)
class QuasiHyperbolic(_Rolling):
    """Right: (1 - share) H g + share u, u <- momentum u + (1 - momentum) H g where that is finite; 0 at a roll-back."""

    momentum: float = 0.9
    share: float = 0.7

    def direction_(self, state: Speed, step: Step, operator: Operator) -> Tensor:
        d = operator.apply_(step.g)
        following = self.momentum * state.velocity + (1.0 - self.momentum) * d
        sound = step.where & torch.isfinite(torch.linalg.vector_norm(following, dim=1).square())
        state.velocity = torch.where(sound.unsqueeze(1), following, state.velocity)
        return (1.0 - self.share) * d + self.share * state.velocity


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: {
        "clips_the_gradient_instead": lambda: ClipsTheGradient(radius=0.5),
        "decays_by_place_in_the_window": lambda: DecaysByPlace(tau=4.0),
        "overflow_enters_the_velocity": KeepsWhatOverflows,
        "inner_is_told_twice": ToldTwice,
        "momentum_rounded_to_float32": RoundedMomentum,
        "average_multiplied_in_place": AverageMultipliedInPlace,
        "length_by_the_run_number": LengthByRunNumber,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: {
        "cyclic_length": Cyclic,
        "quasi_hyperbolic_momentum": QuasiHyperbolic,
    }
}
