"""What the tasks with known answers share: sequences drawn afresh, from random numbers by purpose."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch

from studies.tasks.task import BATCHES, CURVATURE, HELD_OUT, MONITOR, Batch, Shape, stream

VALIDATION, TEST = 0, 1


class SyntheticTask(ABC):
    """Batches of a source that never runs dry; held-out sets are one draw of it, the same for every seed."""

    carried = False
    floor: float | None
    chance: float | None

    def __init__(self, batch_size: int, held_out: int, monitor_batches: int) -> None:
        self.batch_size, self.held_out, self.monitor_batches = batch_size, held_out, monitor_batches
        self.validation, self.test = (
            self.draw(held_out, stream(part, purpose=HELD_OUT)) for part in (VALIDATION, TEST)
        )

    @property
    @abstractmethod
    def shape(self) -> Shape:
        """What a model of this task maps to what."""

    @property
    @abstractmethod
    def question(self) -> str:
        """What is predicted from what, in words for a report."""

    @property
    def sizes(self) -> dict[str, Any]:
        """The numbers that the task was made with."""
        return {name: value for name, value in vars(self).items() if isinstance(value, int | float)}

    @abstractmethod
    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """Return ``count`` independent sequences."""

    def batches(self, seed: int) -> Iterator[Batch]:
        """Yield the mini-batches of this seed for ever."""
        return self._draws(self.batch_size, stream(seed, purpose=BATCHES))

    def curvature(self, seed: int) -> Iterator[Batch]:
        """Yield batches twice as large for ever."""
        return self._draws(2 * self.batch_size, stream(seed, purpose=CURVATURE))

    def monitor(self, seed: int) -> Batch:
        """Return the data on which a guard judges this seed's run."""
        return self.draw(self.batch_size * self.monitor_batches, stream(seed, purpose=MONITOR))

    def _draws(self, count: int, generator: torch.Generator) -> Iterator[Batch]:
        while True:
            yield self.draw(count, generator)
