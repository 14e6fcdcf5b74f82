"""Settings of a method that a study may tune beside its learning rate, and the points at which it tries them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import inf, log10
from typing import Any, Literal

from studies.errors import InputError, one_of, require_at_least

Scale = Literal["linear", "log", "one minus"]
Fields = tuple[tuple[str, float], ...]
"""(name, value) of the settings that a run has away from its variant's own."""
NAMES = ("momentum", "decay", "eps", "beta1", "beta2", "trust", "damping", "memory")
"""The fields that ``--tune`` knows. Each has its own coordinate of the sequence: a new one goes to the end."""
MOST_DRAWS = 256
EDGE = 0.1
"""The share of a range, on its scale, that counts as its edge."""
_SEED = 786
"""Of the first 3000 the one whose first 1, 2, 3, 5 and 7 points are spread most evenly, by their discrepancy."""


@dataclass(frozen=True)
class Range:
    """The values from ``low`` to ``high``, spread evenly in the value, its logarithm, or the logarithm of 1 - value."""

    low: float
    high: float
    scale: Scale

    def at(self, way: float) -> float:
        """Return the value at a share of the way from low to high, three digits of it or of 1 - value.

        >>> Range(0.9, 0.999, "one minus").at(0.5)
        0.99
        """
        if self.scale == "linear":
            return _digits(self.low + way * (self.high - self.low))
        if self.scale == "log":
            return _digits(self.low * (self.high / self.low) ** way)
        return float(f"{1.0 - _digits((1.0 - self.low) * ((1.0 - self.high) / (1.0 - self.low)) ** way):.9g}")

    def at_edge(self, value: float) -> bool:
        """Whether a value lies in the first or last tenth of the range."""
        if not self.low < value < self.high:
            return True
        low, high, here = map(self._even, (self.low, self.high, value))
        return not EDGE < (here - low) / (high - low) < 1.0 - EDGE

    def _even(self, value: float) -> float:
        if self.scale == "linear":
            return value
        return log10(value) if self.scale == "log" else -log10(1.0 - value)


@dataclass(frozen=True, kw_only=True)
class TunedField:
    """A setting that is tried in a range; ``put(method, value)`` is the method with that value.

    At a share ``kept`` of the draws the field stays out and the method keeps what it has.
    """

    name: str
    range: Range
    put: Callable[[Any, float], Any]
    kept: float = 0.0

    def at(self, share: float) -> float | None:
        """Return the value that a draw in [0, 1) stands for; ``None`` where the field stays out."""
        return None if share < self.kept else self.range.at((share - self.kept) / (1.0 - self.kept))


def is_range(stored: object) -> bool:
    """Whether a stored value is low, high and scale of a `Range`."""
    if not isinstance(stored, list) or [type(each) for each in stored] != [float, float, str]:
        return False
    low, high, scale = stored
    spread = {"linear": True, "log": low > 0.0, "one minus": high < 1.0}
    return bool(spread.get(scale) and low < high < inf)


def _digits(value: float) -> float:
    return float(f"{value:.3g}")


def check_tuning(names: Collection[str], draws: int) -> None:
    """Raise `InputError` for an unknown field, for draws that are none or too many, and for fields without draws."""
    for name in names:
        one_of("field to tune", name, NAMES)
    require_at_least(1, draws=draws)
    if draws > MOST_DRAWS:
        raise InputError(f"--draws {draws} is more than a grid of rates can be refined: give {MOST_DRAWS} or less.")
    if names and draws == 1:
        raise InputError(
            f"--tune {' '.join(names)} has nothing to draw with --draws 1, which keeps every method's own values: "
            "give --draws 2 or more, or leave --tune out."
        )


def points(tunes: Sequence[TunedField], draws: int) -> tuple[Fields, ...]:
    """Return ``draws`` different points: none of the fields set, then those of a sequence that always begins alike.

    A scrambled Halton sequence with a fixed seed, a coordinate for each name: it depends on no variant.
    """
    found: dict[Fields, None] = {(): None}
    for shares in _sequence():
        drawn = ((field.name, field.at(shares[NAMES.index(field.name)])) for field in tunes)
        found[tuple((name, value) for name, value in drawn if value is not None)] = None
        if len(found) >= draws:
            break
    return tuple(found)[:draws]


@cache
def _sequence() -> tuple[tuple[float, ...], ...]:
    from scipy.stats.qmc import Halton  # slow to load, and few need it

    drawn = Halton(d=len(NAMES), scramble=True, rng=_SEED).random(8 * MOST_DRAWS)
    return tuple(map(tuple, drawn.tolist()))


def told(fields: Fields | Mapping[str, float]) -> str:
    """Return ``"momentum=0.8 decay=0.99"``."""
    return " ".join(f"{name}={value!r}" for name, value in dict(fields).items())
