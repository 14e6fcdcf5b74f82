"""What is not finite, once and in some runs, is gone afterwards: no state is poisoned by it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Displacement, Need, Sample, Space, Step
from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.protocols import Operator, OracleLike
from verification.benches import PairBench
from verification.compare import holds, same
from verification.contracts.stepper_bases import Rolling, Velocity
from verification.law import Factory, Group, Subject, law
from verification.lives import Life, LifeCase, Manner, closure_loss, life_cases
from verification.naming import by_name
from verification.strategies import Array, ContractCase, contract_cases

OVERFLOWS = (math.inf, -math.inf, math.nan, 1e200)
"""What H g may come to; the square of the last is no float64 (in float32 it is inf at once)."""


@dataclass
class _Overflowing:
    """H, whose answer is ``value`` for the runs in ``at``."""

    inner: Operator
    at: Tensor
    value: float = 0.0

    def __call__(self, v: Tensor) -> Tensor:
        """Return H v."""
        value = torch.tensor(self.value, dtype=torch.float64).to(v.dtype)
        return torch.where(self.at.unsqueeze(1), value, self.inner(v))

    def apply_(self, v: Tensor) -> Tensor:
        """Return H v."""
        return self(v)

    def inverse(self, v: Tensor) -> Tensor:
        """Return B v."""
        return self.inner.inverse(v)


class _Struck(Life):
    """A life in which H g overflows at some steps, for the even runs."""

    def __init__(self, part: Any, case: LifeCase) -> None:
        super().__init__(part, case, Manner(loss=closure_loss))
        self.at = torch.arange(case.runs) % 2 == 0
        self.operator = self.faulty = _Overflowing(self.operator, torch.zeros_like(self.at))
        self.times = np.random.default_rng(case.seed).random(case.steps) < 0.15

    def step(self, k: int, g: Array | None = None) -> Array:
        """One step; where H g overflows its runs are skipped by the optimizer."""
        struck = bool(self.times[k])
        self.faulty.at = self.at if struck else torch.zeros_like(self.at)
        self.faulty.value = OVERFLOWS[(self.case.seed + k) % len(OVERFLOWS)]
        return super().step(k, g)

    def _check(self, d: Any, where: Tensor, mask: Array, k: int) -> None:
        if not self.times[k]:
            super()._check(d, where, mask, k)
        size = torch.linalg.vector_norm(d.detach().double(), dim=1)
        sound = size.square().isfinite() | ~where | self.faulty.at
        what = f"d of step {k + 1}: |d| = {size.tolist()} by run; H g was not finite at some earlier step, and is now"
        holds(sound.all(), what)


@law(
    name="stepper-after-overflow",
    statement="H g inf, NaN or 1e200 at some steps of some runs: their next |d|^2 is finite, the others keep every bit",
    source="adaqn_lab.QuasiNewton: a direction whose square is not finite costs its run that step and enters no state.",
    group=Group.CONTRACT,
    subject=Subject.STEPPER,
    kills=("infinity_in_the_velocity", "average_of_directions", "stops_every_run"),
    share=0.3,
    inputs=life_cases(),
)
def stepper_after_overflow(factory: Factory, case: LifeCase) -> None:
    """The even runs overflow now and then."""
    struck, quiet = _Struck(factory(), case), Life(factory(), case, Manner(loss=closure_loss))
    odd = np.arange(case.runs) % 2 == 1
    for k in range(case.steps):
        got, expected = struck.step(k), quiet.step(k)
        same(got[odd], expected[odd], f"d of step {k + 1} of the odd runs, while H g of even ones overflowed")


class _Poisoned:
    """``oracle``, whose answers are NaN for the runs in ``at``."""

    def __init__(self, oracle: Any, at: Tensor) -> None:
        self.oracle, self.at = oracle, at

    def __getattr__(self, name: str) -> Any:
        def ask(*arguments: Any) -> Tensor:
            made: Tensor = getattr(self.oracle, name)(*arguments)
            return made.masked_fill(self.at.view(-1, *(1,) * (made.dim() - 1)), math.nan)

        return ask


@law(
    name="pairs-after-overflow",
    statement="the average, or what a callable says, is NaN in one window of some runs: y two windows later is finite, "
    "and the others keep every bit",
    source="adaqn_lab.QuasiNewton: an average that is not finite costs the window, and enters no state.",
    group=Group.CONTRACT,
    subject=Subject.PAIRS,
    kills=("keeps_the_nan_average", "sum_of_answers", "smooths_over_the_runs"),
    share=0.2,
    inputs=contract_cases(min_items=9, max_items=9),
)
def pairs_after_overflow(factory: Factory, case: ContractCase) -> None:
    """The even runs in the first window: either s and w_bar are NaN, outside `where`, or the answers of the oracle."""
    struck, quiet = (PairBench(_every_three(factory()), case) for _ in range(2))
    even = np.arange(case.runs) % 2 == 0
    for k in range(case.items):
        for bench in (struck, quiet):
            bench.feed(k, case.masks[k])
        if (k + 1) % 3:
            continue
        got = _strike(struck, case, even) if k == 2 else struck.pair(case.v)
        expected, window = quiet.pair(case.v), k // 3 + 1
        same(got[~even], expected[~even], f"y of window {window} of the odd runs; the first of even ones was NaN")
        holds(window < 3 or got.isfinite().all(), f"y of window {window}: {got.tolist()}; the first window was NaN")


def _every_three(part: Any) -> Any:
    return replace(part, every=3) if hasattr(part, "every") else part


def _strike(bench: PairBench, case: ContractCase, even: Array) -> Tensor:
    """y where the even runs come to no number."""
    if case.seed % 2:
        oracle, at = bench.oracle, torch.from_numpy(even)
        bench.oracle = _Poisoned(oracle, at)  # type: ignore[assignment]
        y = bench.pair(case.v)
        bench.oracle = oracle
        return y
    move = bench.move(np.where(even[:, None], np.nan, case.v).astype(case.dtype))
    with torch.no_grad():
        made = bench.part.pair_(bench.state, replace(move, where=torch.from_numpy(~even)), bench.oracle)
    own = bench.own(made, move.s)
    return made if isinstance(made, Tensor) else (own.s + own.y).sum(1)


LAWS = (stepper_after_overflow, pairs_after_overflow)


class InfinityInTheVelocity(Rolling):
    """v takes what is infinite, and refuses NaN only."""

    def direction_(self, state: Velocity, step: Step, operator: Operator) -> Tensor:
        following = state.v / 2 + operator(step.g)
        sound = step.where & ~following.isnan().any(dim=1)
        state.v = torch.where(sound.unsqueeze(1), following, state.v)
        return state.v.clone()


class AverageOfDirections(Rolling):
    """v <- (v + H g) / 2, kept where its own square is finite in the vectors' numbers: not so for 1e200 in float64."""

    def direction_(self, state: Velocity, step: Step, operator: Operator) -> Tensor:
        mean = (state.v + operator(step.g)) / 2
        state.v = torch.where(mean.isfinite().all(dim=1, keepdim=True), mean, state.v)
        return state.v.clone()


