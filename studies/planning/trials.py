"""What a variant's tuning tries: learning rates, and settings of the method beside them, in as many runs for each."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import isfinite
from statistics import fmean
from typing import Any, TypeVar

from studies.errors import InputError
from studies.variants.tuned import Fields, points, told
from studies.variants.variant import GRID_STEP, Variant

C = TypeVar("C")


@dataclass(frozen=True, order=True)
class Choice:
    """A learning rate, and the settings that are not the variant's own."""

    lr: float
    fields: Fields = ()

    def __str__(self) -> str:
        return " ".join([f"{self.lr:g}", *([told(self.fields)] if self.fields else [])])


@dataclass(frozen=True, kw_only=True)
class Trials:
    """What a variant tries before any round: every one of ``points``, of the ``fields``, at every rate, ascending."""

    rates: tuple[float, ...]
    points: tuple[Fields, ...] = ((),)
    fields: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for lr in self.rates:
            if not (lr > 0 and isfinite(lr)):
                raise InputError(
                    f"lr={lr} takes no step downhill: give learning rates that are positive and finite with --lr."
                )

    @property
    def choices(self) -> list[Choice]:
        """All of them."""
        return [Choice(lr, fields) for lr in self.rates for fields in self.points]

    @classmethod
    def of(cls, variant: Variant, rates: Sequence[float], tune: Collection[str], draws: int) -> "Trials":
        """Return rates x draws trials: points of those fields that the variant has, or without any more rates."""
        given = cls(rates=tuple(rates))
        fields = [field for field in variant.tunes if field.name in tune]
        if fields and draws > 1:
            names = tuple(field.name for field in fields)
            return cls(rates=given.rates, points=points(fields, draws), fields=names)
        return cls(rates=finer(given.rates, draws))


def finer(rates: Sequence[float], draws: int) -> tuple[float, ...]:
    """Return ``draws`` times as many rates over the same span, those given among them; more draws keep all of them.

    Around each rate, half a step of the grid to both sides, at an even distance of 1 / draws where draws is a power
    of two.

    >>> finer((0.1, 0.316), 2)
    (0.1, 0.1778, 0.316, 0.5619)
    """
    found, wanted = dict.fromkeys(rates), draws * len(rates)
    for offset in islice(_offsets(), 16 * draws):
        if len(found) >= wanted:
            return tuple(sorted(list(found)[:wanted]))
        found |= dict.fromkeys(float(f"{lr * 10.0 ** (GRID_STEP * offset):.4g}") for lr in rates)
    raise InputError(f"lr={rates[0]} leaves no room for {draws} rates around it: give larger --lr, or fewer --draws.")


def _offsets() -> Iterator[float]:
    """Yield 1/2, 1/4, -1/4, 1/8, -3/8, 3/8, -1/8, ...: van der Corput's sequence, around 0."""
    number = 0
    while True:
        number += 1
        value, half, rest = 0.0, 0.5, number
        while rest:
            value, half, rest = value + half * (rest % 2), half / 2, rest // 2
        yield value if value <= 0.5 else value - 1.0


def best_rate(losses: Iterable[tuple[C, float | None]]) -> C | None:
    """Return the rate, or the choice, with the fewest diverged runs, then the least mean validation loss.

    ``losses`` holds (choice, loss) of the finished tuning runs, with ``None`` for a run that diverged. ``None``
    comes back when every run diverged. Equal means go to the smaller rate, then to the variant's own settings.
    """
    by_choice: dict[C, list[float | None]] = {}
    for choice, loss in losses:
        by_choice.setdefault(choice, []).append(loss)
    scores: list[tuple[int, float, Any]] = []
    for choice, found in by_choice.items():
        kept = [loss for loss in found if loss is not None]
        if kept:
            scores.append((len(found) - len(kept), fmean(kept), choice))
    return min(scores)[2] if scores else None


def fields_of(stored: Mapping[str, float]) -> Fields:
    """Return what a cell or a configuration holds of fields."""
    return tuple((name, float(value)) for name, value in stored.items())
