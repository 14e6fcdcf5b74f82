"""Next-symbol prediction on a sequence of numbers: windows of it, batches, held-out sets."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from studies.errors import InputError
from studies.tasks.encoding import Encoded, Symbols
from studies.tasks.task import BATCHES, CURVATURE, MONITOR, Batch, Shape, stream
from studies.tasks.text import PARTS, Encoder, Text

CARRIED_HELD_OUT = 10
"""With carried states a held-out sequence is so many windows long, so that it, too, has a past."""


@dataclass(frozen=True, kw_only=True)
class Windows:
    """How a text becomes sequences. Back-propagation is truncated at the window.

    Its state starts at zero; with ``carried`` it starts where the window before ended: each of the
    ``batch_size`` rows then reads on through the training part, from a random place and in a ring.
    """

    batch_size: int = 50
    length: int = 30
    held_out: int = 400
    monitor_batches: int = 4
    carried: bool = False

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name != "carried" and value < 1:
                reason = "gives no sequence to learn from"
                raise InputError(f"{name}={value} {reason}: it must be 1 or more.")

    @property
    def held_out_length(self) -> int:
        """Symbols of a held-out sequence."""
        return self.length * (CARRIED_HELD_OUT if self.carried else 1)


class SequenceTask:
    """Predict the next symbol of a training, a validation and a test part."""

    floor: float | None = None
    chance: float | None
    unit: str
    """What a symbol is, in the singular."""

    def __init__(self, encoder: Encoder, encoded: Encoded, windows: Windows) -> None:
        self.encoder, self.encoded = encoder, encoded
        self.windows, self.carried, self.symbols = windows, windows.carried, encoded.symbols
        self.train, validation, test = encoded.parts
        self.validation, self.test = self._held_out(validation), self._held_out(test)
        self.chance = entropy_of(torch.tensor(encoded.counts))

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
            f"next {self.unit} among {self.symbols}; batches of {windows.batch_size} windows of "
            f"{windows.length} {self.unit}s, whose state starts {start}; "
            f"{len(self.validation[0])} fixed validation windows of {self.validation[0].shape[1]}"
        )

    def starts(self, seed: int, purpose: int) -> "Starts":
        """Return where the windows of a seed's batches (BATCHES, or CURVATURE: twice as many) or MONITOR set begin."""
        sizes = {BATCHES: 1, CURVATURE: 2, MONITOR: self.windows.monitor_batches}
        size, generator = self.windows.batch_size * sizes[purpose], stream(seed, purpose=purpose)
        if self.carried and purpose == BATCHES:
            return CarriedStarts(len(self.train), size, self.windows.length, generator)
        return Starts(len(self.train) - self.windows.length, size, generator)

    def batches(self, seed: int) -> Iterator[Batch]:
        """Yield training windows for ever: (B, T) each, the same sequence for the same seed."""
        return self._windows(self.starts(seed, BATCHES))

    def curvature(self, seed: int) -> Iterator[Batch]:
        """Yield random windows for ever: as many as in two mini-batches, drawn on their own."""
        return self._windows(self.starts(seed, CURVATURE))

    def monitor(self, seed: int) -> Batch:
        """Return the fixed training windows on which a guard judges this seed's run."""
        return next(self._windows(self.starts(seed, MONITOR)))

    def _windows(self, starts: "Starts") -> Iterator[Batch]:
        while True:
            yield _cut(self.train, starts.take(1)[0], self.windows.length)

    def _held_out(self, part: Symbols) -> Batch:
        # Evenly spaced, not drawn: the same for every seed, so that losses compare across runs.
        length = min(self.windows.held_out_length, len(part) - 1)
        last = len(part) - length - 1
        count = min(-(-self.windows.held_out * self.windows.length // length), last + 1)
        starts = torch.linspace(0, last, count, dtype=torch.float64).round().to(torch.int64)
        return _cut(part, starts, length)


class Starts:
    """Where windows begin: ``size`` places below ``last`` for every batch, drawn independently."""

    def __init__(self, last: int, size: int, generator: torch.Generator) -> None:
        self._last, self._size, self._generator = last, size, generator

    def take(self, count: int) -> Tensor:
        """Return the places (count, size) of the next batches: the same, however they are taken."""
        places = torch.randint(self._last, (count * self._size,), generator=self._generator)
        return places.view(count, self._size)


class CarriedStarts(Starts):
    """Where windows of ``length`` begin that go on where the last ones ended, in a ring of ``last`` places."""

    def __init__(self, last: int, size: int, length: int, generator: torch.Generator) -> None:
        super().__init__(last, size, generator)
        self._length, self._next = length, super().take(1)[0]

    def take(self, count: int) -> Tensor:
        """Return the places (count, size) of the next batches."""
        places = (self._next + self._length * torch.arange(count).unsqueeze(1)) % self._last
        self._next = (places[-1] + self._length) % self._last
        return places


def refuse_short(
    text: Text,
    unit: str,
    windows: Windows,
    lengths: Sequence[int],
    shares: tuple[float, float],
) -> None:
    """Refuse a text whose training part is below one batch or a held-out part below one window.

    ``lengths`` count the parts' characters or words, ``shares`` are the training part's and the
    smaller held-out part's share of the whole.
    """
    batch, window = windows.batch_size * (windows.length + 1), windows.length + 1
    of_batch = f"one batch of {windows.batch_size} windows of {windows.length}"
    needs = ((batch, of_batch), (window, "a window"), (window, "a window"))
    for number, (length, (least, what)) in enumerate(zip(lengths, needs, strict=True)):
        if length >= least:
            continue
        part = f"{PARTS[number]} part"
        if text.files is not None:
            raise InputError(
                f"{text.name}: the {part} ({text.files[number]}) has {length} {unit}s, {what} "
                f"needs {least}: give a file of {least} {unit}s or more."
            )
        whole = max(int(batch / max(shares[0], 1e-9)), int(window / shares[1])) + window
        reason = f"has too short a {part}, {length} {unit}s where {what} needs {least}"
        if number == 0:
            reason = f"has only {sum(lengths)} {unit}s, less than {of_batch}"
        raise InputError(f"{text.name} {reason}: give a text of {whole} {unit}s or more.")


def _cut(part: Symbols, starts: Tensor, length: int) -> Batch:
    places = ((starts[:, None] + torch.arange(length + 1)) % len(part)).numpy()
    windows = torch.from_numpy(part[places].astype(np.int64))
    return windows[:, :-1].contiguous(), windows[:, 1:].contiguous()


def entropy_of(counts: Tensor) -> float:
    """Return -sum p ln p of the shares p of ``counts``: the loss of the best context-free guess."""
    share = counts[counts > 0].double() / counts.sum()
    return float(-(share * share.log()).sum())
