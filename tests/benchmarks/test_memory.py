"""A step's peak of live bytes, its window's end included."""

from __future__ import annotations

import torch

from adaqn_lab.recipes import ADAQN
from tests.benchmarks.memory import allocator_peak, measured
from tests.benchmarks.models import SIZES

SCALARS = 0.7
"""Vectors' worth of the small tensors and of temporaries of 32 768 columns, at n = 1e5."""


def test_the_allocator_sees_what_an_operator_makes_within_itself():
    n = 10_000
    a = torch.randn(n, 3).t()
    assert allocator_peak(lambda: torch.empty(n).add_(torch.empty(2 * n)[:n])) == 12 * n
    assert allocator_peak(lambda: a.contiguous().sum()) >= 12 * n


def test_adaqn_holds_at_most_its_bound():
    """2 m_L + m_F + 6 vectors beside parameters and gradients, everything within a step included."""
    bound = 2 * ADAQN.memory.capacity + ADAQN.pairs.window + 6
    _, peak = measured(ADAQN, SIZES["0.1M"].build())
    assert peak <= bound + SCALARS


def test_the_state_is_most_of_the_peak():
    state, peak = measured(ADAQN, SIZES["0.1M"].build())
    assert state / 4 < peak < state / 4 + 10
