"""The gate: what it says of given ratios, and that it sees a direction which takes half its time again."""

from __future__ import annotations

import pytest

from tests.benchmarks.checks import direction
from tests.benchmarks.gate import LEAST_MARGIN, Limit, verdicts
from tests.benchmarks.load import slowed_direction
from tests.benchmarks.timing import Median, Race

NAME = "direction"


def test_red_only_if_the_whole_interval_is_above_the_limit():
    limits = {NAME: Limit(0.5, 1.2)}
    assert verdicts({NAME: Median(0.62, 0.59, 0.65)}, limits) == []
    assert "limit 0.6" in verdicts({NAME: Median(0.62, 0.61, 0.65)}, limits)[0]
    assert "no committed limit" in verdicts({NAME: Median(0.1, 0.1, 0.1)}, {})[0]


def test_a_margin_follows_from_the_spread_and_may_not_hide_a_slowdown_by_half():
    assert Limit.of([1.0, 1.01, 0.99]) == Limit(1.0, LEAST_MARGIN)
    assert Limit.of([1.0, 1.1, 0.9]).margin == pytest.approx(1.2)
    with pytest.raises(ValueError, match="would hide a slowdown"):
        Limit.of([1.0, 1.2, 0.9])


@pytest.mark.parametrize("n", [3, 5, 6, 9, 31, 100])
def test_the_interval_of_a_median_covers_it(n):
    """Of medians of fair coins' ranks: its two order statistics leave out at most 2.5 % on either side."""
    found = Median.of([float(k) for k in range(n)])
    assert found.low <= found.value <= found.high
    if n == 9:  # P(at most 1 of 9 heads) = 10 / 512 < 2.5 %, at most 2: 46 / 512
        assert (found.low, found.high) == (1.0, 7.0)
    if n < 6:
        assert (found.low, found.high) == (0.0, n - 1.0)


def test_a_race_is_interleaved_and_its_ratios_are_of_the_same_rounds():
    order = []
    race = Race(lambda: order.append("own"), {"a": lambda: order.append("a"), "b": lambda: order.append("b")})
    race.calibrate()
    race.repeats = dict.fromkeys(race.repeats, 1)
    order.clear()
    for _ in range(20):
        race.time_others()
        race.time_own()
    rounds = [tuple(order[k : k + 6]) for k in range(0, len(order), 6)]
    assert set(rounds) == {("a", "a", "b", "b", "own", "own"), ("b", "b", "a", "a", "own", "own")}
    race.seconds = {"own": [1.0, 10.0, 100.0], "a": [2.0, 20.0, 200.0], "b": [1.0, 1.0, 1.0]}
    assert race.ratio("a").value == 2.0


def test_the_planted_slowdown_is_seen(request):
    """Only with benchmarks enabled, since it is a timing; ``gate --plant`` is the same with the committed limits."""
    if not request.config.getoption("benchmark_enable"):
        pytest.skip("a timing; run with --benchmark-enable")
    n, rounds = 10**5, 31
    limits = {NAME: Limit.of([direction(n, rounds).value for _ in range(3)])}
    assert verdicts({NAME: direction(n, rounds)}, limits) == []
    with slowed_direction():
        assert verdicts({NAME: direction(n, rounds)}, limits) != []
