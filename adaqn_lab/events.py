"""What happened, window by window: recorded on the device, read when asked for."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


class EventKind(enum.IntEnum):
    """What a window (or a step) came to."""

    STEP_SKIPPED = 0
    """The gradient or the direction was not finite: the parameters stayed."""
    REFERENCE = 1
    """The average became the reference; no pair was made."""
    ADMITTED = 2
    """A pair entered the memory; the average became the reference."""
    SKIPPED = 3
    """The pair failed its curvature test."""
    ROLLED_BACK = 4
    """The guard refused the window, or its average was not finite: back to the reference, memory reset."""


@dataclass(frozen=True)
class Event:
    """One decision about one run. Scalars are NaN where they do not apply.

    ``step`` counts from 1 and is the last step of the window; ``loss`` and ``reference`` are the guard's losses
    at the average and at the reference; s'y, s's, y'y belong to the pair that was tried.
    """

    step: int
    run: int
    kind: EventKind
    s_y: float = math.nan
    s_s: float = math.nan
    y_y: float = math.nan
    loss: float = math.nan
    reference: float = math.nan
    reason: str = ""


STRETCH = 256
"""Windows of a checkpoint in one tensor."""

COLUMNS = ("kind", "s_y", "s_s", "y_y", "loss", "reference")


@dataclass
class Log:
    """Windows as device tensors: the host reads them in :meth:`events` only.

    ``windows``: (last step, values (R, 6) float64, marks (R, L, 2) bool) each; the columns are ``COLUMNS``, the marks
    of a step say whether its gradient and its direction were finite. A window which a raising callable left
    undecided keeps NaN values: it has marks, but no event of its own.
    """

    windows: list[tuple[int, Tensor, Tensor]] = field(default_factory=list)

    def open_window(self, last: int, marks: Tensor) -> None:
        """Keep the marks of the window whose last step is ``last``; :meth:`close_window` says what it came to."""
        undecided = torch.full((marks.shape[0], len(COLUMNS)), math.nan, dtype=torch.float64, device=marks.device)
        self.windows.append((last, undecided, marks))

    def close_window(self, values: Tensor) -> None:
        """Fill in the window opened last."""
        last, _, marks = self.windows[-1]
        self.windows[-1] = (last, values, marks)

    def events(self, open_window: tuple[int, Tensor] | None) -> tuple[Event, ...]:
        """All events in order; ``open_window``: (steps taken, marks) of the window under way."""
        found: list[Event] = []
        for last, values, marks in self.windows:
            found += _skipped_steps(last - marks.shape[1], marks)
            for run, row in enumerate(values.tolist()):
                if not math.isnan(row[0]):
                    found.append(_window_event(last, run, row))
        if open_window is not None:
            steps, marks = open_window
            found += _skipped_steps(steps - marks.shape[1], marks)
        return tuple(found)

    def packed(self) -> dict[str, dict[str, Tensor]]:
        """The log for a checkpoint: stretches of ``STRETCH`` windows by their number, each as three tensors."""
        stretches = {}
        for start in range(0, len(self.windows), STRETCH):
            last, values, marks = zip(*self.windows[start : start + STRETCH], strict=True)
            stretches[str(start // STRETCH)] = {
                "last": torch.tensor(last, device="cpu"),
                "values": torch.stack(values),
                "marks": torch.stack(marks),
            }
        return stretches

    @classmethod
    def unpacked(cls, packed: Mapping[str, Mapping[str, Tensor]], device: torch.device) -> Log:
        """Undo :meth:`packed`; copies."""
        windows: list[tuple[int, Tensor, Tensor]] = []
        for number in sorted(packed, key=int):
            last, values, marks = (packed[number][name] for name in ("last", "values", "marks"))
            copies = (values.to(device, copy=True), marks.to(device, copy=True))
            windows += zip(last.tolist(), *copies, strict=True)
        return cls(windows)


def _skipped_steps(before: int, marks: Tensor) -> list[Event]:
    return [
        Event(before + 1 + step, run, EventKind.STEP_SKIPPED, reason=f"the {what} was not finite")
        for run, row in enumerate(marks.tolist())
        for step, (finite, sound) in enumerate(row)
        if not (finite and sound)
        for what in ("direction" if finite else "gradient",)
    ]


def _window_event(last: int, run: int, row: list[float]) -> Event:
    kind = EventKind(int(row[0]))
    reason = ""
    if kind is EventKind.SKIPPED:
        reason = "the curvature test failed"
    elif kind is EventKind.ROLLED_BACK:
        rose = math.isfinite(row[4]) and math.isfinite(row[5])
        reason = "the monitor loss rose" if rose else "the average or its monitor loss was not finite"
    s_y, s_s, y_y, loss, reference = row[1:]
    return Event(last, run, kind, s_y, s_s, y_y, loss, reference, reason)
