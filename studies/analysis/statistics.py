"""Means with 95 % t-intervals over seeds, and comparisons paired by seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from statistics import fmean, stdev

import numpy as np
from scipy import stats

RESAMPLES = 9999
FEWEST_FOR_BOOTSTRAP = 4
"""Fewer differences than this have too few resamples for an interval."""
FEWEST_FOR_A_TEST = 6
"""With fewer pairs the least attainable two-sided p of the signed-rank test is above 0.05."""

LEVEL = 0.05
"""Level of significance, after Holm's correction."""
LEAST_TOLD = 0.001
"""A smaller p is only told to be smaller."""


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


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What separates two variants over the ``count`` seeds that both have: d = ours - theirs, so below 0 is better.

    ``low`` and ``high``: 95 % BCa bootstrap interval of the mean, ``None`` with fewer than 4 pairs. ``p``: two-sided
    Wilcoxon signed-rank test; ``p_holm`` the same adjusted for the study's comparisons. ``rank_biserial``:
    (W+ - W-) / (W+ + W-), from -1 (ours is less on every seed) to 1. ``cohen_d``: mean(d) / sd(d), ``None`` where the
    sd is 0 or unknown. ``better``, ``worse``: seeds with d < 0 and d > 0.
    """

    mean: float
    low: float | None
    high: float | None
    p: float
    p_holm: float
    rank_biserial: float
    cohen_d: float | None
    better: int
    worse: int
    count: int

    @property
    def is_clear(self) -> bool:
        """Whether the difference is significant at 5 % after Holm's correction."""
        return self.count >= FEWEST_FOR_A_TEST and self.p_holm < LEVEL

    @property
    def p_in_words(self) -> str | None:
        """``p`` after Holm's correction to two digits, the same wherever it is told; ``None`` with too few pairs."""
        if self.count < FEWEST_FOR_A_TEST:
            return None
        return f"{self.p_holm:.2g}" if self.p_holm >= LEAST_TOLD else f"< {LEAST_TOLD:g}"

    @property
    def is_same(self) -> bool:
        """Whether the two have the same value on every seed."""
        return self.mean == 0 and self.low in (0, None) and self.high in (0, None) and self.p == 1 and not self.better


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Return mean +- t_{n-1} s / sqrt(n), Student's interval; ``None`` without values."""
    count = len(values)
    if count == 0:
        return None
    if count == 1:
        return Interval(mean=values[0], half_width=None, count=1)
    quantile = float(stats.t.ppf((1 + confidence) / 2, count - 1))
    return Interval(mean=fmean(values), half_width=quantile * stdev(values) / sqrt(count), count=count)


def paired(ours: Mapping[int, float], theirs: Mapping[int, float]) -> list[float]:
    """Return ours - theirs over the seeds that both have, by seed."""
    return [ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())]


def paired_difference(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Interval | None:
    """Return the interval of ours - theirs over the seeds that both have; ``None`` when they share none."""
    return mean_interval(paired(ours, theirs))


def compare(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Comparison | None:
    """Return the comparison over the seeds that both have, not yet adjusted; ``None`` when they share none."""
    differences = paired(ours, theirs)
    if not differences:
        return None
    low, high = bca_interval(differences)
    p = signed_rank_p(differences)
    spread = stdev(differences) if len(differences) > 1 else 0.0
    return Comparison(
        mean=fmean(differences),
        low=low,
        high=high,
        p=p,
        p_holm=p,
        rank_biserial=rank_biserial(differences),
        cohen_d=fmean(differences) / spread if spread > 0 else None,
        better=sum(d < 0 for d in differences),
        worse=sum(d > 0 for d in differences),
        count=len(differences),
    )


def adjusted(comparisons: Mapping[str, Comparison]) -> dict[str, Comparison]:
    """Return the comparisons with Holm's correction for all of them."""
    corrected = holm({name: comparison.p for name, comparison in comparisons.items()})
    return {name: replace(comparison, p_holm=corrected[name]) for name, comparison in comparisons.items()}


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return Holm's step-down adjusted p: the running maximum of (m - i) p_(i), at most 1 (Holm 1979)."""
    found, largest = {}, 0.0
    for place, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[name]))
        found[name] = largest
    return {name: found[name] for name in p_values}


def signed_rank_p(differences: Sequence[float]) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test; 1 when no difference is other than 0.

    Zeros are dropped. The null distribution is exact up to 50 pairs without ties; tied ones are enumerated up to 13
    pairs and drawn at random beyond, with a fixed seed.
    """
    nonzero = np.array([d for d in differences if d != 0.0])
    if len(nonzero) == 0:
        return 1.0
    if len(np.unique(np.abs(nonzero))) == len(nonzero):
        return float(stats.wilcoxon(nonzero).pvalue)
    method = stats.PermutationMethod(n_resamples=RESAMPLES, rng=np.random.default_rng(0))
    return float(stats.wilcoxon(nonzero, method=method).pvalue)


def rank_biserial(differences: Sequence[float]) -> float:
    """Return the matched-pairs rank-biserial correlation (W+ - W-) / (W+ + W-); 0 when all differences are 0."""
    nonzero = np.array([d for d in differences if d != 0.0])
    if len(nonzero) == 0:
        return 0.0
    ranks = stats.rankdata(np.abs(nonzero))
    return float((ranks * np.sign(nonzero)).sum() / ranks.sum())


def bca_interval(
    values: Sequence[float], confidence: float = 0.95, resamples: int = RESAMPLES
) -> tuple[float | None, float | None]:
    """Return the bias-corrected and accelerated bootstrap interval of the mean (Efron 1987), from fixed random numbers.

    The mean itself twice when all values are equal; ``(None, None)`` with fewer than 4 values.
    """
    if len(values) < FEWEST_FOR_BOOTSTRAP:
        return None, None
    if len(set(values)) == 1:
        return values[0], values[0]
    found = stats.bootstrap(
        (np.array(values),),
        np.mean,
        n_resamples=resamples,
        confidence_level=confidence,
        method="BCa",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(found.low), float(found.high)
