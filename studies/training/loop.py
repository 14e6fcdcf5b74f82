"""Train one variant: one learning rate and one seed, or many of both side by side as one batched model."""

from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from time import perf_counter

import torch
from torch import Tensor
from torch.optim import Optimizer

from adaqn_lab.space import per_run
from studies.models import Architecture, BatchedModel
from studies.tasks import Task
from studies.training.data import TrainingData, evaluate
from studies.training.ema import Ema
from studies.training.optimizer_stats import optimizer_stats
from studies.training.outcome import Outcome, Point
from studies.training.rates import Rates
from studies.training.schedule import Schedule
from studies.variants.variant import Variant


def prepare_process() -> None:
    """Set this process to one torch thread and to flush denormal numbers to zero.

    Gates saturated by a learning rate far too large leave denormal gradients, with which a step on an x86
    core took 15 times as long as without.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


class Cancelled(Exception):  # noqa: N818 - nothing went wrong
    """The run was told to stop before its end; it has no outcome."""


def train(
    variant: Variant,
    lr: float,
    seed: int,
    *,
    task: Task,
    architecture: Architecture,
    schedule: Schedule,
    cancelled: Callable[[], bool] = lambda: False,
    device: str = "cpu",
) -> Outcome:
    """Train and return the outcome; the seed fixes parameters, batches and monitor set for every variant.

    The same arguments give the same losses bit for bit on the same machine with the same number of threads.
    Raises `Cancelled` between two steps once ``cancelled()`` is true.
    """
    return train_many(
        variant,
        [(lr, seed)],
        task=task,
        architecture=architecture,
        schedule=schedule,
        cancelled=cancelled,
        device=device,
    )[0]


def train_many(
    variant: Variant,
    runs: Sequence[tuple[float, int]],
    *,
    task: Task,
    architecture: Architecture,
    schedule: Schedule,
    cancelled: Callable[[], bool] = lambda: False,
    device: str = "cpu",
) -> list[Outcome]:
    """Train one run for each (learning rate, seed) side by side, as one batched model; return their outcomes in order.

    Each run has the outcome that `train` gives it, to rounding: a run which diverges is taken out of the loss while its
    neighbours go on. ``seconds`` are the batch's, divided evenly among its runs.
    """
    rates, seeds = [lr for lr, _ in runs], [seed for _, seed in runs]
    model = BatchedModel(architecture, [architecture.build(task.shape, seed) for seed in seeds]).to(device)
    present = TrainingData(model, task, seeds, overlaps=variant.overlaps)
    optimizer = variant.build(list(model.parameters()), rates, present.callables)
    scheduled = Rates(optimizer, schedule)
    ema = None if schedule.ema is None else Ema(list(model.parameters()), schedule.ema)
    progress = _Progress(schedule, evaluate(model, task.validation))
    for step in range(1, schedule.steps + 1):
        if cancelled():
            raise Cancelled
        begin = perf_counter()
        present.advance()
        scheduled.set(step)
        _step(model, optimizer, present, progress.alive, schedule.clip)
        if ema is not None:
            ema.update()
        progress.seconds += (perf_counter() - begin) / len(runs)
        if step in schedule.marks:
            progress.record(step, evaluate(model, task.validation))
            if not any(progress.alive):
                break
    return progress.outcomes(evaluate(model, task.test), optimizer, _averaged(model, task, ema))


def _averaged(model: BatchedModel, task: Task, ema: Ema | None) -> tuple[list[float], list[float]] | None:
    """Return validation and test losses of the averaged weights, ``None`` where none are kept."""
    if ema is None:
        return None
    with ema.in_place():
        return evaluate(model, task.validation), evaluate(model, task.test)


class _Progress:
    """The curves of the runs, and which of them are still going."""

    def __init__(self, schedule: Schedule, losses: list[float]) -> None:
        self.schedule, self.seconds = schedule, 0.0
        self.alive = [True] * len(losses)
        self.steps = [0] * len(losses)
        self.ended = [0.0] * len(losses)
        self.curves = [[Point(steps=0, seconds=0.0, loss=loss)] for loss in losses]

    def record(self, step: int, losses: list[float]) -> None:
        """Extend the curves by the validation losses after ``step``; runs whose loss is out of hand end here."""
        for run, loss in enumerate(losses):
            if not self.alive[run]:
                continue
            self.steps[run], self.ended[run] = step, self.seconds
            if not isfinite(loss) or loss > self.schedule.divergence * self.curves[run][0].loss:
                self.alive[run] = False
            else:
                self.curves[run].append(Point(steps=step, seconds=self.seconds, loss=loss))

    def outcomes(
        self, test_losses: list[float], optimizer: Optimizer, averaged: tuple[list[float], list[float]] | None
    ) -> list[Outcome]:
        """Return what became of each run."""
        return [
            Outcome(
                diverged=not alive,
                validation_loss=self.curves[run][-1].loss if alive else None,
                test_loss=test_losses[run] if alive else None,
                steps=self.steps[run],
                seconds=self.ended[run],
                curve=tuple(self.curves[run]),
                ema_validation_loss=averaged[0][run] if alive and averaged else None,
                ema_test_loss=averaged[1][run] if alive and averaged else None,
                **optimizer_stats(optimizer, run, self.steps[run]),
            )
            for run, alive in enumerate(self.alive)
        ]


def _step(model: BatchedModel, optimizer: Optimizer, present: TrainingData, alive: list[bool], clip: float) -> None:
    optimizer.zero_grad()
    losses = present.step_losses()
    if not all(alive):
        losses = losses[[run for run, going in enumerate(alive) if going]]
    losses.sum().backward()  # type: ignore[no-untyped-call]
    clip_each(model.parameters(), clip, alive)
    optimizer.step()


@torch.no_grad()
def clip_each(parameters: Iterable[Tensor], most: float, alive: list[bool]) -> None:
    """Scale the gradients of each run, (R, ...) each, so that its norm is at most ``most``; ended runs get zeros.

    Per run it is torch.nn.utils.clip_grad_norm_.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not all(alive):
        # Not left to the masked loss: its zeros times a diverged run's infinities would be NaN.
        ended = torch.tensor([not going for going in alive], device=gradients[0].device)
        for gradient in gradients:
            gradient.masked_fill_(per_run(ended, gradient), 0.0)
    norms = torch.stack([torch.linalg.vector_norm(gradient.flatten(1), dim=1) for gradient in gradients])
    factors = (most / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp(max=1.0)
    torch._foreach_mul_(gradients, [per_run(factors, gradient) for gradient in gradients])
