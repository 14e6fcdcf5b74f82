"""Means with 95 % t-intervals over seeds, and paired differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from scipy.stats import t


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean over ``count`` values and the half-width of its interval, ``None`` with fewer than two."""

    mean: float
    half_width: float | None
    count: int

    @property
    def low(self) -> float | None:
        """Lower end."""
        return None if self.half_width is None else self.mean - self.half_width

    @property
    def high(self) -> float | None:
        """Upper end."""
        return None if self.half_width is None else self.mean + self.half_width


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Return mean +- t_{n-1} s / sqrt(n), Student's interval; ``None`` without values."""
    count = len(values)
    if count == 0:
        return None
    if count == 1:
        return Interval(mean=values[0], half_width=None, count=1)
    quantile = float(t.ppf((1 + confidence) / 2, count - 1))
    return Interval(mean=fmean(values), half_width=quantile * stdev(values) / sqrt(count), count=count)


def paired_difference(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Interval | None:
    """Return the interval of ours - theirs over the seeds that both have; ``None`` when they share none."""
    return mean_interval([ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())])
