"""A method's optimizer and the textbook's loop around the same parts, over the same training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import logsigmoid

from adaqn_lab import Need, QuasiNewton, Recipe, Sample, Space
from verification.methods import Method
from verification.parts import tensor
from verification.references.parts_loop import SCALARS, Found, Given, Told, trajectory
from verification.references.trajectories.problem import Problem
from verification.strategies import Array
from verification.tolerances import TOLERANCES

N = 7
LAYOUTS = (((7,),), ((4,), (3,)), ((2, 2), (), (2, 1)), ((1,), (1, 3, 2)))
"""Shapes of one run's parameters."""
RATES = ("constant", "schedule", "tensor", "tensor in place", "tensor per run")
NUDGE = 2.0**-40
"""Noise of the second textbook run, 8192 times the rounding: far below anything that is no rounding."""


@dataclass(frozen=True)
class Training:
    """``runs`` logistic regressions of 7 parameters, ``windows`` windows of ``every`` steps and ``rest`` steps more.

    ``rates``: how each group's lr changes from step to step; ``decay``: weight decay of the first group; ``groups``: 2
    puts the first tensor in a group of its own, with its own lr; ``missing``: some parameters have no gradient at some
    steps; ``bad``: some runs' gradients are NaN; ``closure``: by ``step(closure)``; ``maximize``: everything with its
    sign changed.
    """

    runs: int
    every: int
    windows: int
    rest: int
    seed: int
    layout: int = 0
    lr: float = 0.25
    convex: bool = True
    rates: str = "constant"
    groups: int = 1
    decay: float = 0.0
    missing: bool = False
    bad: bool = False
    closure: bool = False
    maximize: bool = False

    @property
    def steps(self) -> int:
        """How many."""
        return self.windows * self.every + self.rest

    @property
    def space(self) -> Space:
        """R vectors of 7 elements."""
        return Space(self.runs, N, torch.float64, shapes=self.shapes)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """One run's parameters."""
        return LAYOUTS[self.layout]

    @property
    def sign(self) -> float:
        """Of the losses that the user has."""
        return -1.0 if self.maximize else 1.0

    @cached_property
    def problems(self) -> list[Problem]:
        """One a run."""
        return [Problem(seed=self.seed + run, rows=48, convex=self.convex) for run in range(self.runs)]

    @cached_property
    def data(self) -> tuple[Tensor, Tensor]:
        """a (R, N, n), b (R, N)."""
        a, b = zip(*(p.data for p in self.problems), strict=True)
        return tensor(np.stack(a)), tensor(np.stack(b))

    @cached_property
    def start(self) -> Tensor:
        """(R, n)."""
        return tensor(np.stack([p.start for p in self.problems]))

    def _draw(self, stream: int, *shape: int) -> Array:
        """Uniform numbers in 0 to 1 for every step: (K, *shape)."""
        drawn: Array = np.random.default_rng([self.seed, stream]).random((self.steps, *shape))
        return drawn

    @cached_property
    def present(self) -> Array:
        """Which parameters have a gradient, (K, parameters) bool; one at least."""
        has = self._draw(1, len(self.shapes)) < (0.7 if self.missing else 2.0)
        has[:, -1] |= ~has.any(axis=1)
        return has

    @cached_property
    def broken(self) -> Array:
        """Which runs' gradients are NaN, (K, R) bool."""
        return np.asarray(self._draw(2, self.runs) < (0.12 if self.bad else 0.0))

    @cached_property
    def lrs(self) -> Array:
        """(K, groups, R): rates of 0 included where there is a schedule."""
        factors = 0.5 + self._draw(3, self.groups, self.runs)
        factors[self._draw(4) < 0.1] = 0.0
        if self.rates == "constant":
            factors[:] = 1.0
            factors[:, 1:] = 0.5  # as the second group's own lr says
        if self.rates != "tensor per run":
            factors[:] = factors[:, :, :1]
        return self.lr * factors

    def group_of(self, parameter: int) -> int:
        """The group of a parameter."""
        return min(parameter, self.groups - 1)

    # -- the losses -------------------------------------------------------------------------------------------

    def rows(self, need: Need, k: int) -> Tensor:
        """The examples that a need means at step k."""
        p = self.problems[0]
        if need is Need.MONITOR_LOSS:
            chosen = np.arange(p.rows)
        elif need is Need.BATCH_GRADIENT:
            chosen = p.batch(k)
        else:
            chosen = p.overlap(k) if need is Need.OVERLAP_GRADIENT else p.curvature
        return torch.from_numpy(chosen)

    def outputs(self, w: Tensor, rows: Tensor) -> Tensor:
        """a'w: (R, rows)."""
        return torch.einsum("rkn,rn->rk", self.data[0][:, rows], w)

    def loss(self, w: Tensor, rows: Tensor, outputs: Tensor) -> Tensor:
        """(R,)."""
        z = -self.data[1][:, rows] * outputs
        value = -logsigmoid(-z) if self.convex else torch.sigmoid(z)  # softplus is linear from 20 on
        return value.mean(1) + self.problems[0].ridge * w.square().sum(1) / 2

    def gradient(self, w: Tensor, rows: Tensor) -> Tensor:
        """Its gradient, by its formula: (R, n)."""
        a, b = self.data[0][:, rows], self.data[1][:, rows]
        p = torch.sigmoid(-b * self.outputs(w, rows))
        slope = -b * (p if self.convex else p * (1 - p))
        return torch.einsum("rkn,rk->rn", a, slope) / len(rows) + self.problems[0].ridge * w

    def gauss_newton(self, w: Tensor, v: Tensor, rows: Tensor) -> Tensor:
        """The product without the penalty: (R, n)."""
        a, b = self.data[0][:, rows], self.data[1][:, rows]
        p = torch.sigmoid(-b * self.outputs(w, rows))
        curved = p * (1 - p) if self.convex else p * (1 - p) * (1 - 2 * p)
        return torch.einsum("rkn,rk->rn", a, curved * self.outputs(v, rows)) / len(rows)

    def raw(self, w: Tensor, k: int) -> Tensor:
        """What ``backward`` finds at step k, in the user's sign; NaN in one entry of a broken run's."""
        g = self.sign * self.gradient(w, self.rows(Need.BATCH_GRADIENT, k))
        g[torch.from_numpy(self.broken[k - 1]), self.seed % N] = torch.nan
        return g

    def spread(self, values: Array) -> Tensor:
        """A number for each parameter tensor -> one for each entry of a vector."""
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        return tensor(np.repeat(values, sizes, axis=-1))

    def given(self, k: int, w: Tensor) -> Given:
        """Step k at ``w``, for the textbook's loop, which descends."""
        has = self.spread(self.present[k - 1].astype(float))
        groups = [self.group_of(index) for index in range(len(self.shapes))]
        decay = self.spread(np.array([self.decay if group == 0 else 0.0 for group in groups]))
        g = torch.where(has > 0, self.sign * self.raw(w, k) + decay * w, 0.0)
        rate = self.spread(self.lrs[k - 1].T[:, groups]) * has
        return Given(g, rate, self.value(w, k) if self.closure else None)

    def value(self, w: Tensor, k: int) -> Tensor:
        """What the closure returns."""
        rows = self.rows(Need.BATCH_GRADIENT, k)
        return self.sign * self.loss(w, rows, self.outputs(w, rows))


