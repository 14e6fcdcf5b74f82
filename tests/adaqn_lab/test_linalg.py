"""Dot products and combinations on small integers, where every result is exact."""

import pytest
import torch

from adaqn_lab.linalg import TILE, add_combination_, all_finite, combine, dot, rows_dot, strided_rows_dot, tile

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


@pytest.mark.parametrize("n", [8, 9, 16, 23])
@pytest.mark.parametrize("m", [1, 3])
def test_the_form_for_a_gpu_is_the_same_product(m, n):
    g = torch.Generator().manual_seed(n)
    rows, v = integers(g, 1, m, n), integers(g, 1, n)
    got = strided_rows_dot(rows, v, 8)
    assert got.dtype == torch.float64
    assert torch.equal(got, (rows.long() * v.long()).sum(2).double())
    # 2^24 in one tile and 1 in the next: added in float32 the one vanishes.
    rows, v = torch.zeros(1, m, 16), torch.ones(1, 16)
    rows[..., 0], rows[..., 8] = 2.0**24, 1.0
    assert (strided_rows_dot(rows, v, 8) == 2.0**24 + 1).all()


@pytest.mark.parametrize(
    ("runs", "m", "n", "device", "expected"),
    [
        (1, 1, 1 << 16, "cpu", 1024),
        (1, 2, 1 << 16, "cpu", 1024),
        (1, 2, (1 << 16) + 1, "cpu", TILE),
        (2, 1, 9, "cpu", 512),
        (2, 3, 9, "cpu", 512),
        (1, 1, 9, "meta", TILE),
        (1, 2, 9, "meta", TILE),
        (2, 1, 9, "meta", 16 * TILE),
    ],
)
def test_tiles_are_as_long_as_sums_keep_their_digits(runs, m, n, device, expected):
    assert tile(torch.empty(runs, m, n, device=device)) == expected
