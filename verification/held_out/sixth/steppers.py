"""Steppers as a port leaves them: six wrong, two right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import Decaying, GradientAverage, Momentum, Plain
from adaqn_lab.bases import StepperBase
from adaqn_lab.protocols import InnerStepper, Need, Operator, Step
from adaqn_lab.space import Space
from verification.law import Subject


def _moved(old: Tensor, new: Tensor, step: Step) -> Tensor:
    sound = step.where & torch.isfinite(torch.linalg.vector_norm(new, dim=1).square())
    return torch.where(sound.unsqueeze(1), new, old)


@dataclass
class Windows:
    """``kept`` (R,): windows that became references; the inner state."""

    kept: Tensor
    of: Any


@dataclass(frozen=True, kw_only=True)
class WarmByReferences(StepperBase):
    """The warm-up ends after ``steps`` references, not steps: never where pairs are refused."""

    declares: ClassVar[frozenset[str]] = frozenset({"warm start"})
    steps: int = 6
    of: InnerStepper = field(default_factory=Plain)

    @property
    def needs(self) -> frozenset[Need]:
        return self.of.needs

    def check_recipe(self, recipe: Any) -> None:
        self.of.check_recipe(recipe)

    def init(self, space: Space) -> Windows:
        return Windows(space.counts(), self.of.init(space))

    def direction_(self, state: Windows, step: Step, operator: Operator) -> Tensor:
        g = step.g.clone()
        d = self.of.direction_(state.of, step, operator)
        return torch.where((state.kept < self.steps).unsqueeze(1), g, d)

    def advance_(self, state: Windows, where: Tensor) -> None:
        state.kept = state.kept + where.long()
        self.of.advance_(state.of, where)

    def rollback_(self, state: Windows, where: Tensor) -> None:
        self.of.rollback_(state.of, where)


@dataclass
class Speed:
    """``velocity`` (R, n) and the inner state."""

    velocity: Tensor
    of: Any


@dataclass(frozen=True, kw_only=True)
class RolledBackAsAdvanced(StepperBase):
    """A damped direction around another stepper, which hears of a roll-back that it was an advance."""

    declares: ClassVar[frozenset[str]] = frozenset({"around"})
    share: float = 0.5
    of: InnerStepper = field(default_factory=Momentum)

    @property
    def needs(self) -> frozenset[Need]:
        return self.of.needs

    def check_recipe(self, recipe: Any) -> None:
        self.of.check_recipe(recipe)

    def init(self, space: Space) -> Speed:
        return Speed(space.zeros(), self.of.init(space))

    def direction_(self, state: Speed, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state.of, step, operator)
        state.velocity = _moved(state.velocity, self.share * state.velocity + (1.0 - self.share) * d, step)
        return state.velocity.clone()

    def advance_(self, state: Speed, where: Tensor) -> None:
        self.of.advance_(state.of, where)

    def rollback_(self, state: Speed, where: Tensor) -> None:
        state.velocity = torch.where(where.unsqueeze(1), 0.0, state.velocity)
        self.of.advance_(state.of, where)


@dataclass(frozen=True, kw_only=True)
class DecayingByPlace(Decaying):
    """The step's place in its window stands for k - 1: the steps grow again at every window."""

    declares: ClassVar[frozenset[str]] = frozenset({"decaying"})
    tau: float = 4.0

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        factor = (self.tau / (self.tau + step.place)) ** self.power
        return self.of.direction_(state, step, operator) * factor


@dataclass
class Look:
    """``velocity`` and the ``kept`` one, (R, n)."""

    velocity: Tensor
    kept: Tensor


