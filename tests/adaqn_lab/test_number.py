"""The number of a step where steps are replayed: the integer's values, and an honest account of what was asked."""

import math
import operator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adaqn_lab.number import Number

WINDOW = 12
steps = st.integers(1, 10**6)
small = st.integers(-50, 50)
COMPARISONS = [operator.lt, operator.le, operator.eq, operator.ne, operator.ge, operator.gt]
ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]


def number(k):
    return Number(k, WINDOW, torch.tensor(float(k), dtype=torch.float64))


@given(steps, small, small, st.sampled_from([1, 2, 3, 4, 6, 12]))
def test_a_place_in_a_window_is_an_integer(k, a, b, m):
    n = number(k)
    assert (n + a - b) % m == (a + n - b) % m == (k + a - b) % m
    assert isinstance(n % m, int)
    assert (n.notes.settles, n.notes.computed, n.notes.read) == (0, False, False)


@given(steps, st.sampled_from([5, 7, 8, 24]))
def test_another_period_is_computed(k, m):
    n = number(k)
    assert float(n % m) == k % m
    assert n.notes.computed


@given(steps, small, st.sampled_from(COMPARISONS), st.one_of(small, st.integers(0, 10**6), st.floats(-1e6, 1e6)))
def test_a_comparison_is_the_integers_and_settles(k, a, how, c):
    n = number(k)
    assert how(n + a, c) == how(k + a, c)
    last = n.notes.settles
    later = [max(last, 1) + i for i in range(1, 4)]
    assert len({how(j + a, c) for j in later}) == 1
    assert not n.notes.computed
    assert not n.notes.read


@given(st.integers(1, 100), small, st.sampled_from(ARITHMETIC), st.floats(0.5, 3.0))
def test_arithmetic_is_the_devices(k, a, how, x):
    if k + a <= 0:
        return
    for left, right in (((number(k) + a, x), (k + a, x)), ((x, number(k) + a), (x, k + a))):
        found = how(*left)
        assert isinstance(found, torch.Tensor)
        assert float(found) == pytest.approx(how(*right), rel=1e-12)


def test_what_is_computed_follows_the_count():
    count = torch.tensor(3.0, dtype=torch.float64)
    n = Number(3, WINDOW, count)
    for how in (lambda: n * 2, lambda: 2 * n, lambda: 1 / n, lambda: n // 2, lambda: 7 // n, lambda: -n, lambda: 2**n):
        before = float(how())
        count.fill_(5.0)
        assert float(how()) != before
        count.fill_(3.0)


@pytest.mark.parametrize("how", [int, float, str, repr, hash, math.sqrt, range, lambda n: f"{n}"])
def test_the_integer_is_told(how):
    n = number(3)
    assert how(n) == how(3)
    assert n.notes.read


def test_it_is_true():
    assert number(1)
    assert not number(1) - 1
