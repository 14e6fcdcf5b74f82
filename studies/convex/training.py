"""Training: R models side by side, one learning rate and one seed each, with all that a recipe may ask for."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from adaqn_lab import EventKind, Need, QuasiNewton, Recipe
from studies.convex.methods import Method
from studies.convex.problem import Logistic
from studies.training.costs import LOSS_COST, PRODUCT_COST, PRODUCTS
from studies.training.loop import Cancelled


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Sizes: mini-batch, what a recipe with overlaps adds to it from the next one, curvature batch."""

    batch: int
    overlap: int
    curvature: int

    @classmethod
    def of(cls, batch: int, examples: int) -> "Samples":
        """Half of the next batch as overlap, and four batches, or all examples where they are fewer, for curvature."""
        return cls(batch=batch, overlap=-(-batch // 2), curvature=min(4 * batch, examples))


@dataclass(frozen=True)
class Mark:
    """The end of an epoch: work in passes over the data, seconds of steps, relative gap (f - f*) / f*."""

    epochs: float
    passes: float
    seconds: float
    gap: float


@dataclass(frozen=True)
class Trial:
    """What one model came to: the curve, and the counts of its optimizer (``None`` for a baseline's pairs).

    ``diverged``: the gap is not finite or f ended above f(0).
    """

    lr: float
    seed: int
    diverged: bool
    curve: tuple[Mark, ...]
    gradients: int
    products: int
    losses: int
    admitted: int | None = None
    skipped: int | None = None
    rollbacks: int | None = None

    @property
    def gap(self) -> float | None:
        """The relative gap at the end, ``None`` after divergence."""
        return None if self.diverged else self.curve[-1].gap

    def to_json(self) -> dict[str, Any]:
        """Return plain values; a curve has no number that is not finite."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Trial":
        """Return the trial that `to_json` described."""
        return cls(**{**stored, "curve": tuple(Mark(**mark) for mark in stored["curve"])})


def _streams(seeds: Sequence[int], steps: int, examples: int, samples: Samples) -> tuple[Tensor, Tensor]:
    """Return the rows of every mini-batch (R, steps + 1, B) and curvature batch (R, steps, C), fixed by the seeds."""
    batches, curvature = [], []
    size = (steps + 1) * samples.batch
    for seed in seeds:
        draw = np.random.default_rng([seed, 0])
        rows = np.concatenate([draw.permutation(examples) for _ in range(-(-size // examples))])
        batches.append(rows[:size].reshape(steps + 1, samples.batch))
        draw = np.random.default_rng([seed, 1])
        order = draw.random((steps, examples)).argpartition(samples.curvature - 1, axis=1)
        curvature.append(order[:, : samples.curvature])
    return torch.from_numpy(np.stack(batches)), torch.from_numpy(np.stack(curvature))


class _Models:
    """The parameters of R models at w = 0, and the callables that a recipe may ask for, at the present step."""

    def __init__(self, problem: Logistic, method: Method, seeds: Sequence[int], steps: int, samples: Samples) -> None:
        self.problem, self.samples, self.overlaps = problem, samples, Need.OVERLAP_GRADIENT in method.needs
        self.x = torch.zeros(len(seeds), problem.features.shape[1], dtype=torch.float64, requires_grad=True)
        self.c = torch.zeros(len(seeds), 1, dtype=torch.float64, requires_grad=True)
        self._batches, self._curvature = _streams(seeds, steps, problem.examples, samples)
        self.step = 0

    def _at(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        outputs = self.problem.outputs(self.x, self.c, rows)
        return self.problem.loss(outputs, rows), outputs

    def _shared(self) -> Tensor:
        return self._batches[:, self.step + 1, : self.samples.overlap]

    def batch(self) -> Tensor:
        """Loss of the present mini-batch."""
        rows = self._batches[:, self.step]
        return self._at(torch.cat([rows, self._shared()], dim=1) if self.overlaps else rows)[0]

    def overlap(self) -> Tensor:
        """Loss of what the present mini-batch shares with the next."""
        return self._at(self._shared())[0]

    def curvature(self) -> tuple[Tensor, Tensor]:
        """Loss and outputs of the present step's curvature batch."""
        return self._at(self._curvature[:, self.step])

    def monitor(self) -> Tensor:
        """Loss of all data."""
        return self.problem.value(self.x, self.c)


def _optimizer(method: Method, models: _Models, lrs: Sequence[float]) -> Optimizer:
    parameters = [models.x, models.c]
    if not isinstance(method.method, Recipe):
        return method.method.build(parameters, lrs, {})
    closures = {name: getattr(models, name) for name in {need.argument for need in method.needs}}
    lr = torch.tensor(lrs, dtype=torch.float64) if len(lrs) > 1 else lrs[0]
    return QuasiNewton(parameters, method.method, lr=lr, runs=len(lrs), **closures)


def _work(method: Method, optimizer: Optimizer, steps: int, examples: int, samples: Samples) -> float:
    """Return passes over the data: gradients of examples, products and losses at their cost, over m."""
    own = samples.batch + (samples.overlap if Need.OVERLAP_GRADIENT in method.needs else 0)
    cost = {
        Need.MONITOR_LOSS: LOSS_COST * examples,
        Need.BATCH_GRADIENT: float(own),
        Need.OVERLAP_GRADIENT: float(samples.overlap),
        Need.CURVATURE_GRADIENT: float(samples.curvature),
        **dict.fromkeys(PRODUCTS, PRODUCT_COST * samples.curvature),
    }
    calls = optimizer.oracle_calls_by_need if isinstance(optimizer, QuasiNewton) else {}
    return (steps * own + sum(cost[need] * n for need, n in calls.items())) / examples


def train(
    method: Method,
    cells: Sequence[tuple[float, int]],
    *,
    problem: Logistic,
    floor: float,
    epochs: int,
    samples: Samples,
    decay: bool = False,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[Trial]:
    """Train one model for each (learning rate, seed), side by side, and return what each came to.

    A recipe's runs do not influence each other; baselines take one cell at a time. The seconds of a curve are those
    of all models together. ``decay``: the rates fall linearly, to 0 after the last step. Raises `Cancelled` between two
    steps once ``cancelled()`` is true.
    """
    if not isinstance(method.method, Recipe) and len(cells) > 1:
        setting = {"problem": problem, "floor": floor, "epochs": epochs, "samples": samples, "decay": decay,
                   "cancelled": cancelled}  # fmt: skip
        return [train(method, [cell], **setting)[0] for cell in cells]  # type: ignore[arg-type]
    lrs, seeds = [lr for lr, _ in cells], [seed for _, seed in cells]
    steps = epochs * problem.examples // samples.batch
    models = _Models(problem, method, seeds, steps, samples)
    optimizer = _optimizer(method, models, lrs)
    rate = optimizer.param_groups[0]["lr"]
    start = problem.value(models.x, models.c).detach()
    marks = {max(epoch * problem.examples // samples.batch, 1): epoch for epoch in range(1, epochs + 1)}
    seconds, curve = 0.0, [(0.0, 0.0, 0.0, start)]
    for step in range(steps):
        if cancelled():
            raise Cancelled
        models.step = step
        if decay:
            optimizer.param_groups[0]["lr"] = rate * (1 - step / steps)
        begin = perf_counter()
        optimizer.zero_grad()
        models.batch().sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        seconds += perf_counter() - begin
        if epoch := marks.get(step + 1):
            passes = _work(method, optimizer, step + 1, problem.examples, samples)
            curve.append((float(epoch), passes, seconds, problem.value(models.x, models.c).detach()))
    return [_trial(optimizer, steps, floor, place, cell, curve) for place, cell in enumerate(cells)]


def _trial(
    optimizer: Optimizer,
    steps: int,
    floor: float,
    place: int,
    cell: tuple[float, int],
    curve: Sequence[tuple[float, float, float, Tensor]],
) -> Trial:
    values = [float(losses[place]) for *_, losses in curve]
    calls: dict[Need, int] = {}
    counts: dict[str, int] = {}
    if isinstance(optimizer, QuasiNewton):
        calls = optimizer.oracle_calls_by_need
        kinds = Counter(event.kind for event in optimizer.events if event.run == place)
        counts = {
            "admitted": kinds[EventKind.ADMITTED],
            "skipped": kinds[EventKind.SKIPPED],
            "rollbacks": kinds[EventKind.ROLLED_BACK],
        }
    losses, products = calls.get(Need.MONITOR_LOSS, 0), sum(calls.get(need, 0) for need in PRODUCTS)
    return Trial(
        lr=cell[0],
        seed=cell[1],
        diverged=not isfinite(values[-1]) or values[-1] > values[0],
        curve=tuple(
            Mark(epochs, passes, seconds, value / floor - 1)
            for (epochs, passes, seconds, _), value in zip(curve, values, strict=True)
            if isfinite(value)
        ),
        gradients=steps + sum(calls.values()) - losses - products,
        products=products,
        losses=losses,
        **counts,
    )
