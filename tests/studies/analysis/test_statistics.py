"""Intervals and tests against scipy, against enumeration and against numbers worked out by hand."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from studies.analysis.statistics import (
    adjusted,
    bca_interval,
    compare,
    holm,
    mean_interval,
    paired_difference,
    rank_biserial,
    signed_rank_p,
)


def test_interval_is_scipys() -> None:
    values = np.random.default_rng(0).normal(size=7).tolist()
    found = mean_interval(values)
    low, high = stats.t.interval(0.95, 6, loc=np.mean(values), scale=stats.sem(values))
    assert found is not None
    assert (found.mean, found.low, found.high) == pytest.approx((np.mean(values), low, high), rel=1e-12)


def test_interval_by_hand() -> None:
    found = mean_interval([1.0, 2.0, 3.0])  # s = 1, t_2(0.975) = 4.302653
    assert found is not None
    assert found.half_width == pytest.approx(4.302653 / 3**0.5, rel=1e-6)


def test_few_values() -> None:
    assert mean_interval([]) is None
    single = mean_interval([2.0])
    assert single is not None
    assert (single.mean, single.low, single.high, single.count) == (2.0, None, None, 1)


def test_pairs_by_seed_and_leaves_out_the_others() -> None:
    found = paired_difference({0: 1.0, 1: 3.0, 7: 9.0}, {1: 1.0, 0: 0.0, 5: 4.0})
    reference = stats.ttest_rel([1.0, 3.0], [0.0, 1.0]).confidence_interval()
    assert found is not None
    assert (found.mean, found.count) == (1.5, 2)
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high))
    assert paired_difference({0: 1.0}, {1: 1.0}) is None


def enumerated_p(differences: list[float]) -> float:
    """The share of all sign patterns whose |W+ - W-| is at least the observed one: the test's definition."""
    ranks = stats.rankdata(np.abs(differences))
    seen = abs((ranks * np.sign(differences)).sum())
    patterns = np.array(list(product((-1, 1), repeat=len(differences))))
    return float((np.abs(patterns @ ranks) >= seen - 1e-9).mean())


@pytest.mark.parametrize("ties", [False, True])
def test_signed_rank_is_the_enumeration(ties: bool) -> None:
    draw = np.random.default_rng(3)
    for _ in range(20):
        found = draw.normal(0.4, 1.0, size=8)
        differences = (np.round(found, 0) if ties else found).tolist()
        kept = [d for d in differences if d != 0]
        assert signed_rank_p(differences) == pytest.approx(enumerated_p(kept), rel=1e-9)


def test_signed_rank_at_its_least_and_without_differences() -> None:
    assert signed_rank_p([1.0, 2.0, 3.0, 4.0, 5.0]) == 0.0625  # 2 / 2^5: five seeds never reach 0.05
    assert signed_rank_p([-float(k) for k in range(1, 11)]) == 2 / 2**10
    assert signed_rank_p([0.0, 0.0]) == 1.0
    assert signed_rank_p([0.0, 1.0]) == 1.0


def test_holm_by_hand() -> None:
    # Ordered .01 .02 .03 .04: times 4, 3, 2, 1 gives .04 .06 .06 .04, made monotone.
    found = holm({"c": 0.03, "a": 0.01, "d": 0.04, "b": 0.02})
    assert list(found) == ["c", "a", "d", "b"]
    assert found == pytest.approx({"a": 0.04, "b": 0.06, "c": 0.06, "d": 0.06})
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


def test_rank_biserial_by_hand() -> None:
    assert rank_biserial([-1.0, -2.0]) == -1.0
    assert rank_biserial([3.0, 1.0, -2.0]) == pytest.approx((3 + 1 - 2) / 6)
    assert rank_biserial([0.0, 2.0]) == 1.0
    assert rank_biserial([0.0]) == 0.0


def test_bca_is_scipys_and_leans_with_the_skew() -> None:
    values = np.random.default_rng(1).exponential(size=12)
    low, high = bca_interval(values.tolist())
    scipys = stats.bootstrap((values,), np.mean, method="BCa", n_resamples=9999, rng=np.random.default_rng(0))
    assert (low, high) == (scipys.confidence_interval.low, scipys.confidence_interval.high)
    assert low is not None
    assert high is not None
    assert high - values.mean() > values.mean() - low  # the long tail is on the right
    assert bca_interval([1.0, 2.0, 3.0]) == (None, None)
    assert bca_interval([0.5] * 6) == (0.5, 0.5)


def test_bca_covers_as_often_as_it_says() -> None:
    draw = np.random.default_rng(7)
    hits = 0
    for _ in range(300):
        low, high = bca_interval(draw.normal(1.0, 1.0, size=15).tolist(), resamples=499)
        assert low is not None
        assert high is not None
        hits += low <= 1.0 <= high
    # Nominal 95 %, a few points less with 15 values; 300 tries have a standard error of 1.5 points.
    assert 0.87 <= hits / 300 <= 0.985


def test_compare_tells_sign_size_and_count() -> None:
    theirs = {seed: 1.0 + 0.1 * seed for seed in range(8)}
    ours = {seed: loss - 0.5 - 0.01 * seed for seed, loss in theirs.items()} | {99: 0.0}
    found = compare(ours, theirs)
    assert found is not None
    assert (found.count, found.better, found.rank_biserial) == (8, 8, -1.0)
    assert found.mean == pytest.approx(-0.535)
    assert found.p == 2 / 2**8
    assert found.cohen_d == pytest.approx(-0.535 / np.std(0.01 * np.arange(8), ddof=1))
    assert found.is_clear
    assert compare(theirs, {0: 1.0, 1: 1.1}).is_clear is False  # type: ignore[union-attr]
    assert compare({0: 1.0}, {1: 1.0}) is None
    same = compare(theirs, theirs)
    assert same is not None
    assert (same.mean, same.low, same.high, same.p, same.cohen_d) == (0.0, 0.0, 0.0, 1.0, None)


def test_many_comparisons_cost_significance() -> None:
    theirs = {seed: float(seed) for seed in range(8)}
    ours = {seed: loss - 1.0 - 0.01 * seed for seed, loss in theirs.items()}
    found = compare(ours, theirs)
    assert found is not None
    assert adjusted({"a": found})["a"].is_clear
    many = adjusted({str(k): found for k in range(7)})
    assert not any(comparison.is_clear for comparison in many.values())  # 7 times .0078 is above .05
