"""Dot products and combinations on small integers, where every result is exact."""

import pytest
import torch

from adaqn_lab import linalg
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


@pytest.mark.parametrize(
    ("device", "runs", "n", "rows", "expected"),
    [
        ("meta", 1, 300, torch.float32, True),
        ("meta", 1, 200, torch.float32, True),
        ("meta", 1, 199, torch.float32, False),
        ("meta", 2, 300, torch.float32, False),
        ("meta", 1, 300, torch.bfloat16, False),
        ("cpu", 1, 300, torch.float32, False),
        ("cpu", 2, 300, torch.float32, False),
    ],
)
def test_one_run_s_whole_tiles_are_one_product_on_a_gpu(monkeypatch, device, runs, n, rows, expected):
    asked = []
    right = linalg.strided_rows_dot

    def strided(*arguments):
        asked.append(arguments)
        return right(*arguments)

    monkeypatch.setattr(linalg, "strided_rows_dot", strided)
    for m in (1, 3):
        a, v = torch.ones(runs, m, n, dtype=rows, device=device), torch.ones(runs, n, device=device)
        product = rows_dot(a, v, 200)
        assert product.shape == (runs, m)
        assert product.dtype == torch.float64
        assert product.device.type == device
    assert len(asked) == (2 if expected else 0)
    assert all(size == 200 for _, _, size in asked)


def test_rows_and_vectors_are_of_one_length():
    a, v = torch.ones(1, 2, 3000), torch.ones(1, 1500)
    for refused in (lambda: rows_dot(a, v, 1000), lambda: add_combination_(v, torch.ones(1, 2), a.bfloat16())):
        with pytest.raises((ValueError, RuntimeError)):
            refused()


def test_rows_in_bfloat16_are_widened_some_at_a_time(monkeypatch):
    """At most ``WIDENED`` elements of them, but a thousand columns."""
    widened = []
    right = linalg._add_

    def add(v, c, rows):
        widened.append(rows.shape)
        return right(v, c, rows)

    monkeypatch.setattr(linalg, "_add_", add)
    monkeypatch.setattr(linalg, "WIDENED", 12_000)
    for runs, m, columns in ((1, 2, 6000), (2, 3, 2000), (3, 2, 2000), (1, 100, 1024), (1, 1, 12_000)):
        widened.clear()
        a, v, c = torch.ones(runs, m, 13_000).bfloat16(), torch.zeros(runs, 13_000), torch.ones(runs, m).double()
        assert torch.equal(add_combination_(v, c, a), torch.full_like(v, m))
        assert widened[0] == (runs, m, columns)
        assert sum(shape[2] for shape in widened) == 13_000


def test_a_combination_is_made_where_the_rows_are():
    assert combine(torch.ones(1, 2, device="meta"), torch.ones(1, 2, 3, device="meta")).device.type == "meta"


def test_what_is_not_kept_is_zero_and_what_is_keeps_every_bit():
    v = torch.tensor([[1.5, -0.0], [torch.nan, 1.0], [torch.inf, -torch.inf], [2.0, 3.0]])
    kept = linalg.keep_(v, torch.tensor([True, False, False, False]))
    assert kept is v
    assert kept.tolist() == [[1.5, 0.0]] + [[0.0, 0.0]] * 3
    assert torch.signbit(kept[0, 1])


@pytest.mark.parametrize("n", [3, linalg.CHUNK + 3])
def test_assigned_runs_are_the_others_vector_and_the_rest_keeps_every_bit(n):
    v, u = torch.arange(2.0 * n).view(2, n), -torch.ones(2, n)
    v[1, 0] = torch.nan
    before = v.clone()
    assert linalg.assign_(v, u, torch.tensor([True, False])) is v
    assert torch.equal(v[0], u[0])
    assert torch.equal(v[1].view(torch.int32), before[1].view(torch.int32))
    with pytest.raises(ValueError, match="zip"):
        linalg.assign_(torch.ones(2, linalg.CHUNK + 1), torch.ones(2, linalg.CHUNK), torch.tensor([True, True]))
