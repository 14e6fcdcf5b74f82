"""A method's optimizer and the textbook's loop around the same parts, over the same training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Need, QuasiNewton, Recipe, Sample
from verification.methods import Method
from verification.parts import tensor
from verification.references.parts_loop import SCALARS, Found, Given, Told, trajectory
from verification.strategies import Array
from verification.tolerances import TOLERANCES
from verification.trainings import Training

NUDGE = 2.0**-40
"""Noise of the second textbook run, 8192 times the rounding: far below anything that is no rounding."""


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
        self.parameters = [self._parameter(x.reshape(s)) for x, s in zip(pieces, shapes, strict=True)]
        self.optimizer = self.build()
        self.closures_called, self.returned, self.differentiable = 0, True, True

    def _parameter(self, x: Tensor) -> torch.nn.Parameter:
        """A parameter of these values."""
        return torch.nn.Parameter(x.clone())

    def build(self) -> QuasiNewton:
        """A new optimizer of these parameters."""
        case, groups = self.case, []
        for group in range(case.groups):
            own = [p for index, p in enumerate(self.parameters) if case.group_of(index) == group]
            options = {"weight_decay": case.decay} if group == 0 else {}
            groups.append(
                {"params": own, "lr": self._lr(np.full(case.runs, case.lr * (case.second if group else 1.0)))} | options
            )
        callables = {"monitor": Need.MONITOR_LOSS, "batch": Need.BATCH_GRADIENT, "overlap": Need.OVERLAP_GRADIENT}
        asked = {name: self._callable(need) for name, need in callables.items()}
        asked["curvature"] = self._callable(Need.GAUSS_NEWTON_PRODUCT)
        return self.method.build(groups, lr=case.lr, runs=case.runs, maximize=case.maximize, **asked)

    @property
    def w(self) -> Tensor:
        """The parameters, (R, n), differentiable."""
        return torch.cat([p.reshape(self.case.runs, -1) for p in self.parameters], 1)

    def _callable(self, need: Need) -> Callable[[], tuple[Tensor, Tensor]]:
        return partial(self.evaluate, need)  # a deep copy of it belongs to the copy of this trainer

    def evaluate(self, need: Need) -> tuple[Tensor, Tensor]:
        """Loss (R,) and outputs at the parameters' present values."""
        w, rows = self.w, self.case.rows(need, self.now)
        outputs = self.case.outputs(w, rows)
        return self.case.sign * self.case.loss(w, rows, outputs), outputs

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
            p.grad = self._gradient(p, piece.reshape(p.shape)) if has else None

    def _gradient(self, p: Tensor, x: Tensor) -> Tensor:
        """A gradient of ``p`` of these values."""
        return x.clone()

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