class Noise:
    """Relative errors of +-``size``, everywhere where an implementation rounds."""

    def __init__(self, size: float, seed: int) -> None:
        self.size, self.random = size, np.random.default_rng([seed, 5])

    def __call__(self, x: Tensor) -> Tensor:
        """``x``, blurred."""
        if not self.size:
            return x
        return x * (1 + self.size * tensor(self.random.choice([-1.0, 1.0], size=tuple(x.shape))))


class ClosedForms:
    """An oracle by formulas, which counts what it is asked and blurs what it answers."""

    def __init__(self, case: Training, noise: Noise) -> None:
        self.case, self.noise, self.now = case, noise, 1
        self.calls: Counter[Need] = Counter()

    def _rows(self, need: Need) -> Tensor:
        self.calls[need] += 1
        return self.case.rows(need, self.now)

    def loss(self, w: Tensor) -> Tensor:
        """The monitor's."""
        rows = self._rows(Need.MONITOR_LOSS)
        return self.noise(self.case.loss(w, rows, self.case.outputs(w, rows)))

    def gradient(self, w: Tensor, sample: Sample) -> Tensor:
        """The sample's."""
        return self.noise(self.case.gradient(w, self._rows(sample.value)))

    def hessian_vector(self, w: Tensor, v: Tensor) -> Tensor:
        """The curvature batch's."""
        rows = self._rows(Need.HESSIAN_VECTOR_PRODUCT)
        return self.noise(self.case.gauss_newton(w, v, rows) + self.case.problems[0].ridge * v)

    def gauss_newton(self, w: Tensor, v: Tensor) -> Tensor:
        """The curvature batch's."""
        return self.noise(self.case.gauss_newton(w, v, self._rows(Need.GAUSS_NEWTON_PRODUCT)))


