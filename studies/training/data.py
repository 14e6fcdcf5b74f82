"""What training has at hand at the present step, for R runs: batches, and the losses that a recipe may ask for."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from studies.errors import InputError
from studies.models import BatchedModel, LinearMap, State, linear_maps
from studies.tasks import Batch, Task
from studies.tasks.task import BATCHES, CURVATURE, DROPOUT, SAMPLES, stream
from studies.training.feed import AHEAD, Feed, source_of
from studies.training.overlap import shared

_PLACES = 3000
"""Predictions of a run that are made at once where no gradient is asked for: more only wants more memory."""


class TrainingData:
    """The runs' data, each drawn by its own seed, and `callables` for `QuasiNewton` and baselines.

    These see the model without dropout, and their gradients are not clipped. Monitor and curvature batches start at
    zero state, also where training carries it. ``overlaps`` makes mini-batches that share sequences with the next;
    `InputError` where states are carried, since a sequence that comes twice has no one past. At most ``steps`` batches
    are wanted. With ``static`` everything is drawn before the first step, and stays in its tensors: what a captured
    step needs.
    """

    def __init__(
        self,
        model: BatchedModel,
        task: Task,
        seeds: Sequence[int],
        *,
        overlaps: bool = False,
        steps: int = AHEAD[BATCHES],
        static: bool = False,
    ) -> None:
        if overlaps and task.carried:
            raise InputError(
                "Mini-batches that share sequences cannot carry states from one to the next: choose a task "
                "that does not carry them, or a method that needs no overlap."
            )
        self._model, self._task, self._device = model, task, model.weights[0].device
        self._made_on = self._device if static or self._device.type != "cpu" else None
        self._feeds = {
            purpose: Feed(
                source_of(task, seeds, purpose, self._made_on), self._device, min(AHEAD[purpose], steps),
                every_step=purpose == BATCHES, overlaps=overlaps and purpose == BATCHES,
            )
            for purpose in (BATCHES, CURVATURE)
        }  # fmt: skip
        if static:
            for feed in self._feeds.values():
                feed.begin()
        self._monitor = self._stacked([task.monitor(seed) for seed in seeds])
        # Where training carries states, the next mini-batch starts in these.
        self._carry = _copies(model.zero_state(task.batch_size)) if task.carried else []
        self._dropout, self._samples = self._streams(seeds)
        self._batch: Batch | None = None
        self._drawn: Batch | None = None
        self._start: list[State] | None = None

    def restart(self, seeds: Sequence[int]) -> None:
        """Begin again with as many other seeds, in the same tensors."""
        for purpose, feed in self._feeds.items():
            feed.restart(source_of(self._task, seeds, purpose, self._made_on))
        for part, new in zip(self._monitor, self._stacked([self._task.monitor(seed) for seed in seeds]), strict=True):
            part.copy_(new)
        for part in (part for layer in self._carry for part in layer):
            part.zero_()
        self._dropout, self._samples = self._streams(seeds)

    def _streams(self, seeds: Sequence[int]) -> tuple[list[torch.Generator], list[torch.Generator]]:
        wanted = self._model.architecture.dropout > 0
        dropout = [stream(seed, purpose=DROPOUT) for seed in seeds] if wanted else []
        return dropout, [stream(seed, purpose=SAMPLES) for seed in seeds]

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

    def prepare(self) -> None:
        """Do the host's part of the next step: draw what the device may need."""
        for feed in self._feeds.values():
            feed.prepare()
        self._drawn = None

    def advance(self) -> None:
        """Go on to the next mini-batch of every run."""
        self._batch = self._feeds[BATCHES].make()
        self._start = _copies(self._carry) if self._carry else None

    def step_losses(self) -> Tensor:
        """Return the losses (R,) of the mini-batches, with dropout where the model has it."""
        assert self._batch is not None  # asked for within a step only
        losses, _, end = self._model.losses(self._batch, self._start, dropout=self._dropout)
        for kept, last in zip(self._carry, end if self._carry else [], strict=True):
            torch._foreach_copy_(kept, last)
        return losses

    def loss(self) -> Tensor:
        """Return the same without dropout."""
        assert self._batch is not None
        return self._model.losses(self._batch, self._start)[0]

    def overlap(self) -> Tensor:
        """Return the losses (R,) of what each mini-batch shares with the next."""
        assert self._batch is not None
        return self._model.losses(shared(self._batch))[0]

    def curvature(self) -> tuple[Tensor, Tensor]:
        """Return losses (R,) and outputs of the curvature batches, drawn when a step first asks for them."""
        if self._drawn is None:
            self._drawn = self._feeds[CURVATURE].make()
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
        return mean_losses(self._model, self._monitor)

    def _stacked(self, batches: list[Batch]) -> Batch:
        inputs, targets = zip(*batches, strict=True)
        return torch.stack(inputs).to(self._device), torch.stack(targets).to(self._device)


def _copies(states: Sequence[State]) -> list[State]:
    return [tuple(part.clone() for part in layer) for layer in states]


def evaluate(model: BatchedModel, batch: Batch) -> list[float]:
    """Return the loss of each run on the same batch (N, T, ...)."""
    losses: list[float] = mean_losses(model, on_all_runs(model, batch)).tolist()
    return losses


def on_all_runs(model: BatchedModel, batch: Batch) -> Batch:
    """Return the batch (N, T, ...) where the model is, as seen by each of its runs (R, N, T, ...)."""
    device = model.weights[0].device
    inputs, targets = (part.to(device).expand(model.runs, *part.shape) for part in batch)
    return inputs, targets


@torch.no_grad()
def mean_losses(model: BatchedModel, batch: Batch) -> Tensor:
    """Return the loss (R,) of each run on its own batch (R, N, T, ...), piece by piece."""
    inputs, targets = batch
    count, length = inputs.shape[1:3]
    piece = max(1, _PLACES // length)
    total = torch.zeros(model.runs, dtype=torch.float64, device=inputs.device)
    for begin in range(0, count, piece):
        part = inputs[:, begin : begin + piece], targets[:, begin : begin + piece]
        total += model.losses(part)[0].double() * part[0].shape[1]  # all sequences charge as many places
    return total / count