@dataclass(frozen=True, kw_only=True)
class KeptAtTheWindowsEnd(StepperBase):
    """Nesterov's velocity is kept at each window's last step, before the window is judged, not at the reference."""

    declares: ClassVar[frozenset[str]] = frozenset({"nesterov"})
    momentum: float = 0.8
    shrink: float = 1.0
    grow: float = 1.0
    at_most: float = 1.0

    def init(self, space: Space) -> Look:
        return Look(space.zeros(), space.zeros())

    def direction_(self, state: Look, step: Step, operator: Operator) -> Tensor:
        d = operator.apply_(step.g)
        state.velocity = _moved(state.velocity, self.momentum * state.velocity + d, step)
        if step.last:
            state.kept = state.velocity.clone()
        return d + self.momentum * state.velocity

    def rollback_(self, state: Look, where: Tensor) -> None:
        state.velocity = torch.where(where.unsqueeze(1), state.kept, state.velocity)


@dataclass
class Two:
    """The states of the two steppers inside."""

    slow: Any
    fast: Any


@dataclass(frozen=True, kw_only=True)
class OneStateForTwo(StepperBase):
    """The mean of a slow and a fast heavy ball, which were handed one and the same state."""

    slow: InnerStepper = field(default_factory=lambda: Momentum(momentum=0.9))
    fast: InnerStepper = field(default_factory=lambda: Momentum(momentum=0.5))

    def init(self, space: Space) -> Two:
        return Two(*[self.slow.init(space)] * 2)

    def direction_(self, state: Two, step: Step, operator: Operator) -> Tensor:
        slow = self.slow.direction_(state.slow, replace(step, g=step.g.clone()), operator)
        return 0.5 * (slow + self.fast.direction_(state.fast, step, operator))

    def advance_(self, state: Two, where: Tensor) -> None:
        self.slow.advance_(state.slow, where)
        self.fast.advance_(state.fast, where)

    def rollback_(self, state: Two, where: Tensor) -> None:
        self.slow.rollback_(state.slow, where)
        self.fast.rollback_(state.fast, where)


@dataclass(frozen=True, kw_only=True)
class BegunAtZero(GradientAverage):
    """The mark that an average exists is set before it is asked for: the first one starts from zero."""

    declares: ClassVar[frozenset[str]] = frozenset({"gradient average"})

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        state.started = state.started | step.where
        averaged = torch.where(state.started.unsqueeze(1), state.mean.lerp(step.g, 1.0 - self.decay), step.g)
        state.mean = torch.where(step.where.unsqueeze(1), averaged, state.mean)
        g = torch.where(step.where.unsqueeze(1), state.mean, 0.0)
        return self.of.direction_(state.of, replace(step, g=g), operator)


@dataclass(frozen=True)
class LongerAtFirst(StepperBase):
    """Right: H g (1 + 1 / (2 k)), longer at first and H g in the end, also with k on the device."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return operator.apply_(step.g) * (1.0 + 0.5 / step.k)


@dataclass
class Mean:
    """``mean`` (R, n): the moving average of directions."""

    mean: Tensor


@dataclass(frozen=True, kw_only=True)
class QuasiHyperbolic(StepperBase):
    """Right: (1 - share) H g + share M, M the moving average of H g, which a roll-back forgets."""

    decay: float = 0.9
    share: float = 0.7

    def init(self, space: Space) -> Mean:
        return Mean(space.zeros())

    def direction_(self, state: Mean, step: Step, operator: Operator) -> Tensor:
        d = operator(step.g)
        state.mean = _moved(state.mean, self.decay * state.mean + (1.0 - self.decay) * d, step)
        return (1.0 - self.share) * d + self.share * state.mean

    def rollback_(self, state: Mean, where: Tensor) -> None:
        state.mean = torch.where(where.unsqueeze(1), 0.0, state.mean)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: {
        "warm_up_counts_references": WarmByReferences,
        "roll_back_forwarded_as_advance": RolledBackAsAdvanced,
        "decay_starts_anew_at_every_window": DecayingByPlace,
        "velocity_kept_before_the_window_is_judged": KeptAtTheWindowsEnd,
        "one_state_for_two_steppers": OneStateForTwo,
        "average_begun_at_zero": BegunAtZero,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: {"longer_at_first": LongerAtFirst, "quasi_hyperbolic": QuasiHyperbolic}
}
