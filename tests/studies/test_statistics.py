"""Intervals against scipy and against numbers worked out by hand."""

import numpy as np
import pytest
from scipy import stats

from studies.statistics import mean_interval, paired_difference


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
