"""Training that somebody watches: the optimizer, and curvature batches of the watcher's own, before the first step."""

from collections.abc import Callable, Sequence
from itertools import islice

import torch
from torch import Tensor
from torch.optim import Optimizer

from studies.models import Architecture, BatchedModel
from studies.tasks import Task
from studies.training.loop import train_all
from studies.training.outcome import Outcome
from studies.training.schedule import Schedule
from studies.training.trainer import Trainer
from studies.variants.variant import Variant

Curvature = Callable[[], tuple[Tensor, Tensor]]
_APART = 1_000_003
"""Between a run's seed and that of the watcher's batches."""


class FreshBatches:
    """Losses (R,) and outputs of new batches at each call: ``sequences`` of them, of training data, for each run.

    Their random numbers are their own: the runs' batches stay what they are.
    """

    def __init__(self, model: BatchedModel, task: Task, seeds: Sequence[int], sequences: int) -> None:
        self._model = model
        self._streams = [task.curvature(_APART + seed) for seed in seeds]
        self._count = -(-sequences // (2 * task.batch_size))  # a curvature batch has twice as many as a mini-batch
        self._sequences = sequences

    def __call__(self) -> tuple[Tensor, Tensor]:
        """Draw and evaluate, differentiable twice; the model has no dropout then."""
        drawn = [[torch.cat(parts) for parts in zip(*islice(run, self._count), strict=True)] for run in self._streams]
        device = self._model.weights[0].device
        inputs, targets = (torch.stack(parts)[:, : self._sequences].to(device) for parts in zip(*drawn, strict=True))
        losses, outputs, _ = self._model.losses((inputs, targets), twice=True)
        return losses, outputs


def train_watched(
    variant: Variant,
    runs: Sequence[tuple[float, int]],
    watch: Callable[[Optimizer, Curvature], object],
    *,
    task: Task,
    architecture: Architecture,
    schedule: Schedule,
    sequences: int,
    device: str = "cpu",
) -> list[Outcome]:
    """Train runs (learning rate, seed) side by side, as `train_many` does, after ``watch(optimizer, curvature)``.

    No step is captured, so that the watcher sees all of them.
    """
    place = torch.device(device)
    trainer = Trainer(variant, runs, task=task, architecture=architecture, schedule=schedule, device=place)
    seeds = [seed for _, seed in runs]
    watch(trainer.optimizer, FreshBatches(trainer.model, task, seeds, sequences))
    return train_all(trainer, len(runs), schedule, place, lambda: False)
