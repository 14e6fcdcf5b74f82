"""The runs' batches: drawn many steps ahead on the host, brought to the device at once, made there step by step."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cache
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from studies.tasks import Batch, Task
from studies.tasks.encoding import Symbols
from studies.tasks.sequences import SequenceTask
from studies.tasks.task import BATCHES, CURVATURE
from studies.training.overlap import chained_

AHEAD = {BATCHES: 100, CURVATURE: 10}
"""Batches of a purpose that are drawn at a time."""


class Source(ABC):
    """What batches of R runs are made of: numbers drawn on the host, and how they become a batch on the device."""

    @abstractmethod
    def draw(self, steps: int) -> tuple[Tensor, ...]:
        """Return the numbers of the next ``steps`` batches, (steps, R, B, ...) each."""

    @abstractmethod
    def make(self, drawn: tuple[Tensor, ...]) -> Batch:
        """Return the batch (R, B, T, ...) of one step's numbers (R, B, ...)."""


class Windows(Source):
    """Windows of a task's training part: what is drawn is where they begin.

    The part is read where it is, which may be a mapped file, or where there is a ``device`` from a copy on it.
    """

    def __init__(self, task: SequenceTask, seeds: Sequence[int], purpose: int, device: torch.device | None) -> None:
        self._starts = [task.starts(seed, purpose) for seed in seeds]
        self._sequence = task.train if device is None else copy_on(task, device)
        self._offsets = offsets(task.windows.length, device or torch.device("cpu"))

    def draw(self, steps: int) -> tuple[Tensor, ...]:
        """Return where they begin."""
        return (torch.stack([starts.take(steps) for starts in self._starts], dim=1),)

    def make(self, drawn: tuple[Tensor, ...]) -> Batch:
        """Gather them."""
        places = (drawn[0].unsqueeze(-1) + self._offsets) % len(self._sequence)
        if isinstance(self._sequence, Tensor):
            windows = self._sequence[places].long()
        else:
            windows = torch.from_numpy(self._sequence[places.numpy()].astype(np.int64))
        return windows[..., :-1].contiguous(), windows[..., 1:].contiguous()


class Drawn(Source):
    """Batches of a task that draws them whole."""

    def __init__(self, batches: Sequence[Iterator[Batch]]) -> None:
        self._batches = batches

    def draw(self, steps: int) -> tuple[Tensor, ...]:
        """Return the batches."""
        rows = [[torch.stack(parts) for parts in zip(*(next(run) for run in self._batches), strict=True)]
                for _ in range(steps)]  # fmt: skip
        return tuple(torch.stack(parts) for parts in zip(*rows, strict=True))

    def make(self, drawn: tuple[Tensor, ...]) -> Batch:
        """Return them."""
        inputs, targets = drawn
        return inputs, targets


def source_of(task: Task, seeds: Sequence[int], purpose: int, device: torch.device | None) -> Source:
    """Return where the batches of a purpose come from, BATCHES or CURVATURE; with a ``device`` they are made on it."""
    if isinstance(task, SequenceTask):
        return Windows(task, seeds, purpose, device)
    return Drawn([task.batches(seed) if purpose == BATCHES else task.curvature(seed) for seed in seeds])


class Feed:
    """Batches of R runs, one after the other: `prepare` on the host before a step, `make` in it, on the device.

    `make` reads its place from a tensor on the device, so that a captured step goes on by itself; it may be left out
    unless ``every_step``, and is called once a step at most. ``overlaps``: each batch begins with the end of the one
    before (`studies.training.overlap`). Nothing is drawn before `begin`, or the first `make`.
    """

    def __init__(
        self, source: Source, device: torch.device, ahead: int, *, every_step: bool, overlaps: bool = False
    ) -> None:
        self._source, self._ahead, self._every_step, self._overlaps = source, ahead, every_step, overlaps
        self._block: tuple[Tensor, ...] = ()
        self._place = torch.zeros(1, dtype=torch.int64, device=device)
        self._last: tuple[Tensor, ...] | None = None
        self._prepared = 0

    def begin(self) -> None:
        """Draw the first batches."""
        self._block = tuple(part.to(self._place.device) for part in self._draw(self._ahead))

    def restart(self, source: Source) -> None:
        """Begin again with the batches of another source, in the same tensors."""
        self._source, self._last, self._prepared = source, None, 0
        if self._block:
            self._refill(self._ahead)

    def prepare(self) -> None:
        """Draw the next batches if the step at hand might find none."""
        if not self._block:
            return
        if self._prepared == self._ahead:
            # Where the host cannot know how many were made, it reads so.
            self._refill(self._ahead if self._every_step else int(self._place))
            self._prepared = 0
        self._prepared += 1

    def make(self) -> Batch:
        """Return the next batch."""
        if not self._block:
            self.begin()
            self._prepared = 1
        drawn = tuple(part.index_select(0, self._place).squeeze(0) for part in self._block)
        self._place.add_(1)
        return self._source.make(drawn)

    def _draw(self, count: int) -> tuple[Tensor, ...]:
        drawn = self._source.draw(count)
        if self._overlaps:
            self._last = chained_(drawn, self._last)
        return drawn

    def _refill(self, count: int) -> None:
        """Keep the batches after the first ``count``, and draw so many."""
        if count:
            for part, new in zip(self._block, self._draw(count), strict=True):
                part[: self._ahead - count].copy_(part[count:].clone())
                part[self._ahead - count :].copy_(new)
        self._place.zero_()


@cache
def offsets(length: int, device: torch.device) -> Tensor:
    """Return 0, ..., length: one tensor for all who ask, since a captured step goes on reading it."""
    return torch.arange(length + 1, device=device)


def copy_on(task: SequenceTask, device: torch.device) -> Tensor:
    """Return a copy of the training part on the device, the same for all who ask."""
    copies = _COPIES.setdefault(task, {})
    if device not in copies:
        copies[device] = as_tensor(task.train).to(device)
    return copies[device]


_COPIES: WeakKeyDictionary[SequenceTask, dict[torch.device, Tensor]] = WeakKeyDictionary()


def as_tensor(sequence: Symbols) -> Tensor:
    """Return a copy in the smallest type that torch can gather: a byte, or 32 bits."""
    kind = np.uint8 if sequence.dtype == np.uint8 else np.int32
    return torch.from_numpy(np.array(sequence, dtype=kind))
