"""What training has at hand at the present step, for R runs: batches, and the losses that a recipe may ask for."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from studies.errors import InputError
from studies.models import BatchedModel, LinearMap, State, linear_maps
from studies.tasks import Batch, Task
from studies.tasks.task import DROPOUT, SAMPLES, stream
from studies.training.overlap import overlapping, shared

_PLACES = 3000
"""Predictions of a run that are made at once where no gradient is asked for: more only wants more memory."""


class TrainingData:
    """The runs' data, each drawn by its own seed, and `callables` for `QuasiNewton` and baselines.

    These see the model without dropout, and their gradients are not clipped. Monitor and curvature batches start at
    zero state, also where training carries it. ``overlaps`` makes mini-batches that share sequences with the next;
    `InputError` where states are carried, since a sequence that comes twice has no one past.
    """

    def __init__(self, model: BatchedModel, task: Task, seeds: Sequence[int], *, overlaps: bool = False) -> None:
        if overlaps and task.carried:
            raise InputError(
                "Mini-batches that share sequences cannot carry states from one to the next: choose a task "
                "that does not carry them, or a method that needs no overlap."
            )
        self._model, self._carried, self._device = model, task.carried, model.weights[0].device
        drawn = [task.batches(seed) for seed in seeds]
        self._batches = [overlapping(batches) for batches in drawn] if overlaps else drawn
        self._curvature = [task.curvature(seed) for seed in seeds]
        self._monitor = self._stacked([task.monitor(seed) for seed in seeds])
        wanted = model.architecture.dropout > 0
        self._dropout = [stream(seed, purpose=DROPOUT) for seed in seeds] if wanted else []
        self._samples = [stream(seed, purpose=SAMPLES) for seed in seeds]
        self._batch: Batch | None = None
        self._drawn: Batch | None = None
        self._start: list[State] | None = None
        self._end: list[State] | None = None

    @property
    def callables(self) -> dict[str, Callable[[], Any]]:
        """The callables by the argument of `QuasiNewton` that takes them."""
        return {
            "monitor": self.monitor,
            "batch": self.loss,
            "overlap": self.overlap,
            "curvature": self.curvature,
            "factors": self.factors,
        }

    def advance(self) -> None:
        """Draw the next mini-batch of every run."""
        self._batch, self._drawn = self._stacked([next(batches) for batches in self._batches]), None
        self._start = self._end if self._carried else None

    def step_losses(self) -> Tensor:
        """Return the losses (R,) of the mini-batches, with dropout where the model has it."""
        assert self._batch is not None  # asked for within a step only
        losses, _, self._end = self._model.losses(self._batch, self._start, dropout=self._dropout)
        return losses

    def loss(self) -> Tensor:
        """Return the same without dropout."""
        assert self._batch is not None
        return self._model.losses(self._batch, self._start)[0]

    def overlap(self) -> Tensor:
        """Return the losses (R,) of what each mini-batch shares with the next."""
        assert self._batch is not None
        inputs, targets = (part.transpose(0, 1) for part in self._batch)
        inputs, targets = (part.transpose(0, 1) for part in shared((inputs, targets)))
        return self._model.losses((inputs, targets))[0]

    def curvature(self) -> tuple[Tensor, Tensor]:
        """Return losses (R,) and outputs of the curvature batches, drawn when a step first asks for them."""
        if self._drawn is None:
            self._drawn = self._stacked([next(batches) for batches in self._curvature])
        losses, outputs, _ = self._model.losses(self._drawn, twice=True)
        return losses, outputs

    def factors(self) -> list[tuple[LinearMap, Tensor]]:
        """Return the model's linear maps on the mini-batch and the gradients (R, N, O) in what comes out of each.

        The targets are drawn from the model's own predictions, each run's from random numbers of its own.
        """
        assert self._batch is not None
        with torch.enable_grad():
            outputs, maps = linear_maps(self._model, self._batch[0])
            loss = self._model.shape.objective.sampled(outputs, self._batch[1], self._samples)
            slopes = torch.autograd.grad(loss.sum(), [each.outputs for each in maps])
        return [(each, slope.flatten(1, 2)) for each, slope in zip(maps, slopes, strict=True)]

    def monitor(self) -> Tensor:
        """Return the losses (R,) of the monitor sets; no gradient."""
        return _mean_losses(self._model, self._monitor)

    def _stacked(self, batches: list[Batch]) -> Batch:
        inputs, targets = zip(*batches, strict=True)
        return torch.stack(inputs).to(self._device), torch.stack(targets).to(self._device)


def evaluate(model: BatchedModel, batch: Batch) -> list[float]:
    """Return the loss of each run on the same batch (N, T, ...)."""
    device = model.weights[0].device
    inputs, targets = (part.to(device).expand(model.runs, *part.shape) for part in batch)
    losses: list[float] = _mean_losses(model, (inputs, targets)).tolist()
    return losses


@torch.no_grad()
def _mean_losses(model: BatchedModel, batch: Batch) -> Tensor:
    inputs, targets = batch
    count, length = inputs.shape[1:3]
    piece = max(1, _PLACES // length)
    total = torch.zeros(model.runs, dtype=torch.float64, device=inputs.device)
    for begin in range(0, count, piece):
        part = inputs[:, begin : begin + piece], targets[:, begin : begin + piece]
        total += model.losses(part)[0].double() * part[0].shape[1]  # all sequences charge as many places
    return total / count
