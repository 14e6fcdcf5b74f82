"""s and y are changes of moving averages."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch

from adaqn_lab import AveragedDifference, Step
from verification.benches import PairBench
from verification.compare import close
from verification.law import Factory, Group, Property, Subject, law
from verification.naming import by_name
from verification.pairs.making import STEPS, bound_of, made, norms, times
from verification.specimen import Specimen
from verification.strategies import ContractCase

AVERAGED_DIFFERENCE = Property(
    "averaged difference",
    "s and y are changes of moving averages over a window.",
    fields=(
        "decay",
        "every",
    ),
)


@law(
    name="averaged-difference",
    statement="s = W_k - W_old, W <- decay W + (1 - decay) w from W_1 = w_1, W_old as the window opened; y = A s",
    source="mL-BFGS, Niu et al. 2023: the average of a quadratic's gradients is the gradient at the average.",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("gradient_is_not_averaged", "average_starts_at_zero", "window_opens_late"),
    needs=(AVERAGED_DIFFERENCE,),
    inputs=STEPS,
)
def averaged_difference(factory: Factory, case: ContractCase) -> None:
    """Averages commute with the Hessian."""
    bench = PairBench(factory(), case)
    decay, every = bench.part.decay, bench.part.every
    steps, points = 2 * every + 2, case.points.astype(np.float64)
    W, old = np.zeros((2, case.runs, case.n))
    started, known = np.zeros((2, case.runs, 1), bool)
    for k in range(steps):
        w, where = points[:, k % case.items], case.masks[k % case.items]
        bench.observe(case.points[:, k % case.items], times(case.hessians, w[:, None])[:, 0].astype(case.dtype), where)
        if k % every == 0:
            old, known = W, started
        W = np.where(where[:, None], np.where(started, decay * W + (1 - decay) * w, w), W)
        started = started | where[:, None]
        _, s, y = made(bench, case.v, case.partners)
        atol = bound_of(case, steps) * 2 * norms(points)
        close(s[:, 0], np.where(known & started, W - old, 0.0), atol[:, 0], f"s after step {k + 1}")
        close(y, times(case.hessians, s), atol * (1 + norms(case.hessians)), f"y against A s after step {k + 1}")


class WrongAverages(AveragedDifference):
    """What the wrong averages share."""

    declares: ClassVar[tuple[str, ...]] = ("averaged difference",)


class GradientIsNotAveraged(WrongAverages):
    """y is the change of the last gradient, s that of the average."""

    def observe_(self, state: Any, step: Step) -> None:
        super().observe_(state, step)
        state.g = torch.where(step.where.unsqueeze(1), step.g, state.g)


class AverageStartsAtZero(WrongAverages):
    """W_1 = (1 - decay) w_1, uncorrected: the first windows move away from zero."""

    def observe_(self, state: Any, step: Step) -> None:
        first = (step.where & ~state.started).unsqueeze(1)
        super().observe_(state, step)
        state.w = torch.where(first, state.w * (1 - self.decay), state.w)
        state.g = torch.where(first, state.g * (1 - self.decay), state.g)


class WindowOpensLate(WrongAverages):
    """The old averages are those after the window's first step."""

    def observe_(self, state: Any, step: Step) -> None:
        super().observe_(state, step)
        if (step.k - 1) % self.every == 0:
            state.w_old, state.g_old = state.w.clone(), state.g.clone()


SPECIMEN = Specimen(
    role=Subject.PAIRS,
    kind=AveragedDifference,
    variations=(
        partial(AveragedDifference, every=3),
        partial(AveragedDifference, every=1, decay=0.0),
    ),
    declares=frozenset({AVERAGED_DIFFERENCE}),
    laws=(averaged_difference,),
    mutants=by_name(GradientIsNotAveraged, AverageStartsAtZero, WindowOpensLate, every=3),
)
