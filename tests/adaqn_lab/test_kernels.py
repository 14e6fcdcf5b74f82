"""The compiled kernels against the plain torch form, and the blocks of the plain form against the textbook."""

import dataclasses
import os
import subprocess
import sys
from contextlib import nullcontext
from typing import NamedTuple

import pytest
import torch

import adaqn_lab as lab
from adaqn_lab import Diagonal, History, Space, kernels, two_loop
from adaqn_lab.linalg import add_combination_, keep_finite_, rows_dot, write_row_
from adaqn_lab.operators import OPS
from adaqn_lab.sizes import BLOCK, LONG
from adaqn_lab.space import FlatParameters
from tests.adaqn_lab.small import SHORT, backward, bits, optimizer_for, tagger

SIZES = [1, 15, 16, 1023, 2048, 2049, BLOCK + 5, LONG + 5]
ROWS = [(torch.float32, torch.float32), (torch.float64, torch.float64), (torch.bfloat16, torch.float32)]


class Form(NamedTuple):
    """Which form runs, and on which device."""

    name: str
    device: str


@pytest.fixture(params=["plain", "compiled", "tiled"])
def form(request):
    """Everything in plain torch, and everything in the kernels: in C++, and in Triton."""
    if request.param == "plain":
        with kernels.disabled():
            yield Form("plain", "cpu")
    else:
        yield Form(request.param, request.getfixturevalue(f"{request.param}_kernels"))


@pytest.fixture(params=["compiled", "tiled"])
def fast(request):
    """The kernels alone."""
    return Form(request.param, request.getfixturevalue(f"{request.param}_kernels"))


def moved(device, record):
    """A dataclass of tensors on the device."""
    tensors = {name: value for name, value in vars(record).items() if isinstance(value, torch.Tensor)}
    return dataclasses.replace(record, **{name: value.to(device) for name, value in tensors.items()})


def leave_long_ones_out(form, n):
    """Triton's interpreter takes 30 ms for a tile: three tiles show what a hundred do, 16 entries of one what 15 do."""
    if (n > 4096 or n == 15) and form == Form("tiled", "cpu"):
        pytest.skip("for Triton's interpreter too long, or nothing new")


def diagonals(device, runs, n, dtype):
    """Every kind of H0."""
    g = torch.Generator().manual_seed(1)
    some = lambda *shape: 0.5 + torch.rand(*shape, generator=g, dtype=torch.float64)  # noqa: E731
    squares = some(runs, n).to(dtype)
    kinds = (
        Diagonal(),
        Diagonal(gamma=some(runs)),
        Diagonal(gamma=0.3),
        Diagonal(squares=squares, eps=1e-4),
        Diagonal(gamma=some(runs), squares=squares, weight=some(runs), eps=1e-2),
    )
    return [moved(device, diagonal) for diagonal in kinds]


def filled(form, runs, n, m, dtype, rows=None, pushes=None):
    """A history of random pairs s, y = A s + noise; run 1 misses every third push. What is moved to a GPU is filled on
    the CPU, and so without Triton's interpreter too.
    """
    g = torch.Generator().manual_seed(n)
    history = History.empty(Space(runs, n, dtype), m, rows)
    scale = 0.5 + torch.rand(n, generator=g)
    with kernels.disabled() if form.name == "tiled" else nullcontext():
        for k in range(m + 3 if pushes is None else pushes):
            s = torch.randn(runs, n, generator=g)
            where = torch.tensor([True, k % 3 > 0, True][:runs])
            history.push_(s.to(dtype), (scale * s).to(dtype), where)
    return moved(form.device, history), torch.randn(runs, n, generator=g).to(form.device, dtype)


def textbook(history, v, *diagonals):
    """The two loops in float64 on the rows as they are stored, run by run, around each of the diagonals."""
    pairs = [[rows.double() for rows in history.pairs(run)] for run in range(len(v))]
    for diagonal in diagonals:
        ones = diagonal.apply_(torch.ones_like(v)).double()
        yield torch.stack([two_loop(*own, q.double(), one.mul) for own, q, one in zip(pairs, v, ones, strict=True)])


def close(got, expected, dtype):
    scale = expected.abs().max()
    u = torch.finfo(dtype).eps / 2
    assert ((got.double() - expected).abs().max() / scale) <= 100 * u * 10  # 100 u m / c_min, c_min about 1


