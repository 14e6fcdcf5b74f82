"""The plain forms on small integers, where every result is exact, and what they are worth on long vectors."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from adaqn_lab import plain
from adaqn_lab.plain import all_finite
from adaqn_lab.sizes import BLOCK, CHUNK, SHARED, TILE, WIDENED
from tests.adaqn_lab.test_linalg import integers


def test_finite_means_that_the_square_is_too():
    v = torch.ones(5, 3)
    v[1, 2], v[2, 0], v[3, 1] = torch.nan, -torch.inf, 1e20
    assert all_finite(v).tolist() == [True, False, False, False, True]
    assert all_finite(v.double()).tolist() == [True, False, False, True, True]


LENGTHS = [1, TILE // 4, TILE // 4 + 1, TILE, TILE + 1, 3 * TILE + 7, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5]


@pytest.mark.parametrize(
    ("rows", "dtype"), [(torch.float32,) * 2, (torch.float64,) * 2, (torch.bfloat16, torch.float32)]
)
@pytest.mark.parametrize("runs", [1, 2])
@pytest.mark.parametrize("n", LENGTHS)
def test_products_and_combinations_over_any_number_of_tiles_and_blocks(n, runs, rows, dtype):
    """Small integers: exact, whatever the order of the sums."""
    g = torch.Generator().manual_seed(n)
    for m in (1, 3):
        a, v, c = integers(g, runs, m, n, dtype=rows), integers(g, runs, n, dtype=dtype), integers(g, runs, m)
        products = plain.rows_dot(a, v)
        assert products.dtype == torch.float64
        assert torch.equal(products, (a.long() * v.long().unsqueeze(1)).sum(2).double())
        expected = v + (c.unsqueeze(2) * a.float()).sum(1).to(dtype)
        plain.add_combination_(v, c.double(), a)
        assert torch.equal(v, expected)


@pytest.mark.parametrize("runs", [1, 2])
@pytest.mark.parametrize("n", LENGTHS)
def test_another_device_s_tiles_have_the_same_shape(n, runs):
    for rows in (torch.float32, torch.bfloat16):
        a, v = torch.ones(runs, 3, n, dtype=rows, device="meta"), torch.ones(runs, n, device="meta")
        product = plain.rows_dot(a, v)
        assert (product.shape, product.dtype, product.device.type) == ((runs, 3), torch.float64, "meta")
        plain.add_combination_(v, torch.ones(runs, 3, device="meta"), a)
        assert v.shape == (runs, n)


@pytest.mark.parametrize("m", [1, 3])
@pytest.mark.parametrize("runs", [1, 2])
@pytest.mark.parametrize("n", [1 << 10, 1 << 16, 1 << 21])
def test_long_sums_keep_their_digits(n, runs, m):
    """Terms of one sign, 1 to 2: what a float32 sum over all of them would lose, those over tiles do not."""
    g = torch.Generator().manual_seed(n)
    rows = 1.0 + torch.rand(1, m, n, generator=g).expand(runs, m, n).contiguous()
    error = plain.rows_dot(rows, torch.ones(runs, n)) / rows.double().sum(2) - 1.0
    assert error.abs().max() < 1e-6


@pytest.mark.parametrize("runs", [1, 2])
@pytest.mark.parametrize("n", [7 * TILE, BLOCK + 3 * TILE])
@pytest.mark.parametrize("place", [1, TILE // 2, TILE, BLOCK])
def test_what_lies_in_different_tiles_is_added_in_float64(place, n, runs):
    """2^24 in one tile and 1 in the others: in float32 the ones vanish."""
    rows = torch.zeros(runs, 2, n)
    rows[..., place % n] = 2.0**24
    rows[..., (place + 2 * TILE) % n], rows[..., (place + 4 * TILE) % n] = 1.0, 1.0
    assert (plain.rows_dot(rows, torch.ones(runs, n)) == 2.0**24 + 2).all()


@pytest.mark.parametrize("runs", [1, 2])
@pytest.mark.parametrize("n", [TILE + 1, 2 * TILE - 1, 3 * TILE - 1])
def test_no_float32_sum_is_longer_than_a_tile(n, runs):
    """What lies a tile apart meets in float64, where 1 is not lost beside 2^24."""
    rows = torch.zeros(runs, 2, n)
    rows[..., 0], rows[..., TILE] = 2.0**24, 1.0
    assert (plain.rows_dot(rows, torch.ones(runs, n)) == 2.0**24 + 1).all()


def test_rows_and_vectors_are_of_one_length():
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        for runs in (1, 2):
            a = torch.ones(runs, 2, 2 * BLOCK, dtype=dtype)
            v = torch.ones(runs, BLOCK, dtype=torch.float64 if dtype == torch.float64 else torch.float32)
            for refused in (lambda: plain.rows_dot(a, v), lambda: plain.add_combination_(v, torch.ones(runs, 2), a)):  # noqa: B023
                with pytest.raises((ValueError, RuntimeError)):
                    refused()


class Elsewhere(torch.Tensor):
    """A tensor which says that it is on another device, and has its elements: what a GPU would be given to do."""

    @staticmethod
    def __new__(cls, elements):
        return torch.Tensor._make_wrapper_subclass(
            cls, elements.size(), strides=elements.stride(), dtype=elements.dtype, device="meta"
        )

    def __init__(self, elements):
        self.elements = elements

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        own = lambda x: x.elements if isinstance(x, cls) else x  # noqa: E731
        made = func(*tree_map(own, args), **tree_map(own, kwargs or {}))
        if func._schema.name.endswith("_") and func._schema.name != "aten::_to_copy":
            return args[0]
        return tree_map(lambda x: cls(x) if isinstance(x, torch.Tensor) else x, made)


@pytest.mark.parametrize("rows", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("runs", [1, 2])
@pytest.mark.parametrize("n", [1, TILE, TILE + 1, 3 * TILE + 7, 20 * TILE])
def test_what_another_device_is_given_to_do_is_the_same(n, runs, rows):
    g = torch.Generator().manual_seed(n)
    dtype = torch.float64 if rows == torch.float64 else torch.float32
    for m in (1, 3):
        a, v, c = integers(g, runs, m, n, dtype=rows), integers(g, runs, n, dtype=dtype), integers(g, runs, m)
        there = [Elsewhere(x.clone()) for x in (a, v, c.to(dtype))]
        assert torch.equal(plain.rows_dot(*there[:2]).elements, plain.rows_dot(a, v))
        plain.add_multiple_(there[1], there[2], there[0], -2.0)
        plain.add_multiple_(v, c, a, -2.0)
        assert torch.equal(there[1].elements, v)


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("n", [SHARED, SHARED + 1, 3 * SHARED + 2])
@pytest.mark.parametrize("m", [1, 3])
@pytest.mark.parametrize("runs", [1, 2])
def test_a_combination_is_the_same_for_any_number_of_threads(monkeypatch, threads, n, m, runs):
    """One run's is shared among them from ``SHARED`` columns on, each with a part of its own."""
    g = torch.Generator().manual_seed(n)
    a, v, c = integers(g, runs, m, n), integers(g, runs, n), integers(g, runs, m)
    expected = v - 2 * (c.unsqueeze(2) * a).sum(1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    plain.add_multiple_(v, c, a, -2.0)
    assert torch.equal(v, expected)


def test_short_rows_and_vectors_are_of_one_length_and_of_as_many_runs():
    for rows, vector in (((2, 2, 2 * TILE), (2, TILE)), ((3, 2, SHARED), (2, SHARED)), ((2, 2, SHARED), (3, SHARED))):
        with pytest.raises((ValueError, RuntimeError)):
            plain.rows_dot(torch.ones(rows), torch.ones(vector))


class Copies(TorchDispatchMode):
    """Notes the elements of every float32 tensor that is made of another type's."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **kwargs or {})
        if func._schema.name == "aten::_to_copy" and args[0].dtype == torch.bfloat16:
            self.sizes.append(made.numel())
        return made


@pytest.mark.parametrize(("runs", "m"), [(1, 2), (2, 3), (3, 2), (1, 100), (1, 1)])
def test_rows_in_bfloat16_are_widened_some_at_a_time(runs, m):
    """At most ``WIDENED`` elements of them, but a tile's columns; every one once."""
    n = 300_000
    a, v, c = torch.ones(runs, m, n).bfloat16(), torch.zeros(runs, n), torch.ones(runs, m).double()
    for act in (lambda: plain.add_combination_(v, c, a), lambda: plain.rows_dot(a, v)):
        with Copies() as copies:
            act()
        assert sum(copies.sizes) == runs * m * n
        assert max(copies.sizes) <= max(WIDENED, runs * m * TILE)
        assert len(copies.sizes) <= 2 + runs * m * n // (WIDENED // 2)  # and not a call for every few of them
    assert torch.equal(v, torch.full_like(v, m))


@pytest.mark.parametrize("weight", [None, torch.tensor([4.0, 9.0], dtype=torch.float64)])
def test_squares_are_weighted_and_shifted_under_the_root(weight):
    squares = torch.tensor([[3.0, 8.0], [15.0, 24.0]])
    factor = 1.0 if weight is None else weight.float().unsqueeze(1)
    expected = (squares * factor + 1.0).sqrt()
    assert torch.equal(plain.root(squares, weight, 1.0), expected)
    v, twelve = torch.full((2, 2), 12.0), torch.full((2, 2), 12.0)
    plain.scale_(v, squares, weight, torch.tensor([1.0, 2.0], dtype=torch.float64), 1.0)
    assert torch.equal(v, twelve / expected * torch.tensor([[1.0], [2.0]]))
    plain.scale_(v, None, None, None, 0.0)
    assert torch.equal(v, twelve / expected * torch.tensor([[1.0], [2.0]]))


def test_the_direction_works_through_y_in_the_blocks_of_one_run_on_a_cpu(monkeypatch):
    """On a GPU, and for several runs, Y is one block."""
    sizes = []
    right = plain.scale_

    def noted(v, *arguments):
        sizes.append(v.shape[1])
        right(v, *arguments)

    monkeypatch.setattr(plain, "scale_", noted)
    monkeypatch.setattr(plain, "BLOCKED", BLOCK)
    n = BLOCK + 9
    for device, runs, expected in (("cpu", 1, [BLOCK, 9]), ("cpu", 2, [n]), ("meta", 1, [n]), ("meta", 2, [n])):
        sizes.clear()
        rows = torch.ones(runs, 2, n, device=device)
        matrix, numbers = (torch.ones(runs, 2, *more, dtype=torch.float64, device=device) for more in ((2,), ()))
        held = torch.ones(runs, 2, dtype=torch.bool, device=device)
        plain.direction_(torch.ones(runs, n, device=device), rows, rows, matrix, numbers, held, None, None, None, 0.0)
        assert sizes == expected


@pytest.mark.parametrize("scaled", [True, False])
def test_the_direction_is_the_same_in_any_number_of_blocks(monkeypatch, scaled):
    """With H0 = diag(gamma / sqrt(weight squares + eps)), and with the identity."""
    g, n, m = torch.Generator().manual_seed(0), 29, 3
    normal = lambda *shape: torch.randn(1, *shape, generator=g, dtype=torch.float64)  # noqa: E731
    v, S, Y, A, D = normal(n), normal(m, n), normal(m, n), normal(m, m), normal(m)
    held = torch.tensor([[True, True, False]])
    h0 = (normal(n) ** 2, torch.tensor([0.25]), torch.tensor([3.0]), 1e-2) if scaled else (None, None, None, 0.0)
    whole, blocks = v.clone(), v.clone()
    plain.direction_(whole, S, Y, A, D, held, *h0)
    monkeypatch.setattr(plain, "BLOCKED", 1)
    monkeypatch.setattr(plain, "BLOCK", 8)
    plain.direction_(blocks, S, Y, A, D, held, *h0)
    torch.testing.assert_close(blocks, whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("runs", [1, 3])
def test_rows_longer_than_a_chunk_go_to_their_slots(runs):
    n, m = CHUNK + 3, 2
    row = torch.randn(runs, n, generator=torch.Generator().manual_seed(0))
    rows, head, where = torch.zeros(runs, m, n), torch.arange(runs) % m, torch.tensor([True, False, True][:runs])
    plain.write_row_(rows, row, head, where)
    for run in range(runs):
        for slot in range(m):
            here = slot == int(head[run]) and bool(where[run])
            assert torch.equal(rows[run, slot], row[run] if here else torch.zeros(n))
    rows = torch.zeros(runs, m, n)
    plain.write_row_(rows, row, head, None)
    assert all(torch.equal(rows[run, int(head[run])], row[run]) for run in range(runs))
    with pytest.raises(ValueError, match="zip"):
        plain.write_row_(torch.zeros(runs, m, n), row[:, :CHUNK], head, where)


def test_descent_adds_what_moved_since_the_reference_and_then_goes_down():
    shapes, rates = [(2, 3), (4,), (2,)], [0.5, 0.25, 0.0]
    parameters, references, totals = ([torch.full(shape, x) for shape in shapes] for x in (3.0, 1.0, 10.0))
    d = [torch.full(shape, torch.inf if rate == 0 else 4.0) for shape, rate in zip(shapes, rates, strict=True)]
    plain.descend_(totals, parameters, references, [], [])
    assert all((total == 12.0).all() for total in totals)
    assert all((p == 3.0).all() for p in parameters)
    plain.descend_(totals, parameters, references, d, rates)
    assert all((total == 14.0).all() for total in totals)
    for p, expected in zip(parameters, (1.0, 2.0, 3.0), strict=True):
        assert (p == expected).all()
