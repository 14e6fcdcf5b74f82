"""Dot products and combinations on small integers, where every result is exact."""

import pytest
import torch

from adaqn_lab import Diagonal, History, Space, linalg, plain
from adaqn_lab.linalg import add_combination_, combine, dot, keep_finite_, rows_dot, write_row_
from adaqn_lab.sizes import CHUNK, TILE

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
    assert combine(c, rows, torch.float64).dtype == torch.float64
    sum_, kept = v + expected, v
    assert add_combination_(v, c, rows) is kept
    assert torch.equal(v, sum_)


def test_rows_and_vectors_are_of_one_length():
    a, v = torch.ones(1, 2, 3000), torch.ones(1, 1500)
    for refused in (lambda: rows_dot(a, v), lambda: add_combination_(v, torch.ones(1, 2), a.bfloat16())):
        with pytest.raises((ValueError, RuntimeError)):
            refused()


def test_a_combination_is_made_where_the_rows_are():
    assert combine(torch.ones(1, 2, device="meta"), torch.ones(1, 2, 3, device="meta")).device.type == "meta"


@pytest.mark.parametrize("where", [None, torch.tensor([True, True, True, False])])
def test_what_is_not_kept_is_zero_and_what_is_keeps_every_bit(where):
    v = torch.tensor([[1.5, -0.0], [torch.nan, 1.0], [torch.inf, -torch.inf], [2.0, 3.0]])
    assert keep_finite_(v, where).tolist() == [True, False, False, True]
    assert v.tolist() == [[1.5, 0.0], [0.0, 0.0], [0.0, 0.0], [2.0, 3.0] if where is None else [0.0, 0.0]]
    assert torch.signbit(v[0, 1])


@pytest.mark.parametrize("n", [3, CHUNK + 3])
def test_assigned_runs_are_the_others_vector_and_the_rest_keeps_every_bit(n):
    v, u = torch.arange(2.0 * n).view(2, n), -torch.ones(2, n)
    v[1, 0] = torch.nan
    before = v.clone()
    assert linalg.assign_(v, u, torch.tensor([True, False])) is v
    assert torch.equal(v[0], u[0])
    assert torch.equal(v[1].view(torch.int32), before[1].view(torch.int32))
    with pytest.raises(ValueError, match="zip"):
        linalg.assign_(torch.ones(2, CHUNK + 1), torch.ones(2, CHUNK), torch.tensor([True, True]))


@pytest.mark.parametrize("rows", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("columns", [slice(None), slice(0, 10, 2)])
def test_a_row_goes_to_the_slot_of_its_run_in_the_rows_dtype(rows, columns):
    """In the layout of the vector too which no kernel serves."""
    made = torch.zeros(2, 3, len(range(10)[columns]), dtype=rows)
    row = torch.arange(20.0).view(2, 10)[:, columns]
    write_row_(made, row, torch.tensor([2, 0]), torch.tensor([True, False]))
    assert torch.equal(made[0, 2], row[0].to(rows))
    assert int(made.count_nonzero()) == int(row[0].count_nonzero())
    write_row_(made, row, torch.tensor([1, 0]))
    assert torch.equal(made[0, 1], row[0].to(rows))
    assert torch.equal(made[1, 0], row[1].to(rows))


def test_what_no_kernel_serves_never_comes_to_one(monkeypatch):
    """Contiguous tensors in known types go to the operators, the others to the plain form at once."""
    asked = []

    class Operators:
        def __getattr__(self, name):
            return lambda *arguments: asked.append(name) or getattr(plain, name)(*arguments)

    monkeypatch.setattr(linalg, "OPS", Operators())
    monkeypatch.setattr("adaqn_lab.history.OPS", Operators())
    head, whole, strided = torch.zeros(2, dtype=torch.long), torch.ones(2, 4), torch.ones(4, 2).T
    history = History.empty(Space(2, 4), 3)
    acts = {
        "rows_dot": lambda v: rows_dot(torch.ones(2, 3, 4), v),
        "add_combination_": lambda v: add_combination_(v, torch.ones(2, 3), torch.ones(2, 3, 4)),
        "keep_finite_": keep_finite_,
        "write_row_": lambda v: write_row_(torch.ones(2, 3, 4), v, head),
        "direction_": lambda v: history.apply_(v, Diagonal()),
    }
    for name, act in acts.items():
        asked.clear()
        act(strided.clone(memory_format=torch.preserve_format))
        assert asked == []
        act(whole.clone())
        assert asked == [name]