class Trainer:
    """The optimizer's side of a :class:`Training`, a step at a time.

    ``closures_called`` counts; ``returned``: whether ``step`` returned the closure's very value every time;
    ``differentiable``: whether the closure ran with gradients enabled.
    """

    def __init__(self, method: Method, case: Training, start: Tensor | None = None) -> None:
        self.method, self.case, self.now = method, case, 1
        pieces = torch.split(case.start if start is None else start, [int(np.prod(s)) for s in case.shapes], dim=1)
        shapes = [(case.runs, *s) if case.runs > 1 else s for s in case.shapes]
        self.parameters = [torch.nn.Parameter(x.reshape(s).clone()) for x, s in zip(pieces, shapes, strict=True)]
        self.optimizer = self.build()
        self.closures_called, self.returned, self.differentiable = 0, True, True

    def build(self) -> QuasiNewton:
        """A new optimizer of these parameters."""
        case, groups = self.case, []
        for group in range(case.groups):
            own = [p for index, p in enumerate(self.parameters) if case.group_of(index) == group]
            options = {"weight_decay": case.decay} if group == 0 else {}
            groups.append({"params": own, "lr": self._lr(np.full(case.runs, case.lr * (0.5 if group else 1.0)))} | options)
        callables = {"monitor": Need.MONITOR_LOSS, "batch": Need.BATCH_GRADIENT, "overlap": Need.OVERLAP_GRADIENT}
        asked = {name: self._callable(need) for name, need in callables.items()}
        asked["curvature"] = self._callable(Need.GAUSS_NEWTON_PRODUCT)
        return self.method.build(groups, lr=case.lr, runs=case.runs, maximize=case.maximize, **asked)

    @property
    def w(self) -> Tensor:
        """The parameters, (R, n), differentiable."""
        return torch.cat([p.reshape(self.case.runs, -1) for p in self.parameters], 1)

    def _callable(self, need: Need) -> Callable[[], tuple[Tensor, Tensor]]:
        def evaluate() -> tuple[Tensor, Tensor]:
            w, rows = self.w, self.case.rows(need, self.now)
            outputs = self.case.outputs(w, rows)
            return self.case.sign * self.case.loss(w, rows, outputs), outputs

        return evaluate

    def _lr(self, rates: Array) -> Any:
        """Rates (R,) as a group's lr."""
        if self.case.rates == "tensor per run":
            return torch.from_numpy(rates.copy())
        rate = float(rates[0])
        return torch.tensor(rate, dtype=torch.float64) if self.case.rates.startswith("tensor") else rate

    def _set_rates(self, k: int) -> None:
        if self.case.rates == "constant":
            return  # as the constructor was told
        for index, group in enumerate(self.optimizer.param_groups):
            new = self._lr(self.case.lrs[k - 1, index])
            if self.case.rates == "tensor in place":
                group["lr"].copy_(new)
            else:
                group["lr"] = new

    def _set_gradients(self) -> None:
        raw = self.case.raw(self.w.detach(), self.now)
        pieces = torch.split(raw, [int(np.prod(s)) for s in self.case.shapes], dim=1)
        for p, piece, has in zip(self.parameters, pieces, self.case.present[self.now - 1], strict=True):
            p.grad = piece.reshape(p.shape).clone() if has else None

    def step(self, k: int) -> None:
        """Step k, by the closure or after a backward pass."""
        self.now = k
        self._set_rates(k)
        value = self.case.value(self.w.detach(), k)

        def closure() -> Tensor:
            self.closures_called += 1
            self.differentiable &= torch.is_grad_enabled()
            self._set_gradients()
            return value

        if self.case.closure:
            self.returned &= self.optimizer.step(closure) is value
            return
        self._set_gradients()
        self.optimizer.step()