class StopsEveryRun(Rolling):
    """Where one direction is not finite, every velocity starts anew."""

    def direction_(self, state: Velocity, step: Step, operator: Operator) -> Tensor:
        d = super().direction_(state, step, operator)
        state.v = torch.where(d.isfinite().all() & (d.abs() < 1e100).all(), state.v, 0.0)
        return d


@dataclass
class _Mean:
    w: Tensor


class KeepsTheNanAverage(PairGeneratorBase):
    """y = s plus a thousandth of the way that a moving average of w_bar has gone, of any window."""

    def init(self, space: Space) -> _Mean:
        return _Mean(space.zeros())

    def pair_(self, state: _Mean, move: Displacement, oracle: OracleLike) -> Tensor:
        y = move.s + 1e-3 * (move.w_bar - state.w)
        state.w = (state.w + move.w_bar) / 2
        return y

    def reset_(self, state: _Mean, where: Tensor) -> None:
        state.w = state.w.masked_fill(where.unsqueeze(1), 0.0)


class SumOfAnswers(KeepsTheNanAverage):
    """y = the mean of all differences of gradients so far; one which is NaN stays in it."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.CURVATURE_GRADIENT})

    def pair_(self, state: _Mean, move: Displacement, oracle: OracleLike) -> Tensor:
        y = oracle.gradient(move.w_bar, Sample.CURVATURE) - oracle.gradient(move.w_ref, Sample.CURVATURE)
        state.w = (state.w + y) / 2
        return state.w.clone()


class SmoothsOverTheRuns(PairGeneratorBase):
    """y = A s, and zero for every run if one of them is no number."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        y = oracle.hessian_vector(move.w_bar, move.s)
        return torch.where(y.isfinite().all(), y, 0.0)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: by_name(InfinityInTheVelocity, AverageOfDirections, StopsEveryRun),
    Subject.PAIRS: by_name(KeepsTheNanAverage, SumOfAnswers, SmoothsOverTheRuns),
}
