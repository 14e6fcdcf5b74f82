"""Methods: four right recipes under a wrong optimizer, four recipes with wrong parts, and two unusual right ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import QuasiNewton
from adaqn_lab.algorithm import Algorithm
from adaqn_lab.bases import PairGeneratorBase, ScalingBase, StepperBase
from adaqn_lab.diagonal import Diagonal
from adaqn_lab.guards import MonitorIncrease
from adaqn_lab.guards.monitor_increase import MonitorLosses
from adaqn_lab.history import History
from adaqn_lab.linalg import assign_, dot
from adaqn_lab.memory import CautiousSS, Window
from adaqn_lab.pairs import LookAheadDifference
from adaqn_lab.protocols import Curvature, Displacement, Need, Operator, OracleLike, Sample, Step, Verdict
from adaqn_lab.recipe import Recipe
from adaqn_lab.recipes import ADAQN, ADAQN_STOCHQN, MULTIBATCH_LBFGS, ONAQ, SAMPLED_LBFGS, SQN
from adaqn_lab.steppers import Momentum
from verification.law import Subject
from verification.methods import Method


class SumKept(Algorithm):
    """As the algorithm, but the window's sum of runs which were rolled back is not begun anew."""

    def decide(self) -> Tensor:
        total = self.clock.total.clone()
        back = super().decide()
        assign_(self.clock.total, total, back)
        return back


class SumOutlivesRollBack(QuasiNewton):
    """After a roll-back the next window's average still has the sum of the refused one."""

    def _init_state(self) -> Algorithm:
        made = super()._init_state()
        made.__class__ = SumKept
        return made


class ResumesWithANewWindow(QuasiNewton):
    """A checkpoint of the middle of a window is resumed as if its window just began, with its sum."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        own = self._algorithm
        if own is not None:
            own.k -= own.k % self._recipe.cadence.every


class DecayOfTheFirstGroup(QuasiNewton):
    """Every parameter group gets the weight decay of the first."""

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        own = [group["weight_decay"] for group in self.param_groups]
        for group in self.param_groups:
            group["weight_decay"] = own[0]
        try:
            super()._step(parameters, loss)
        finally:
            for group, decay in zip(self.param_groups, own, strict=True):
                group["weight_decay"] = decay


class FillsMissingGradients(QuasiNewton):
    """A parameter without a gradient gets zeros for one: weight decay and H then move it, and .grad is written."""

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        for p in parameters:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        super()._step(parameters, loss)


@dataclass(frozen=True, kw_only=True)
class UncheckedLookAhead(LookAheadDifference):
    """Pairs from the look-ahead points of a momentum which need not be the stepper's."""

    momentum: float = 0.5

    def check_recipe(self, recipe: Recipe) -> None:
        """Any stepper."""


@dataclass(frozen=True, kw_only=True)
class DisplacementOfTheAverages(Window):
    """Takes s = w_bar - w_ref, whatever displacement the pair generator made y for."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        return super().admit_(state, replace(move, s=move.w_bar - move.w_ref), y, operator)


@dataclass(frozen=True, kw_only=True)
class WritesIntoTheAverage(MonitorIncrease):
    """Asks for a finite loss half-way too, and makes the point half-way in place of the average."""

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        middle = move.w_bar.add_(move.w_ref).mul_(0.5)
        return keep & torch.isfinite(oracle.loss(middle))


@dataclass(frozen=True)
class AcrossTwoSamples(PairGeneratorBase):
    """The gradient at w_bar is of the overlap, that at w_ref of the whole mini-batch: noise counts as curvature."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.OVERLAP_GRADIENT, Need.BATCH_GRADIENT})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        return oracle.gradient(move.w_bar, Sample.OVERLAP) - oracle.gradient(move.w_ref, Sample.BATCH)


class Tallying(QuasiNewton):
    """Right: counts the calls of step for the user and does nothing else."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        self.asked = getattr(self, "asked", 0) + 1
        return super().step(closure)


@dataclass(frozen=True, kw_only=True)
class LongerLength(ScalingBase):
    """Right: H0 = (s's / s'y) I of the newest pair, the longer Barzilai-Borwein length, at most ``most``."""

    most: float = 10.0

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        s_y, s_s, _, exists = curvature.newest()
        return Diagonal(gamma=torch.where(exists, (s_s / s_y).clamp(1e-8, self.most), 1.0))


@dataclass(frozen=True, kw_only=True)
class Bounded(StepperBase):
    """Right: H g, each run no longer than ``radius``, with the length in float64."""

    radius: float = 2.0

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator.apply_(step.g)
        shrink = self.radius / dot(d, d).sqrt().clamp(min=self.radius)
        return d.mul_(shrink.to(d.dtype).unsqueeze(1))


def _window(recipe: Recipe, every: int = 4) -> Recipe:
    return recipe.but(cadence=replace(recipe.cadence, every=every))


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.RECIPE: {
        "window_sum_outlives_a_roll_back": lambda: Method(_window(ADAQN), SumOutlivesRollBack),
        "resume_begins_the_window_anew": lambda: Method(_window(ADAQN_STOCHQN, 5), ResumesWithANewWindow),
        "weight_decay_of_the_first_group": lambda: Method(_window(SQN), DecayOfTheFirstGroup),
        "missing_gradients_are_filled_with_zeros": lambda: Method(
            _window(ADAQN).but(stepper=Momentum(momentum=0.5)), FillsMissingGradients
        ),
        "look_ahead_pairs_of_another_momentum": lambda: Method(
            ONAQ.but(pairs=UncheckedLookAhead(momentum=0.5)), QuasiNewton
        ),
        "displacement_of_the_averages_for_any_pair": lambda: Method(
            _window(SAMPLED_LBFGS).but(memory=DisplacementOfTheAverages(test=CautiousSS(eps=1e-6))), QuasiNewton
        ),
        "guard_writes_into_the_average": lambda: Method(_window(ADAQN).but(guard=WritesIntoTheAverage()), QuasiNewton),
        "difference_across_two_samples": lambda: Method(MULTIBATCH_LBFGS.but(pairs=AcrossTwoSamples()), QuasiNewton),
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.RECIPE: {
        "optimizer_with_a_tally": lambda: Method(_window(ADAQN), Tallying),
        "sqn_with_longer_lengths_and_a_bound": lambda: Method(
            _window(SQN, 3).but(scaling=LongerLength(), stepper=Bounded()), QuasiNewton
        ),
    }
}
