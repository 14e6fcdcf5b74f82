"""Dot products and combinations on small integers, where every result is exact."""

import pytest
import torch

from adaqn_lab.linalg import TILE, add_combination_, all_finite, combine, dot, rows_dot

SIZES = [1, 5, TILE - 1, TILE, TILE + 1, 2 * TILE, 3 * TILE + 7]


def integers(g, *shape, dtype=torch.float32):
    return torch.randint(-3, 4, shape, generator=g).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("runs", [1, 2, 3])
@pytest.mark.parametrize("n", SIZES)
def test_dot_products_are_those_of_integers(n, runs, dtype):
    g = torch.Generator().manual_seed(n)
    rows, v = integers(g, runs, 2, n, dtype=dtype), integers(g, runs, n, dtype=dtype)
    expected = (rows.long() * v.long().unsqueeze(1)).sum(2).double()
    got = rows_dot(rows, v)
    assert got.dtype == torch.float64
    assert torch.equal(got, expected)
    assert torch.equal(dot(rows[:, 1], v), expected[:, 1])


@pytest.mark.parametrize("runs", [1, 2])
def test_partial_sums_are_added_in_float64(runs):
    """2^24 in one tile and 1 in every other and in the rest: in float32 the ones vanish."""
    rows = torch.zeros(runs, 1, 4 * TILE + 3)
    rows[..., 0] = 2.0**24
    rows[..., TILE::TILE] = 1.0
    assert (rows_dot(rows, torch.ones(runs, 4 * TILE + 3)) == 2.0**24 + 4).all()


def test_combinations_are_those_of_integers_in_the_rows_dtype():
    g = torch.Generator().manual_seed(0)
    rows, c, v = integers(g, 2, 3, 6), integers(g, 2, 3, dtype=torch.float64), integers(g, 2, 6)
    expected = (c.long().unsqueeze(2) * rows.long()).sum(1).float()
    assert torch.equal(combine(c, rows), expected)
    sum_, kept = v + expected, v
    assert add_combination_(v, c, rows) is kept
    assert torch.equal(v, sum_)


def test_finite_means_that_the_square_is_too():
    v = torch.ones(5, 3)
    v[1, 2], v[2, 0], v[3, 1] = torch.nan, -torch.inf, 1e20
    assert all_finite(v).tolist() == [True, False, False, False, True]
    assert all_finite(v.double()).tolist() == [True, False, False, True, True]
