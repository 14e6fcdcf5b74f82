"""Wrong steppers around another one, each with one sin, which its name says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import Clipped, Decaying, Gradient, GradientAverage, Momentum, Normalised, PlusGradient, Step, WarmStart
from adaqn_lab.protocols import Operator
from verification.mutants.naming import by_sin


class WrongDecay(Decaying):
    """What the wrong decays share."""

    declares: ClassVar[tuple[str, ...]] = ("decaying",)


class DecaysLate(WrongDecay):
    """tau / (tau + k): the first step is shorter already."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        return super().direction_(state, replace(step, k=step.k + 1), operator)


class DecayWithoutPower(WrongDecay):
    """power = 1 whatever the field says."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state, step, operator)
        return d * (self.tau / (self.tau + step.k - 1))


class WrongClip(Clipped):
    """What the wrong clips share."""

    declares: ClassVar[tuple[str, ...]] = ("clipped",)


class ClipsElements(WrongClip):
    """Each element by itself: another direction."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        return self.of.direction_(state, step, operator).clamp(-self.radius, self.radius)


class ClipsRunsTogether(WrongClip):
    """One length for all runs."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state, step, operator)
        length: Tensor = torch.linalg.vector_norm(d)
        return d * (self.radius / length).clamp(max=1.0)


class StretchesShortDirections(WrongClip):
    """|d| = radius always."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d = Normalised(of=self.of).direction_(state, step, operator)
        return d * self.radius


class WrongPlus(PlusGradient):
    """What the wrong sums share."""

    declares: ClassVar[tuple[str, ...]] = ("plus gradient",)


class MinusGradient(WrongPlus):
    """d_of - weight g."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        return super().direction_(state, step, operator) - 2 * self.weight * step.g


class PlusDirection(WrongPlus):
    """d_of + weight d_of."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        return self.of.direction_(state, step, operator) * (1 + self.weight)


class WrongWarmStart(WarmStart):
    """What the wrong warm starts share."""

    declares: ClassVar[tuple[str, ...]] = ("warm start",)


class WarmsUpTooLong(WrongWarmStart):
    """One step more."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state, step, operator)
        return step.g.clone() if step.k <= self.steps + 1 else d


class WarmsUpWithH(WrongWarmStart):
    """d = H g at first."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state, step, operator)
        return operator(step.g) if step.k <= self.steps else d


class InnerStepperStaysCold(WrongWarmStart):
    """The stepper inside does not see the first steps."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        return step.g.clone() if step.k <= self.steps else self.of.direction_(state, step, operator)


class WrongAverage(GradientAverage):
    """What the wrong averages share."""

    declares: ClassVar[tuple[str, ...]] = ("gradient average",)


class GradientAverageStartsAtZero(WrongAverage):
    """M_1 = (1 - decay) g_1."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        state.started = torch.ones_like(state.started)
        return super().direction_(state, step, operator)


class AveragesDirectionsTwice(WrongAverage):
    """The average of averages."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        super().direction_(state, step, operator)
        return super().direction_(state, step, operator)


class WrongMomentum(Momentum):
    """What the wrong velocities share."""

    declares: ClassVar[tuple[str, ...]] = ("heavy ball",)


class MomentumSurvivesRollback(WrongMomentum):
    """The parameters go back, u does not."""

    def rollback_(self, state: Any, where: Tensor) -> None:
        pass


class RollbackStopsEveryRun(WrongMomentum):
    """u = 0 for all runs."""

    def rollback_(self, state: Any, where: Tensor) -> None:
        super().rollback_(state, torch.ones_like(where))


class RollBackStaysOutside(Clipped):
    """The stepper inside does not hear of roll-backs."""

    declares: ClassVar[tuple[str, ...]] = ("around",)

    def rollback_(self, state: Any, where: Tensor) -> None:
        pass


class AdvanceStaysOutside(Momentum):
    """The stepper inside does not hear of advances."""

    declares: ClassVar[tuple[str, ...]] = ("around",)

    def advance_(self, state: Any, where: Tensor) -> None:
        pass


class AdvanceReachesEveryRun(GradientAverage):
    """The stepper inside hears of advances of all runs."""

    declares: ClassVar[tuple[str, ...]] = ("around",)

    def advance_(self, state: Any, where: Tensor) -> None:
        super().advance_(state, torch.ones_like(where))


class WrongGradient(Gradient):
    """What the wrong gradient steps share."""

    declares: ClassVar[tuple[str, ...]] = ("gradient",)


class GradientWithH(WrongGradient):
    """d = H g."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return operator(step.g)


class SignOfTheGradient(WrongGradient):
    """d = -g: the descent direction, which the optimizer subtracts."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return -step.g


class NormalisesZero(Normalised):
    """0 / 0."""

    declares: ClassVar[tuple[str, ...]] = ("unit",)

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state, step, operator)
        length: Tensor = torch.linalg.vector_norm(d, dim=1, keepdim=True)
        return d / length


class UsesGAfterTheInner(PlusGradient):
    """The stepper inside is handed g itself, which it may write into."""

    declares: ClassVar[tuple[str, ...]] = ("around",)

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        return self.of.direction_(state, step, operator) + self.weight * step.g


STEPPERS: dict[str, Callable[[], Any]] = by_sin(
    UsesGAfterTheInner,
    ClipsElements,
    ClipsRunsTogether,
    StretchesShortDirections,
    MinusGradient,
    PlusDirection,
    GradientAverageStartsAtZero,
    AveragesDirectionsTwice,
    MomentumSurvivesRollback,
    RollbackStopsEveryRun,
    RollBackStaysOutside,
    AdvanceStaysOutside,
    AdvanceReachesEveryRun,
    GradientWithH,
    SignOfTheGradient,
    NormalisesZero,
) | by_sin(
    DecaysLate,
    DecayWithoutPower,
    WarmsUpTooLong,
    WarmsUpWithH,
    InnerStepperStaysCold,
    steps=2,
    power=0.5,
    of=Momentum(),
)
"""Sin -> factory of the wrong part; a momentum inside, where what it saw at first matters."""
