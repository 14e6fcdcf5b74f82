"""The compiled kernels against the plain torch form, and the blocks of the plain form against the textbook."""

import pytest
import torch

from adaqn_lab import History, Space, kernels, two_loop
from adaqn_lab.diagonal import Diagonal
from adaqn_lab.linalg import BLOCK, add_combination_, rows_dot

SIZES = [1, 15, 16, 1023, 2048, 2049, BLOCK + 5, 3 * BLOCK]
ROWS = [(torch.float32, torch.float32), (torch.float64, torch.float64), (torch.bfloat16, torch.float32)]


@pytest.fixture(params=["plain", "compiled"])
def form(request):
    """Everything in plain torch, and everything in the kernels."""
    if request.param == "compiled":
        request.getfixturevalue("compiled_kernels")
        yield
    else:
        with kernels.disabled():
            yield


class H0:
    """What a scaling's H0 looks like to a memory."""

    def __init__(self, diagonal):
        self.diagonal = diagonal

    def __call__(self, v):
        return self.diagonal.apply_(v)


def diagonals(runs, n, dtype):
    """Every kind of H0."""
    g = torch.Generator().manual_seed(1)
    some = lambda *shape: 0.5 + torch.rand(*shape, generator=g, dtype=torch.float64)  # noqa: E731
    squares = some(runs, n).to(dtype)
    return {
        "I": Diagonal(),
        "gamma I": Diagonal(gamma=some(runs)),
        "root": Diagonal(squares=squares, eps=1e-4),
        "all": Diagonal(gamma=some(runs), squares=squares, weight=some(runs), eps=1e-2),
    }


def filled(runs, n, m, dtype, rows=None, pushes=None):
    """A history of random pairs s, y = A s + noise; run 1 misses every third push."""
    g = torch.Generator().manual_seed(n)
    history = History.empty(Space(runs, n, dtype), m, rows)
    scale = 0.5 + torch.rand(n, generator=g)
    for k in range(m + 3 if pushes is None else pushes):
        s = torch.randn(runs, n, generator=g)
        where = torch.tensor([True, k % 3 > 0, True][:runs])
        history.push_(s.to(dtype), (scale * s).to(dtype), where)
    return history, torch.randn(runs, n, generator=g).to(dtype)


def textbook(history, v, diagonal):
    """The two loops in float64 on the rows as they are stored, run by run."""
    ones = diagonal.apply_(torch.ones_like(v)).double()
    runs = range(len(v))
    pairs = [[rows.double() for rows in history.pairs(run)] for run in runs]
    return torch.stack([two_loop(*pairs[run], v[run].double(), lambda q, run=run: ones[run] * q) for run in runs])


def close(got, expected, dtype):
    scale = expected.abs().max()
    u = torch.finfo(dtype).eps / 2
    assert ((got.double() - expected).abs().max() / scale) <= 100 * u * 10  # 100 u m / c_min, c_min about 1


@pytest.mark.parametrize(("rows", "dtype"), ROWS)
@pytest.mark.parametrize("runs", [1, 3])
@pytest.mark.parametrize("n", SIZES)
def test_every_form_of_the_direction_is_the_two_loop(form, n, runs, rows, dtype):
    history, v = filled(runs, n, min(10, n), dtype, rows)
    for diagonal in diagonals(runs, n, dtype).values():
        kept = v.clone()
        got = history.apply(v, H0(diagonal))
        assert torch.equal(v, kept)
        assert got.dtype == dtype
        close(got, textbook(history, v, diagonal), dtype)
        over = v.clone()
        assert history.apply_(over, H0(diagonal)) is over
        close(over, textbook(history, v, diagonal), dtype)


def test_an_empty_history_is_h0_whatever_lies_in_its_slots(form):
    history, v = filled(1, 50, 4, torch.float32)
    history.clear_(torch.tensor([True]))
    history.s.fill_(1e30)
    history.y.fill_(1e30)
    v = 1e30 * v
    for diagonal in diagonals(1, 50, torch.float32).values():
        close(history.apply(v, H0(diagonal)), diagonal.apply_(v.clone()).double(), torch.float32)


@pytest.mark.parametrize(("rows", "dtype"), ROWS)
@pytest.mark.parametrize("runs", [1, 3])
@pytest.mark.parametrize("n", SIZES)
def test_the_products_are_those_of_plain_torch(compiled_kernels, n, runs, rows, dtype):
    g = torch.Generator().manual_seed(n)
    integers = lambda *shape: torch.randint(-3, 4, shape, generator=g)  # noqa: E731
    for m in (1, 2, 3, 5, 13):
        a, v, c = integers(runs, m, n).to(rows), integers(runs, n).to(dtype), integers(runs, m).double()
        sums, added = rows_dot(a, v), add_combination_(v.clone(), c, a)
        with kernels.disabled():
            assert torch.equal(sums, rows_dot(a, v))
            assert torch.equal(added, add_combination_(v.clone(), c, a))


def test_the_compiled_result_does_not_depend_on_the_threads(compiled_kernels):
    history, v = filled(1, 1_000_000, 10, torch.float32)
    h0 = H0(Diagonal(squares=torch.rand(1, 1_000_000), eps=1e-4))
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(history.apply(v, h0))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_without_load_nothing_is_compiled_and_what_is_not_served_goes_on_in_torch(compiled_kernels):
    assert kernels.loaded()
    history, v = filled(1, 40, 3, torch.float32)
    strided = torch.rand(1, 80)[:, ::2]
    assert not kernels.serve(history.s, strided)
    assert not kernels.serve(history.s.to("meta"), v.to("meta"))
    with kernels.disabled():
        assert not kernels.serve(history.s, v)
    assert kernels.serve(history.s, v)


def test_a_failing_compiler_is_one_sentence(monkeypatch):
    from torch.utils import cpp_extension

    def fail(*_, **__):
        raise RuntimeError("ninja is missing\nand a long traceback")

    monkeypatch.setattr(cpp_extension, "load", fail)
    monkeypatch.setattr(kernels.loading, "_known", lambda: False)
    with pytest.raises(RuntimeError, match=r"^The kernels could not be compiled \(ninja is missing\); install .*$"):
        kernels.load()