@pytest.mark.parametrize(("rows", "dtype"), ROWS)
@pytest.mark.parametrize("runs", [1, 3])
@pytest.mark.parametrize("n", SIZES)
def test_every_form_of_the_direction_is_the_two_loop(form, n, runs, rows, dtype):
    leave_long_ones_out(form, n)
    history, v = filled(form, runs, n, min(10, n), dtype, rows)
    kinds = diagonals(form.device, runs, n, dtype)
    if n > 1000 and form == Form("tiled", "cpu"):
        kinds = kinds[::4]  # each entry has its own; a tile more tells nothing of the other kinds
    for diagonal, expected in zip(kinds, textbook(history, v, *kinds), strict=True):
        over = v.clone()
        assert history.apply_(over, diagonal) is over
        assert over.dtype == dtype
        close(over, expected, dtype)


@pytest.mark.parametrize(("rows", "dtype"), ROWS)
@pytest.mark.parametrize("m", [1, 2, 7, 8, 9, 15, 16, 17, 23])
def test_any_number_of_pairs(form, m, rows, dtype):
    """Few rows are held in registers, many are read twice; with the least of an H0 and with the most."""
    history, v = filled(form, 1, 2061, m, dtype, rows)
    kinds = diagonals(form.device, 1, 2061, dtype)[::4]
    for diagonal, expected in zip(kinds, textbook(history, v, *kinds), strict=True):
        close(history.apply_(v.clone(), diagonal), expected, dtype)


LAYOUTS = {
    "as it is": lambda x: x,
    "one for all runs": lambda x: x[:1].expand_as(x),
    "strided": lambda x: torch.stack([x, -x], dim=-1)[..., 0],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["squares", "weight", "gamma"])
def test_every_form_takes_a_diagonal_however_its_tensors_lie(form, name, layout):
    """A scaling of the user's may return any: the formula decides."""
    history, v = filled(form, 3, 50, 4, torch.float32)
    diagonal = diagonals(form.device, 3, 50, torch.float32)[-1]
    diagonal = dataclasses.replace(diagonal, **{name: LAYOUTS[layout](getattr(diagonal, name))})
    (expected,) = textbook(history, v, diagonal)
    close(history.apply_(v.clone(), diagonal), expected, torch.float32)


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning")  # of the interpreter's NumPy
def test_an_empty_history_is_h0_whatever_lies_in_its_slots(form):
    history, v = filled(form, 1, 50, 4, torch.float32)
    history.clear_(torch.tensor([True], device=form.device))
    history.s.fill_(1e30)
    history.y.fill_(1e30)
    v = 1e30 * v
    for diagonal in diagonals(form.device, 1, 50, torch.float32):
        close(history.apply_(v.clone(), diagonal), diagonal.apply_(v.clone()).double(), torch.float32)


@pytest.mark.parametrize(("rows", "dtype"), ROWS)
@pytest.mark.parametrize("runs", [1, 3])
@pytest.mark.parametrize("n", SIZES)
def test_the_products_are_those_of_plain_torch(fast, n, runs, rows, dtype):
    leave_long_ones_out(fast, n)
    g = torch.Generator().manual_seed(n)
    integers = lambda *shape: torch.randint(-3, 4, shape, generator=g)  # noqa: E731
    for m in (1, 2, 3, 5, 13):
        a, v, c = (
            integers(runs, m, n).to(fast.device, rows),
            integers(runs, n).to(fast.device, dtype),
            integers(runs, m).to(fast.device),
        )
        c = c.double()
        sums, added = rows_dot(a, v), add_combination_(v.clone(), c, a)
        with kernels.disabled():
            assert torch.equal(sums, rows_dot(a, v))
            assert torch.equal(added, add_combination_(v.clone(), c, a))


NAN, INF, LARGE = float("nan"), float("inf"), 1e30


