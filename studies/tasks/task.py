"""What a task is: batches for each seed, held-out sets, and the shapes and loss that a model needs to know."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from studies.tasks.objectives import CrossEntropy, Objective

Batch = tuple[Tensor, Tensor]
"""Inputs (B, T) indices or (B, T, features) numbers, and the targets that the task's objective reads."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What goes into a model and comes out: ``inputs`` symbols (or features, without ``tokens``), ``outputs``."""

    inputs: int
    outputs: int
    tokens: bool = True
    objective: Objective = field(default_factory=CrossEntropy)


class Task(Protocol):
    """Anything with these can be trained on. The same seed gives the same batches, whatever the variant."""

    @property
    def carried(self) -> bool:
        """Whether each batch goes on where the one before ended, row by row, and so does a model's state."""
        ...

    @property
    def floor(self) -> float | None:
        """The least expected loss that any model can reach; ``None`` where unknown."""
        ...

    @property
    def chance(self) -> float | None:
        """The expected loss of the best model which ignores its inputs; ``None`` where unknown."""
        ...

    @property
    def validation(self) -> Batch:
        """Held-out sequences, all of one length, the same for every seed."""
        ...

    @property
    def test(self) -> Batch:
        """More of them, for reports only."""
        ...

    @property
    def shape(self) -> Shape:
        """What a model of this task maps to what."""
        ...

    @property
    def batch_size(self) -> int:
        """Sequences of a mini-batch."""
        ...

    @property
    def sizes(self) -> dict[str, Any]:
        """Everything that decides the batches beside text and seed, as JSON values; ``monitor_batches`` among it."""
        ...

    @property
    def question(self) -> str:
        """What is predicted from what, in words for a report."""
        ...

    def batches(self, seed: int) -> Iterator[Batch]:
        """Yield the mini-batches of this seed for ever."""
        ...

    def curvature(self, seed: int) -> Iterator[Batch]:
        """Yield curvature batches for ever, twice as large, from random numbers of their own."""
        ...

    def monitor(self, seed: int) -> Batch:
        """Return the fixed training data on which a guard judges this seed's run."""
        ...


def stream(seed: int, *, purpose: int) -> torch.Generator:
    """Return random numbers for one purpose of one seed: batches, monitor and curvature must not share any."""
    state = int(np.random.SeedSequence([seed, purpose]).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(state >> 1)


BATCHES, MONITOR, CURVATURE, HELD_OUT, DROPOUT, SAMPLES = 1, 2, 3, 4, 5, 6
"""The purposes."""
