"""Character-level language modelling: windows of a text, batches of them, fixed held-out sets."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from studies.refusal import Refusal
from studies.tasks.text import Text

TRAIN_SHARE, VALIDATION_SHARE = 0.90, 0.05
UNKNOWN = 0

Batch = tuple[Tensor, Tensor]
"""Inputs and targets, both (B, T) indices; the targets are the inputs one character later."""


@dataclass(frozen=True, kw_only=True)
class Windows:
    """How a text becomes sequences. Back-propagation is truncated at the window: its state starts at zero."""

    batch_size: int = 50
    length: int = 30
    held_out: int = 400
    monitor_batches: int = 4

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise Refusal(f"{name}={value} gives no sequence to learn from: it must be 1 or more.")


class CharacterTask:
    """Predict the next character. The text is split by position: 90 % train, 5 % validation, 5 % test.

    The vocabulary is the training part's, sorted, after one symbol for all others: what only the held-out
    parts contain must not shape the model, yet its loss has to count (it is charged as the unknown symbol).
    Raises `Refusal` when the training part is shorter than one batch or a held-out part than one window.
    """

    def __init__(self, text: Text, windows: Windows | None = None) -> None:
        self.windows = windows or Windows()
        codes = np.frombuffer(text.content.encode("utf-32-le"), dtype=np.uint32)
        train_end = int(len(codes) * TRAIN_SHARE)
        validation_end = int(len(codes) * (TRAIN_SHARE + VALIDATION_SHARE))
        self._refuse_short(text, train_end, validation_end - train_end)
        known = np.unique(codes[:train_end])
        self.vocabulary = "".join(map(chr, known.tolist()))
        self.symbols = len(known) + 1
        place = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        indices = torch.from_numpy(np.where(known[place] == codes, place + 1, UNKNOWN).astype(np.int64))
        self.train = indices[:train_end]
        self.validation = self._held_out(indices[train_end:validation_end])
        self.test = self._held_out(indices[validation_end:])

    def batches(self, seed: int) -> Iterator[Batch]:
        """Yield random training windows for ever: (B, T) each, the same sequence for the same seed."""
        generator = _stream(seed, purpose=1)
        while True:
            yield self._random_windows(self.windows.batch_size, generator)

    def curvature(self, seed: int) -> Iterator[Batch]:
        """Yield curvature batches for ever: as large as two mini-batches, from a stream of their own."""
        generator = _stream(seed, purpose=3)
        while True:
            yield self._random_windows(2 * self.windows.batch_size, generator)

    def monitor(self, seed: int) -> Batch:
        """Return the fixed training windows, four batches' worth, on which a guard judges this seed's run."""
        count = self.windows.batch_size * self.windows.monitor_batches
        return self._random_windows(count, _stream(seed, purpose=2))

    def _random_windows(self, count: int, generator: torch.Generator) -> Batch:
        last = len(self.train) - self.windows.length
        return _cut(self.train, torch.randint(last, (count,), generator=generator), self.windows.length)

    def _held_out(self, part: Tensor) -> Batch:
        # Evenly spaced, not drawn: the same sequences for every seed, so that losses compare across runs.
        last = len(part) - self.windows.length - 1
        count = min(self.windows.held_out, last + 1)
        starts = torch.linspace(0, last, count, dtype=torch.float64).round().to(torch.int64)
        return _cut(part, starts, self.windows.length)

    def _refuse_short(self, text: Text, train: int, held_out: int) -> None:
        batch, window = self.windows.batch_size * (self.windows.length + 1), self.windows.length + 1
        if train < batch or held_out < window:
            needed = max(int(batch / TRAIN_SHARE), int(window / VALIDATION_SHARE)) + window
            raise Refusal(f"{text.name} has only {len(text.content)} characters, less than one batch of "
                          f"{self.windows.batch_size} windows of {self.windows.length}: "
                          f"give a text of {needed} characters or more.")  # fmt: skip


def _stream(seed: int, *, purpose: int) -> torch.Generator:
    # Batches and monitor set of one seed must not share random numbers, nor those of neighbouring seeds.
    state = int(np.random.SeedSequence([seed, purpose]).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(state >> 1)


def _cut(part: Tensor, starts: Tensor, length: int) -> Batch:
    windows = part[starts[:, None] + torch.arange(length + 1)]
    return windows[:, :-1].contiguous(), windows[:, 1:].contiguous()
