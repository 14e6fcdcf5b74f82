"""What a run came to."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

LATER = {"ema_validation_loss": None, "ema_test_loss": None, "first_seconds": 0.0, "side_by_side": 1}
"""Fields of an outcome that earlier versions did not have, and what says nothing in them."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """Validation loss in nats per character after ``steps`` steps and ``seconds`` of training."""

    steps: int
    seconds: float
    loss: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run gave. The losses are ``None`` when it diverged; ``seconds`` leaves evaluation out.

    The counts of pairs admitted and skipped, roll-backs and skipped steps are ``None`` for a baseline. ``events``:
    (step, kind) of each window's end; ``calls``: evaluations by kind, beside the gradients of the steps. The losses
    ``ema_...`` are those of the averaged weights, ``None`` where none are kept. ``first_seconds``: the part of
    ``seconds`` before a step runs as all later ones do, with what is compiled and captured only then;
    ``side_by_side``: the runs of the batch that it was trained in.
    """

    diverged: bool
    validation_loss: float | None
    test_loss: float | None
    steps: int
    seconds: float
    curve: tuple[Point, ...]
    admitted: int | None = None
    skipped: int | None = None
    rollbacks: int | None = None
    steps_skipped: int | None = None
    events: tuple[tuple[int, str], ...] = ()
    calls: Mapping[str, int] = field(default_factory=dict)
    ema_validation_loss: float | None = None
    ema_test_loss: float | None = None
    first_seconds: float = 0.0
    side_by_side: int = 1

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as plain values that JSON keeps exactly; the steps of the events by kind.

        What is in `LATER` and says nothing is left out. So is an average that is not finite: a guard may have taken
        the weights back from where the average still is.
        """
        by_kind: dict[str, list[int]] = {}
        for step, kind in self.events:
            by_kind.setdefault(kind, []).append(step)
        told = {**asdict(self), "events": by_kind}
        return {name: value for name, value in told.items() if name not in LATER or _tells(name, value)}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Outcome":
        """Return the outcome that `to_json` described."""
        events = sorted((step, kind) for kind, steps in stored.get("events", {}).items() for step in steps)
        return cls(**{**stored, "curve": tuple(Point(**point) for point in stored["curve"]), "events": tuple(events)})


def _tells(name: str, value: float | None) -> bool:
    return value is not None and value != LATER[name] and isfinite(value)
