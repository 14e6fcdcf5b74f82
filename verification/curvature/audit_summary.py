"""Many windows as a few numbers, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from verification.curvature.window_row import WindowRow

Array = NDArray[Any]
LEVEL = 0.95
_RUNS = 3
"""With so many runs, runs are what is independent; with fewer, windows are, less what neighbours share."""
_LONG = 6
_STRETCHES = ("early", "middle", "late")


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval over ``count`` windows; ``geometric`` of scales that are > 0 in all of them.

    The interval is Student's: between the means of the runs where there are three or more, else between windows, as
    n (1 - r) / (1 + r) many for neighbours' correlation r.
    """

    value: float
    low: float
    high: float
    count: int
    geometric: bool = False


@dataclass(frozen=True)
class Stretch:
    """A part of training: first and last step, c = y'Bs / y'y, s'Bs / s'y, the angle between y and B s in degrees."""

    name: str
    first: int
    last: int
    scale: Estimate
    along: Estimate
    angle: Estimate


@dataclass(frozen=True)
class Summary:
    """All windows together, and thirds of training if there are enough of them.

    ``admitted``: pairs that entered the memory; ``downhill``: windows where -H g goes down the curvature loss;
    ``beyond``: those whose last step went too far; ``asymmetry`` and ``definiteness``: the worst seen.
    """

    name: str
    matrix: str
    runs: int
    windows: int
    admitted: int
    downhill: int
    beyond: int
    asymmetry: float
    definiteness: float
    whole: Stretch
    thirds: tuple[Stretch, ...]

    @property
    def sentence(self) -> str:
        """How many times too small y is, where, and how far it points astray."""
        whole = self.whole
        over = ", ".join(f"{_times(third.along.value)} {third.name}" for third in self.thirds)
        return (
            f"{self.name}: along s y is {_times(whole.along.value)} against {self.matrix} ({_interval(whole.along)}"
            f"{'; ' + over if over else ''}), and {_interval(whole.scale)} times y fits B s best, at an angle of "
            f"{whole.angle.value:.0f} degrees."
        )


def summarise(rows: Sequence[WindowRow], name: str, matrix: str) -> Summary:
    """Over all runs."""
    steps = sorted({row.step for row in rows})
    parts = np.array_split(np.array(steps), 3) if len(steps) >= 9 else []
    thirds = [
        _stretch(name, [row for row in rows if part[0] <= row.step <= part[-1]])
        for name, part in zip(_STRETCHES, parts, strict=False)
    ]
    return Summary(
        name=name,
        matrix=matrix,
        runs=len({row.run for row in rows}),
        windows=len(rows),
        admitted=sum(row.admitted for row in rows),
        downhill=sum(row.descent > 0 for row in rows),
        beyond=sum(row.after_step < 0 for row in rows),
        asymmetry=max(row.asymmetry for row in rows),
        definiteness=min(row.definiteness for row in rows),
        whole=_stretch("all", rows),
        thirds=tuple(thirds),
    )


def _stretch(name: str, rows: Sequence[WindowRow]) -> Stretch:
    return Stretch(
        name=name,
        first=min(row.step for row in rows),
        last=max(row.step for row in rows),
        scale=_scale(rows, lambda row: row.scale),
        along=_scale(rows, lambda row: row.along),
        angle=_estimate([(row.run, row.angle) for row in rows]),
    )


def _scale(rows: Sequence[WindowRow], of: Callable[[WindowRow], float]) -> Estimate:
    """On logarithms where there are; left as it is where some are negative, as B s may point away from y."""
    values = [(row.run, of(row)) for row in rows]
    if any(value <= 0 for _, value in values):
        return _estimate(values)
    found = _estimate([(run, math.log(value)) for run, value in values])
    value, low, high = (math.exp(min(x, 700.0)) for x in (found.value, found.low, found.high))
    return Estimate(value, low, high, found.count, geometric=True)


def _estimate(values: Sequence[tuple[int, float]]) -> Estimate:
    """(run, value) in order of time; values that are no numbers do not count."""
    by_run: dict[int, list[float]] = {}
    for run, value in values:
        if math.isfinite(value):
            by_run.setdefault(run, []).append(value)
    count = sum(map(len, by_run.values()))
    if count == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    means = np.array([np.mean(run) for run in by_run.values()])
    if len(means) >= _RUNS:
        centre, error, freedom = float(means.mean()), float(stats.sem(means)), len(means) - 1.0
    else:
        centre, error, freedom = _over_windows([np.array(run) for run in by_run.values()], count)
    reach = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * error if freedom > 0 else math.inf
    return Estimate(centre, centre - reach, centre + reach, count)


def _over_windows(runs: Sequence[Array], count: int) -> tuple[float, float, float]:
    """Mean, its standard error and degrees of freedom, from windows of which neighbours are alike.

    The correlation of neighbours is estimated too low by (1 + 3r) / n (Kendall, Biometrika 41 (1954)).
    """
    every = np.concatenate(runs)
    rest = [run - run.mean() for run in runs]
    power = sum(float(run @ run) for run in rest)
    alike = sum(float(run[1:] @ run[:-1]) for run in rest) / power if power > 0 else 0.0
    length = count / len(runs)
    alike = (alike + 1 / length) / (1 - 3 / length) if length > _LONG else alike
    alike = min(max(alike, 0.0), 0.95)
    effective = max(count * (1 - alike) / (1 + alike), min(count, 2.0))
    spread = float(every.std(ddof=1)) if count > 1 else 0.0
    return float(every.mean()), spread / math.sqrt(effective), effective - 1.0


def _times(scale: float) -> str:
    """31 times too small; 2.1 times too large; right."""
    if not scale > 0:
        return f"of the wrong sign ({scale:.3g} times)"
    if abs(math.log(scale)) < 0.005:
        return "right"
    return f"{scale:.3g} times too small" if scale > 1 else f"{1 / scale:.3g} times too large"


def _interval(found: Estimate) -> str:
    return f"{found.value:.3g} [{found.low:.3g}, {found.high:.3g}]"
