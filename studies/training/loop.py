"""Train one variant: one learning rate and one seed, or many of both side by side as one batched model."""

from collections.abc import Callable, Sequence
from math import isfinite

import torch

from studies.models import Architecture
from studies.tasks import Task
from studies.training.device import Stopwatch, recorder
from studies.training.optimizer_stats import events_by_run, optimizer_stats
from studies.training.outcome import Outcome, Point
from studies.training.schedule import Schedule
from studies.training.trainer import Trainer
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
    last: "LastTrainer | None" = None,
) -> list[Outcome]:
    """Train one run for each (learning rate, seed) side by side, as one batched model; return their outcomes in order.

    Each run has the outcome that `train` gives it, to rounding: a run which diverges is taken out of the loss while its
    neighbours go on. ``seconds`` are the batch's, divided evenly among its runs; evaluation is left out. On a GPU the
    steps are captured (`studies.training.trainer`), and ``last`` keeps what was captured for the next runs.
    """
    place = torch.device(device)
    trainer = (last or LastTrainer()).begin(
        variant, runs, task=task, architecture=architecture, schedule=schedule, device=place
    )
    return train_all(trainer, len(runs), schedule, place, cancelled)


class LastTrainer:
    """The trainer of the last runs: as many runs of the same variant find their steps captured."""

    def __init__(self) -> None:
        self._trainer: Trainer | None = None
        self._settings: object = None

    def forget(self) -> None:
        """Give its memory back."""
        self._trainer = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def begin(
        self,
        variant: Variant,
        runs: Sequence[tuple[float, int]],
        *,
        task: Task,
        architecture: Architecture,
        schedule: Schedule,
        device: torch.device,
    ) -> Trainer:
        """Return a trainer that has begun the runs."""
        settings = variant, len(runs), id(task), architecture, schedule, device
        if self._trainer is not None and settings == self._settings:
            self._trainer.begin(runs)
            return self._trainer
        self.forget()
        record = recorder(device)
        made = Trainer(
            variant, runs, task=task, architecture=architecture, schedule=schedule, device=device, record=record
        )
        if record is not None:
            self._trainer, self._settings = made, settings
        return made


def train_all(
    trainer: Trainer, count: int, schedule: Schedule, device: torch.device, cancelled: Callable[[], bool]
) -> list[Outcome]:
    """Train the ``count`` runs that the trainer has begun to their ends; return their outcomes in order."""
    progress, watch = _Progress(schedule, trainer.validation_losses()), Stopwatch(device)
    for step in range(1, schedule.steps + 1):
        if cancelled():
            raise Cancelled
        watch.start()
        trainer.step()
        if step == trainer.warm_up:
            progress.first_seconds = watch.stop() / count
        if step in schedule.marks:
            progress.seconds = watch.stop() / count
            progress.record(step, trainer.validation_losses())
            trainer.end(progress.alive)
            if not any(progress.alive):
                break
    return progress.outcomes(trainer)


class _Progress:
    """The curves of the runs, and which of them are still going."""

    def __init__(self, schedule: Schedule, losses: list[float]) -> None:
        self.schedule, self.seconds, self.first_seconds = schedule, 0.0, 0.0
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

    @staticmethod
    def _has_ended_well(alive: bool, test_loss: float) -> bool:
        """Whether a run has losses: a mean over seeds of which one is not finite would be no number either."""
        return alive and isfinite(test_loss)

    def outcomes(self, trainer: Trainer) -> list[Outcome]:
        """Return what became of each run."""
        test, events = trainer.test_losses(), events_by_run(trainer.optimizer)
        with trainer.averaged() as are_any:
            averages = list(zip(trainer.validation_losses(), trainer.test_losses(), strict=True)) if are_any else []
        return [
            Outcome(
                diverged=not alive,
                validation_loss=self.curves[run][-1].loss if alive else None,
                test_loss=test[run] if alive else None,
                steps=self.steps[run],
                seconds=self.ended[run],
                curve=tuple(self.curves[run]),
                ema_validation_loss=averages[run][0] if alive and averages else None,
                ema_test_loss=averages[run][1] if alive and averages else None,
                first_seconds=min(self.first_seconds, self.ended[run]),
                side_by_side=len(test),
                **optimizer_stats(trainer.optimizer, events.get(run, ()), self.steps[run]),
            )
            for run, alive in enumerate(map(self._has_ended_well, self.alive, test))
        ]
