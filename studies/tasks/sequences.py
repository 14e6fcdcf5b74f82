"""Next-symbol prediction on a sequence of indices: windows of it, batches of them, fixed held-out sets."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from studies.errors import InputError
from studies.tasks.task import BATCHES, CURVATURE, MONITOR, Batch, Shape, stream

UNKNOWN = 0
"""The index of every symbol that the training part does not have, or has too rarely."""
CARRIED_HELD_OUT = 10
"""With carried states a held-out sequence is so many windows long, so that it, too, has a past."""


@dataclass(frozen=True, kw_only=True)
class Windows:
    """How a text becomes sequences. Back-propagation is truncated at the window.

    Its state starts at zero; with ``carried`` it starts where the window before ended: each of the ``batch_size``
    rows then reads on through the training part, from a random place and in a ring.
    """

    batch_size: int = 50
    length: int = 30
    held_out: int = 400
    monitor_batches: int = 4
    carried: bool = False

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name != "carried" and value < 1:
                raise InputError(f"{name}={value} gives no sequence to learn from: it must be 1 or more.")

    @property
    def held_out_length(self) -> int:
        """Symbols of a held-out sequence."""
        return self.length * (CARRIED_HELD_OUT if self.carried else 1)


class SequenceTask:
    """Predict the next symbol of three parts, training, validation and test: indices below ``symbols`` each."""

    floor: float | None = None
    chance: float | None
    unit: str
    """What a symbol is, in the singular."""

    def __init__(self, parts: Sequence[Tensor], *, symbols: int, windows: Windows) -> None:
        train, validation, test = parts
        self.windows, self.carried, self.symbols, self.train = windows, windows.carried, symbols, train
        self.validation, self.test = self._held_out(validation), self._held_out(test)
        self.chance = entropy_of(torch.bincount(train, minlength=symbols))

    @property
    def shape(self) -> Shape:
        """As many outputs as symbols."""
        return Shape(inputs=self.symbols, outputs=self.symbols)

    @property
    def batch_size(self) -> int:
        """Sequences of a mini-batch."""
        return self.windows.batch_size

    @property
    def sizes(self) -> dict[str, Any]:
        """The windows and the number of symbols."""
        return {**asdict(self.windows), "symbols": self.symbols}

    @property
    def question(self) -> str:
        """The next symbol among so many, in windows of such a length."""
        windows, start = self.windows, "where the one before ended" if self.carried else "at zero"
        return (
            f"next {self.unit} among {self.symbols}; batches of {windows.batch_size} windows of {windows.length} "
            f"{self.unit}s, whose state starts {start}; {len(self.validation[0])} fixed validation windows of "
            f"{self.validation[0].shape[1]}"
        )

    def batches(self, seed: int) -> Iterator[Batch]:
        """Yield training windows for ever: (B, T) each, the same sequence for the same seed."""
        generator, size, length = stream(seed, purpose=BATCHES), self.windows.batch_size, self.windows.length
        if not self.carried:
            while True:
                yield self._random_windows(size, generator)
        starts = torch.randint(len(self.train), (size,), generator=generator)
        while True:
            yield _cut(self.train, starts, length)
            starts = (starts + length) % len(self.train)

    def curvature(self, seed: int) -> Iterator[Batch]:
        """Yield random windows for ever: as many as in two mini-batches, from a stream of their own."""
        generator = stream(seed, purpose=CURVATURE)
        while True:
            yield self._random_windows(2 * self.windows.batch_size, generator)

    def monitor(self, seed: int) -> Batch:
        """Return the fixed training windows, four batches' worth, on which a guard judges this seed's run."""
        count = self.windows.batch_size * self.windows.monitor_batches
        return self._random_windows(count, stream(seed, purpose=MONITOR))

    def _random_windows(self, count: int, generator: torch.Generator) -> Batch:
        last = len(self.train) - self.windows.length
        return _cut(self.train, torch.randint(last, (count,), generator=generator), self.windows.length)

    def _held_out(self, part: Tensor) -> Batch:
        # Evenly spaced, not drawn: the same sequences for every seed, so that losses compare across runs.
        length = min(self.windows.held_out_length, len(part) - 1)
        last = len(part) - length - 1
        count = min(-(-self.windows.held_out * self.windows.length // length), last + 1)
        starts = torch.linspace(0, last, count, dtype=torch.float64).round().to(torch.int64)
        return _cut(part, starts, length)


def refuse_short(
    name: str, unit: str, windows: Windows, train: int, held_out: int, *, shares: tuple[float, float]
) -> None:
    """Refuse a text whose training part is shorter than one batch or a held-out part than one window.

    ``train`` and ``held_out`` count its characters or words, ``shares`` are the parts' shares of the whole.
    """
    batch, window = windows.batch_size * (windows.length + 1), windows.length + 1
    if train < batch or held_out < window:
        needed = max(int(batch / shares[0]), int(window / shares[1])) + window
        total = round(train / shares[0])
        raise InputError(
            f"{name} has only {total} {unit}, less than one batch of {windows.batch_size} windows of "
            f"{windows.length}: give a text of {needed} {unit} or more."
        )


def _cut(part: Tensor, starts: Tensor, length: int) -> Batch:
    windows = part[(starts[:, None] + torch.arange(length + 1)) % len(part)]
    return windows[:, :-1].contiguous(), windows[:, 1:].contiguous()


def entropy_of(counts: Tensor) -> float:
    """Return -sum p ln p of the shares p of ``counts``: the loss of the best guess that ignores all context."""
    share = counts[counts > 0].double() / counts.sum()
    return float(-(share * share.log()).sum())
