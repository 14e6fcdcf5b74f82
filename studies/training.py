"""One run: train a model with one variant, one learning rate and one seed."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from studies.happenings import happenings
from studies.models import Architecture, CharacterModel
from studies.refusal import require_at_least
from studies.tasks import Batch, CharacterTask
from studies.variants import Variant


def prepare_process() -> None:
    """Set this process to one torch thread and to flush denormal numbers to zero.

    Gates saturated by a learning rate far too large leave denormal gradients, with which a step on an x86
    core took 15 times as long as without.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


class Cancelled(Exception):  # noqa: N818 - nothing went wrong
    """The run was told to stop before its end; it has no outcome."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How a run goes: ``steps``, ``points`` on its validation curve, gradient norm clipped at ``clip``.

    A run has diverged, and stops, when its validation loss is not finite or above ``divergence`` times
    the untrained model's.
    """

    steps: int
    points: int = 20
    clip: float = 5.0
    divergence: float = 2.0

    def __post_init__(self) -> None:
        require_at_least(1, steps=self.steps, points=self.points)

    @property
    def marks(self) -> frozenset[int]:
        """Steps after which the validation loss is measured; the last step is one of them."""
        return frozenset(-(-self.steps * k // self.points) for k in range(1, self.points + 1))


@dataclass(frozen=True, kw_only=True)
class Point:
    """Validation loss in nats per character after ``steps`` steps and ``seconds`` of training."""

    steps: int
    seconds: float
    loss: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run gave. The losses are ``None`` when it diverged; ``seconds`` leaves evaluation out.

    The counts of pairs admitted and skipped, roll-backs and skipped steps are ``None`` for a baseline. ``events``:
    (step, kind) of each window's end; ``calls``: evaluations by kind, beside the gradients of the steps.
    """

    diverged: bool
    validation_loss: float | None
    test_loss: float | None
    steps: int
    seconds: float
    curve: tuple[Point, ...]
    admitted: int | None = None
    skipped: int | None = None
    rollbacks: int | None = None
    steps_skipped: int | None = None
    events: tuple[tuple[int, str], ...] = ()
    calls: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as plain values that JSON keeps exactly; the steps of the events by kind."""
        by_kind: dict[str, list[int]] = {}
        for step, kind in self.events:
            by_kind.setdefault(kind, []).append(step)
        return {**asdict(self), "events": by_kind}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Outcome":
        """Return the outcome that `to_json` described."""
        events = sorted((step, kind) for kind, steps in stored.get("events", {}).items() for step in steps)
        return cls(**{**stored, "curve": tuple(Point(**point) for point in stored["curve"]), "events": tuple(events)})


class _Present:
    """What a recipe may ask for at the present step, beside the monitor loss: two losses of the model."""

    def __init__(self, model: CharacterModel, task: CharacterTask, seed: int) -> None:
        self._model, self._curvature = model, task.curvature(seed)
        self.batch: Batch | None = None
        self.drawn: Batch | None = None

    def loss(self) -> Tensor:
        """Loss of the mini-batch; its gradient is not clipped."""
        assert self.batch is not None  # asked for within a step only
        return self._model.loss(self.batch)

    def curvature(self) -> tuple[Tensor, Tensor]:
        """Loss and logits of a curvature batch, drawn when a step first asks for it."""
        if self.drawn is None:
            self.drawn = next(self._curvature)
        logits = self._model(self.drawn[0])
        return self._model.loss_of(logits, self.drawn), logits


def train(
    variant: Variant,
    lr: float,
    seed: int,
    *,
    task: CharacterTask,
    architecture: Architecture,
    schedule: Schedule,
    cancelled: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Train and return the outcome; the seed fixes parameters, batches and monitor set for every variant.

    The same arguments give the same losses bit for bit on the same machine with the same number of threads.
    Raises `Cancelled` between two steps once ``cancelled()`` is true.
    """
    model = architecture.build(task.symbols, seed)
    monitor, batches = task.monitor(seed), task.batches(seed)
    present = _Present(model, task, seed)
    callables = {"monitor": lambda: model.loss(monitor), "batch": present.loss, "curvature": present.curvature}
    optimizer = variant.build(list(model.parameters()), lr, callables)
    curve = [Point(steps=0, seconds=0.0, loss=_evaluate(model, task.validation))]
    seconds, marks, diverged = 0.0, schedule.marks, False
    for step in range(1, schedule.steps + 1):
        if cancelled():
            raise Cancelled
        begin = perf_counter()
        present.batch, present.drawn = next(batches), None
        _step(model, optimizer, present.batch, schedule.clip)
        seconds += perf_counter() - begin
        if step in marks:
            loss = _evaluate(model, task.validation)
            if diverged := not isfinite(loss) or loss > schedule.divergence * curve[0].loss:
                break
            curve.append(Point(steps=step, seconds=seconds, loss=loss))
    return Outcome(
        diverged=diverged,
        validation_loss=None if diverged else curve[-1].loss,
        test_loss=None if diverged else _evaluate(model, task.test),
        steps=step,
        seconds=seconds,
        curve=tuple(curve),
        **happenings(optimizer),
    )


def _step(model: CharacterModel, optimizer: Optimizer, batch: Batch, clip: float) -> None:
    optimizer.zero_grad()
    loss = model.loss(batch)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()


@torch.no_grad()
def _evaluate(model: CharacterModel, batch: Batch) -> float:
    return float(model.loss(batch))
