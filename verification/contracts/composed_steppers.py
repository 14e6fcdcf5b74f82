"""A stepper around another one: the one inside is told of everything and may write into what it gets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import Clipped, GradientAverage, Momentum, PlusGradient, Step
from adaqn_lab.bases import StepperBase
from adaqn_lab.protocols import Operator
from verification.benches import StepperBench
from verification.compare import holds, same
from verification.law import Factory, Group, Property, Subject, law
from verification.naming import by_name
from verification.steppers.driving import STEPS, direction_of
from verification.strategies import ContractCase

AROUND = Property("around", "The stepper `of` inside is told of roll-backs and advances.", fields=("of",))


@dataclass
class Told:
    """Which runs stepped, were rolled back and advanced, (R,)."""

    stepped: torch.Tensor
    back: torch.Tensor
    on: torch.Tensor


class _Listener(StepperBase):
    """d = H g; remembers what it is told."""

    def init(self, space: Any) -> Told:
        return Told(*(space.mask(False) for _ in range(3)))

    def direction_(self, state: Told, step: Any, operator: Any) -> torch.Tensor:
        holds((step.g[~step.where] == 0).all(), "the stepper inside got a gradient of a run which has none")
        state.stepped = state.stepped | step.where
        d: torch.Tensor = operator.apply_(step.g)
        return d

    def rollback_(self, state: Told, where: torch.Tensor) -> None:
        state.back = state.back | where

    def advance_(self, state: Told, where: torch.Tensor) -> None:
        state.on = state.on | where


@law(
    name="stepper-inside-is-told",
    statement="a step, a roll-back, an advance of some runs reaches the stepper `of`, for these runs and no others",
    source="adaqn_lab.protocols: what a stepper keeps goes back with the parameters, wherever it stands.",
    group=Group.CONTRACT,
    subject=Subject.STEPPER,
    kills=("roll_back_stays_outside", "advance_stays_outside", "advance_reaches_every_run"),
    needs=(AROUND,),
    inputs=STEPS,
)
def inside_is_told(factory: Factory, case: ContractCase) -> None:
    """Steppers compose."""
    bench = StepperBench(replace(factory(), of=_Listener()), case)
    back, on = (bench.mask(case.masks[0] ^ flip) for flip in (False, True))
    direction_of(bench, case.rows[:, 0])
    bench.feed(0, case.masks[0])
    bench.part.rollback_(bench.state, back)
    bench.part.advance_(bench.state, on)
    told = bench.state if isinstance(bench.state, Told) else bench.state.of
    holds(told.stepped.all(), f"runs which stepped: {told.stepped.tolist()}")
    same(told.back, back, "runs of which the stepper inside was told that they were rolled back")
    same(told.on, on, "runs of which it was told that they advanced")


class _Quiet(StepperBase):
    """d = H g; leaves g alone."""

    def direction_(self, state: None, step: Any, operator: Any) -> torch.Tensor:
        d: torch.Tensor = operator(step.g)
        return d


class _Scribbler(_Quiet):
    """d = H g; nothing is left of g afterwards."""

    def direction_(self, state: None, step: Any, operator: Any) -> torch.Tensor:
        d = super().direction_(state, step, operator)
        step.g.fill_(torch.nan)
        return d


@law(
    name="stepper-inside-may-write",
    statement="d is the same whether the stepper `of` writes into the gradient that it was handed or not",
    source="adaqn_lab.protocols: a stepper may write into step.g, so one around it which needs g hands a copy inwards.",
    group=Group.CONTRACT,
    subject=Subject.STEPPER,
    kills=("uses_g_after_the_inner", "hands_its_average_inwards"),
    needs=(AROUND,),
    inputs=STEPS,
)
def inside_may_write(factory: Factory, case: ContractCase) -> None:
    """Steppers compose."""
    quiet, scribbling = (StepperBench(replace(factory(), of=of), case) for of in (_Quiet(), _Scribbler()))
    for bench in (quiet, scribbling):
        bench.feed_all()
    same(
        direction_of(scribbling, case.v),
        direction_of(quiet, case.v),
        "d around one which writes into g",
    )


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


class UsesGAfterTheInner(PlusGradient):
    """The stepper inside is handed g itself, which it may write into."""

    declares: ClassVar[tuple[str, ...]] = ("around",)

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        return self.of.direction_(state, step, operator) + self.weight * step.g


class HandsItsAverageInwards(GradientAverage):
    """The stepper inside is handed the average of this one's state itself."""

    declares: ClassVar[tuple[str, ...]] = ("around",)

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        following = torch.where(state.started.unsqueeze(1), state.mean.lerp(step.g, 1.0 - self.decay), step.g)
        state.mean = torch.where(step.where.unsqueeze(1), following, state.mean)
        state.started = state.started | step.where
        return self.of.direction_(state.of, replace(step, g=state.mean), operator)


LAWS = (inside_is_told, inside_may_write)
MUTANTS = {
    Subject.STEPPER: by_name(
        RollBackStaysOutside,
        AdvanceStaysOutside,
        AdvanceReachesEveryRun,
        UsesGAfterTheInner,
        HandsItsAverageInwards,
    )
}