def both(act):
    """What ``act()`` returns by the kernels and by plain torch."""
    with kernels.disabled():
        plain = act()
    return act(), plain


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", SIZES)
def test_what_is_not_finite_becomes_zero_as_in_plain_torch(compiled_kernels, n, dtype):
    for where in (None, torch.tensor([True, False, True, True, True])):
        for at in {0, n // 2, n - 1}:
            v = torch.randn(5, n, generator=torch.Generator().manual_seed(n), dtype=dtype)
            v[2, at], v[3, at], v[4, at] = NAN, -INF, LARGE
            kept = v.clone()

            def act(v=v, where=where):
                mine = v.clone()
                return keep_finite_(mine, where), mine

            (finite, got), (expected, plain) = both(act)
            assert finite.tolist() == expected.tolist() == [True, True, False, False, dtype == torch.float64]
            assert torch.equal(got, plain)
            sound = finite if where is None else finite & where
            assert torch.equal(got, torch.where(sound.unsqueeze(1), kept, 0.0))


@pytest.mark.parametrize(("rows", "dtype"), ROWS)
@pytest.mark.parametrize("runs", [1, 3])
@pytest.mark.parametrize("n", SIZES)
def test_a_row_is_written_as_in_plain_torch(compiled_kernels, n, runs, rows, dtype):
    g = torch.Generator().manual_seed(n)
    ring, v = torch.randn(runs, 4, n, generator=g).to(rows), torch.randn(runs, n, generator=g).to(dtype)
    v[-1, 0] = NAN
    for where in (torch.ones(runs, dtype=torch.bool), torch.tensor([False, True, False][:runs])):

        def act(where=where):
            mine = ring.clone()
            write_row_(mine, v, torch.tensor([3, 0, 2][:runs]), where)
            return mine

        got, plain = both(act)
        torch.testing.assert_close(got, plain, rtol=0.0, atol=0.0, equal_nan=True)
    mine, head, everyone = ring.clone(), torch.tensor([3, 0, 2][:runs]), torch.ones(runs, dtype=torch.bool)
    write_row_(mine, v, head)
    write_row_(ring, v, head, everyone)
    torch.testing.assert_close(mine, ring, rtol=0.0, atol=0.0, equal_nan=True)
    if rows == torch.float32:  # a narrowing which the kernels have not
        write_row_(mine, v.double(), head)
        write_row_(mine, v.double(), head, everyone)
        torch.testing.assert_close(mine, ring, rtol=0.0, atol=0.0, equal_nan=True)
    for wrong in (4, -1):
        with pytest.raises(IndexError, match="head is no slot of the rows"):
            write_row_(ring, v, torch.full((runs,), wrong), everyone)


ODD = {
    "as they are": lambda p: p,
    "narrower": lambda p: p.bfloat16(),
    "strided": lambda p: p.transpose(0, -1).contiguous().transpose(0, -1),
    "every other": lambda p: torch.stack([p, p], dim=-1)[..., 0],
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("runs", [1, 3])
def test_the_window_s_sum_is_that_of_plain_torch(compiled_kernels, runs, dtype, odd):
    g = torch.Generator().manual_seed(runs)
    whole = lambda *shape: torch.randint(-9, 9, shape, generator=g).to(dtype)  # noqa: E731
    parameters = [ODD[odd](p) for p in (whole(runs, 3, 5), whole(runs), whole(runs, BLOCK + 3))]
    flat, before = FlatParameters(parameters, runs), [p.clone() for p in parameters]
    total, reference = whole(runs, flat.space.size).to(flat.space.dtype), whole(runs, flat.space.size)
    reference = reference.to(flat.space.dtype)
    expected = total + flat.gather() - reference
    flat.descend_(total, reference)
    assert torch.equal(total, expected)
    assert all(torch.equal(p, q) for p, q in zip(parameters, before, strict=True))


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("runs", [1, 3])
def test_descent_in_one_pass(compiled_kernels, runs, dtype, odd):
    """Bit for bit the window's sum, then torch's own p - rate d; a rate of 0 moves nothing, whatever d is."""
    shapes, rates = [(runs, 4000, 51), (runs, 7), (runs,), (runs, 3)], [0.1, 3.0, 1e-3, 0.0]
    parameters = [ODD[odd](torch.randn(shape, dtype=dtype)) for shape in shapes]
    flat = FlatParameters(parameters, runs)
    total, reference, d = (torch.randn(runs, flat.space.size, dtype=flat.space.dtype) for _ in range(3))
    d[:, -1] = torch.inf
    expected_total = total.clone()
    expected = [p.clone() for p in parameters]
    flat.descend_(expected_total, reference)
    for p, v, rate in zip(expected[:-1], flat.views(d), rates, strict=False):
        torch._foreach_add_([p], [v], alpha=-rate)
    flat.descend_(total, reference, d, rates)
    assert torch.equal(total, expected_total)
    for p, q in zip(parameters, expected, strict=True):
        torch.testing.assert_close(p, q, rtol=0.0, atol=16 * torch.finfo(p.dtype).eps)  # |rate d| < 16
    assert torch.equal(parameters[-1], expected[-1])


@pytest.mark.parametrize("name", ["totals", "parameters", "references", "d"])
@pytest.mark.parametrize("odd", ODD)
def test_descent_takes_every_list_however_it_lies(compiled_kernels, name, odd):
    """Each list by itself in another layout or, d, in another type; and lists of one length they must be."""
    g = torch.Generator().manual_seed(0)
    if odd == "narrower" and name != "d":
        pytest.skip("one type")
    lists = {n: [torch.randint(-9, 9, (3, 4), generator=g).float() for _ in "ab"] for n in LISTS}
    lists[name] = list(map(ODD[odd], lists[name]))
    kept = {n: [x.clone() for x in tensors] for n, tensors in lists.items()}
    OPS.descend_(*lists.values(), [0.5, 0.0])
    with kernels.disabled():
        OPS.descend_(*kept.values(), [0.5, 0.0])
    for mine, plain in zip(lists.values(), kept.values(), strict=True):
        assert all(torch.equal(x, y) for x, y in zip(mine, plain, strict=True))
    with pytest.raises(RuntimeError):
        OPS.descend_(*(tensors[:1] if n == name else tensors for n, tensors in lists.items()), [0.5, 0.0])


LISTS = ("totals", "parameters", "references", "d")


@pytest.mark.parametrize("after_step", [False, True])
@pytest.mark.parametrize("scale", [1.0, torch.tensor(1.0)], ids=["float", "tensor"])
def test_steps_with_and_without_kernels(compiled_kernels, after_step, scale):
    """Groups with rates of their own, a parameter without gradients: decisions alike, parameters to rounding."""
    recipe = SHORT["ADAQN"].but(cadence=lab.Cadence(every=3, after_step=after_step))
    found = []
    for used in (True, False):
        model = tagger(dtype=torch.float64)
        groups = [{"params": [p], "lr": scale * 0.05 / (k + 1)} for k, p in enumerate(model.parameters())]
        optimizer = optimizer_for(model, recipe, params=groups, lr=0.1)
        for k in range(20):
            backward(model, k)
            model.out.bias.grad = None
            with nullcontext() if used else kernels.disabled():
                optimizer.step()
        found.append((bits(model), [event.kind for event in optimizer.events]))
    assert found[0][1] == found[1][1]
    for p, q in zip(found[0][0], found[1][0], strict=True):
        torch.testing.assert_close(p, q, rtol=1e-9, atol=1e-9)
    assert torch.equal(found[0][0][-1], tagger(dtype=torch.float64).out.bias)


def test_the_compiled_result_does_not_depend_on_the_threads(compiled_kernels):
    history, v = filled(Form("compiled", compiled_kernels), 1, 1_000_000, 10, torch.float32)
    h0 = Diagonal(squares=torch.rand(1, 1_000_000), eps=1e-4)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(history.apply_(v.clone(), h0))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_the_triton_kernels_compile_for_a_gpu_without_one():
    """To machine code of sm_90 by the assembler which Triton brings, in a process without the interpreter."""
    pytest.importorskip("triton", reason="needs the package triton, which is for Linux only")
    command = [sys.executable, "-c", COMPILE]
    plain = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(command, env=plain, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("compiled") == 18


COMPILE = """
import torch, triton
from triton.backends.compiler import GPUTarget
from adaqn_lab.kernels import tiled

doubles = dict.fromkeys(("parts", "alpha", "coefficients", "weight", "gamma", "eps"), "*fp64")
for rows, vectors in (("*fp32", "*fp32"), ("*fp64", "*fp64"), ("*bf16", "*fp32")):
    known = doubles | {"rows": rows, "v": vectors, "squares": vectors}
    for kernel in (tiled.dots, tiled.add, tiled.middle):
        for m in (10, 100):
            fixed = tiled._shape(torch.empty(1, m, 1, device="meta"))
            fixed |= {name: True for name in kernel.arg_names if name.startswith("HAS_")}
            signature = {a: "constexpr" if a in fixed else known.get(a, "i32") for a in kernel.arg_names}
            source = triton.compiler.ASTSource(kernel, signature, fixed)
            if triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["cubin"]:
                print("compiled")
"""