@dataclass
class Trained:
    """What the optimizer came to, and who trained it."""

    found: Found
    trainer: Trainer

    @property
    def optimizer(self) -> QuasiNewton:
        """The optimizer at the end."""
        return self.trainer.optimizer


def events_of(optimizer: QuasiNewton) -> list[Told]:
    """What the optimizer tells, in the order of steps, then of runs."""
    found = [
        Told(e.step, e.run, e.kind.name, tuple(float(getattr(e, name)) for name in SCALARS)) for e in optimizer.events
    ]
    return sorted(found, key=_order)


def _order(told: Told) -> tuple[int, bool, int]:
    """A step's own event before that of the window which it closes."""
    return told.step, told.kind != "STEP_SKIPPED", told.run


def train(method: Method, case: Training, each: Callable[[Trainer, int], None] = lambda trainer, k: None) -> Trained:
    """The optimizer's training; ``each(trainer, k)`` after every step."""
    trainer, found = Trainer(method, case), Found()
    for k in range(1, case.steps + 1):
        trainer.step(k)
        found.w.append(trainer.w.detach().clone())
        each(trainer, k)
    found.events = events_of(trainer.optimizer)
    found.product = trainer.optimizer.operator(torch.ones_like(case.start))
    return Trained(found, trainer)


def textbook(recipe: Recipe, case: Training, size: float = 0.0) -> tuple[Found, Counter[Need]]:
    """The textbook's training, with noise of that relative size; and its evaluations."""
    noise = Noise(size, case.seed)
    oracle = ClosedForms(case, noise)

    def given(k: int, w: Tensor) -> Given:
        step = case.given(k, w)
        return replace(step, g=noise(step.g))

    found = trajectory(recipe, case.space, case.start, oracle, given, case.steps, noise)
    found.events.sort(key=_order)
    return found, oracle.calls


@dataclass(frozen=True)
class Comparable:
    """How far the textbook can be followed: ``until`` (R,), the first step which chance decides; ``atol`` (K, R)."""

    until: Array
    atol: Array


def comparable(base: Found, blurred: Found, case: Training) -> Comparable:
    """What the noise of 8192 times the rounding did to the textbook's own run.

    An event that comes out otherwise is a close call, and so is a window which did not move; nothing is compared from
    there on, or from where the noise is visible to three digits.
    """
    until = np.full(case.runs, case.steps + 1)
    noisy = {(e.step, e.run, e.kind) for e in blurred.events}
    calls = [(e.step, e.run) for e in base.events if (e.step, e.run, e.kind) not in noisy]
    for step, run in [*calls, *base.still]:
        until[run] = min(until[run], step)
    w, other = (torch.stack(found.w).numpy() for found in (base, blurred))
    reach = np.maximum.accumulate(np.abs(np.nan_to_num(other - w, nan=1.0)).max(axis=2))
    size = 1 + np.maximum.accumulate(np.abs(w).max(axis=2))
    trajectory_ = TOLERANCES["trajectory"]
    atol = np.vectorize(lambda moved: trajectory_(c_min=min(1.0, NUDGE / max(moved, NUDGE))))(reach / size) * size
    for run in range(case.runs):
        lost = np.flatnonzero(reach[:, run] > 1e-3)
        until[run] = min([until[run], *(lost[:1] + 1)])
    return Comparable(until, atol)


@st.composite
def trainings(draw: st.DrawFn, rich: bool = False, max_runs: int = 5, max_windows: int = 8) -> Training:
    """Trainings of one lr and one group; with ``rich`` of every feature there is, each in one case of three."""
    case = Training(
        runs=draw(st.integers(1, max_runs)),
        every=draw(st.integers(1, 4)),
        windows=draw(st.integers(2, max_windows)),
        rest=draw(st.integers(0, 2)),
        seed=draw(st.integers(0, 2**16)),
        layout=draw(st.integers(0, len(LAYOUTS) - 1)),
        lr=draw(st.sampled_from((0.25, 0.05, 1.0))),
        convex=draw(st.booleans()),
        bad=draw(st.booleans()),
    )
    if not rich:
        return case
    maybe = st.sampled_from((False, False, True))
    return replace(
        case,
        rates=draw(st.sampled_from(RATES)),
        groups=1 + draw(maybe) if case.layout else 1,
        decay=draw(st.sampled_from((0.0, 0.1))),
        missing=draw(maybe),
        closure=draw(maybe),
        maximize=draw(maybe),
    )
