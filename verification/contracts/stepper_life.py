"""A stepper over its whole life: many windows, roll-backs and advances of some runs, saved and read half-way.

What a roll-back undoes is the stepper's own rule: a velocity of steps which are undone goes, one kept at the last
advance comes back, an average of gradients stays. No law here says which; that it concerns the runs told and nobody
else, and lives in the state, holds for all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Space, Step
from adaqn_lab.protocols import Operator
from verification.compare import close, same
from verification.contracts.stepper_bases import Direct, Rolling, Velocity
from verification.law import Group, Subject, law
from verification.lives import Life, LifeCase, Manner, life_cases, lived
from verification.naming import by_name
from verification.tolerances import TOLERANCES

Factory = Callable[[], Any]


@law(
    name="stepper-told-of-some-runs",
    statement="a roll-back or an advance of some runs, or of none, leaves every bit of the others' directions",
    source="adaqn_lab.protocols: the masks say which runs a call concerns; a window's end is told whatever they are.",
    group=Group.INVARIANCE,
    subject=Subject.STEPPER,
    kills=("roll_back_of_all_runs", "advance_of_all_runs", "window_end_decays", "momentum_grows_for_all_runs"),
    inputs=life_cases(min_runs=2),
    share=0.3,
)
def told_of_some_runs(factory: Factory, case: LifeCase) -> None:
    """The odd runs are never told of anything."""
    quiet, nobody, some = (Life(factory(), case, Manner(told=False)) for _ in range(3))
    even, none = np.arange(case.runs) % 2 == 0, np.zeros(case.runs, bool)
    for k in range(case.steps):
        expected, untold, told = (life.step(k) for life in (quiet, nobody, some))
        same(untold, expected, f"d of step {k + 1} after ends of windows with nobody in either mask, against none told")
        same(told[~even], expected[~even], f"d of step {k + 1} of the odd runs, when only even ones were told")
        if (k + 1) % case.every == 0:
            window = k // case.every
            nobody.tell(window, none, none)
            some.tell(window, case.back[window] & even, case.on[window] & even)


@law(
    name="stepper-life-resumes",
    statement="saved after any step, read by a fresh part, told on: the same directions bit for bit",
    source="adaqn_lab.protocols: the state is what init returned, and the optimizer saves it.",
    group=Group.INVARIANCE,
    subject=Subject.STEPPER,
    kills=("roll_backs_counted_on_the_part", "remembers_the_window_on_the_part", "counter_is_no_tensor"),
    inputs=life_cases(),
    share=0.3,
)
def life_resumes(factory: Factory, case: LifeCase) -> None:
    """A job that was stopped goes on."""
    straight = Life(factory(), case, Manner(dense=True))
    stop = int(np.random.default_rng(case.seed).integers(1, case.steps))
    for k in range(stop):
        straight.step(k)
    resumed = straight.resumed(factory())
    for k in range(stop, case.steps):
        same(resumed.step(k), straight.step(k), f"d of step {k + 1}, resumed after step {stop}")


@law(
    name="stepper-lives-apart",
    statement="two states of one part, told of different gradients and windows in turn: each as if alone",
    source="adaqn_lab.protocols: parts hold hyper-parameters only.",
    group=Group.CONTRACT,
    subject=Subject.STEPPER,
    kills=("roll_backs_counted_on_the_part", "remembers_the_window_on_the_part", "caches_by_step_number"),
    inputs=life_cases(),
    share=0.3,
)
def lives_apart(factory: Factory, case: LifeCase) -> None:
    """Two optimizers with one recipe."""
    part, other = factory(), replace(case, seed=case.seed + 1)
    one, two = Life(part, case), Life(part, other)
    alone, alone_too = lived(factory(), case), lived(factory(), other)
    for k in range(case.steps):
        same(one.step(k).astype(np.float64), alone[k], f"d of step {k + 1} while another state of the part lived")
        same(two.step(k).astype(np.float64), alone_too[k], f"d of step {k + 1} of the other state")


@law(
    name="stepper-life-of-runs",
    statement="R runs together = each run alone, over ten windows, told of roll-backs and advances",
    source="Runs never influence each other.",
    group=Group.INVARIANCE,
    subject=Subject.STEPPER,
    tolerance="linear",
    kills=("uphill_in_run_three", "fourth_run_follows_the_third", "longest_of_the_runs", "advances_when_all_do"),
    inputs=life_cases(min_runs=2),
    share=0.3,
)
def life_of_runs(factory: Factory, case: LifeCase) -> None:
    """The fourth and fifth too."""
    together = lived(factory(), case)
    largest = np.maximum.accumulate(np.abs(together).max(axis=2, keepdims=True), axis=0)
    atol = TOLERANCES["linear"](case.dtype, n=case.n + case.steps) * largest
    for run in {0, case.runs // 2, case.runs - 1}:
        for k, d in enumerate(lived(factory(), case, rows=(run,))):
            close(d[0], together[k, run], atol[k, run], f"d of step {k + 1}, run {run} of {case.runs} alone")


class RollBackOfAllRuns(Rolling):
    """A roll-back stops every run."""

    def rollback_(self, state: Velocity, where: Tensor) -> None:
        super().rollback_(state, where.any().expand_as(where))


class AdvanceOfAllRuns(Rolling):
    """An advance halves every velocity."""

    def advance_(self, state: Velocity, where: Tensor) -> None:
        state.v = state.v * (0.5 if bool(where.any()) else 1.0)


class WindowEndDecays(Rolling):
    """Whoever is told, the velocity decays."""

    def advance_(self, state: Velocity, where: Tensor) -> None:
        state.v = state.v * 0.75


@dataclass
class Growing(Velocity):
    """``mu`` () float64 beside ``v``."""

    mu: Tensor


class MomentumGrowsForAllRuns(Rolling):
    """One momentum for all runs, which shrinks at a roll-back of any."""

    def init(self, space: Space) -> Growing:
        return Growing(space.zeros(), torch.tensor(0.5, dtype=torch.float64))

    def direction_(self, state: Velocity, step: Step, operator: Operator) -> Tensor:
        assert isinstance(state, Growing)
        state.v = torch.where(step.where.unsqueeze(1), state.v * state.mu + operator(step.g), state.v)
        return state.v.clone()

    def rollback_(self, state: Velocity, where: Tensor) -> None:
        assert isinstance(state, Growing)
        super().rollback_(state, where)
        state.mu = torch.where(where.any(), state.mu * 0.75, state.mu)


class RollBacksCountedOnThePart(Direct):
    """After three roll-backs the steps are half as long, and the count lies on the part."""

    seen = 0

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return operator(step.g) / (2 if self.seen >= 3 else 1)

    def rollback_(self, state: None, where: Tensor) -> None:
        self.seen += int(where.any())


class RemembersTheWindowOnThePart(Direct):
    """The first direction of a window stays in the mean of its others, on the part."""

    first: Tensor | None = None

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator(step.g)
        if step.place == 0:
            self.first = d.clone()
        same_runs = self.first is not None and self.first.shape == d.shape
        return (d + self.first) / 2 if same_runs else d  # type: ignore[operator]


@dataclass
class Counted(Velocity):
    """A counter beside ``v`` which is no field."""

    def __post_init__(self) -> None:
        self.steps = 0


class CounterIsNoTensor(Rolling):
    """Counts its own steps in an int, which no checkpoint holds."""

    def init(self, space: Space) -> Counted:
        return Counted(space.zeros())

    def direction_(self, state: Velocity, step: Step, operator: Operator) -> Tensor:
        assert isinstance(state, Counted)
        state.steps += 1
        return super().direction_(state, step, operator) / state.steps


class CachesByStepNumber(Direct):
    """The answer to step k is kept for whoever asks for step k of the same shape again."""

    def __init__(self) -> None:
        self.known: dict[Any, Tensor] = {}

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        key = (int(step.k), step.g.shape)
        self.known.setdefault(key, operator(step.g))
        return self.known[key].clone()


class FourthRunFollowsTheThird(Direct):
    """An index off by one, where there are four runs."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator(step.g)
        if len(d) > 3:
            d[3] = d[2]
        return d


class LongestOfTheRuns(Direct):
    """Shortens every direction by the longest among the runs."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator(step.g)
        return d / d.abs().amax().clamp(min=1)


class AdvancesWhenAllDo(Rolling):
    """Starts anew for all runs when all have advanced."""

    def advance_(self, state: Velocity, where: Tensor) -> None:
        state.v = torch.where(where.all(), 0.0, state.v)


LAWS = (told_of_some_runs, life_resumes, lives_apart, life_of_runs)
MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: by_name(
        *(RollBackOfAllRuns, AdvanceOfAllRuns, WindowEndDecays, MomentumGrowsForAllRuns),
        *(RollBacksCountedOnThePart, RemembersTheWindowOnThePart, CounterIsNoTensor, CachesByStepNumber),
        *(FourthRunFollowsTheThird, LongestOfTheRuns, AdvancesWhenAllDo),
    )
}
