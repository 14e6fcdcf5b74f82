"""The operators in torch's dispatcher: their schemas, what a watch of operators sees, what a kernel may take."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from adaqn_lab import kernels, plain
from adaqn_lab.operators import OPS, SCHEMAS, served


class Names(TorchDispatchMode):
    """The names of the operators that run."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func._schema.name)
        return func(*args, **kwargs or {})


def called(act):
    """The operators that ``act()`` runs."""
    with Names() as seen:
        act()
    return seen.names


def arguments(runs=2, m=3, n=50):
    """Arguments of every operator."""
    g = torch.Generator().manual_seed(0)
    v, rows = torch.randn(runs, n, generator=g), torch.randn(runs, m, n, generator=g)
    numbers, everyone = torch.rand(runs, m, dtype=torch.float64), torch.ones(runs, dtype=torch.bool)
    matrix, scalars = torch.rand(runs, m, m, dtype=torch.float64).triu(), torch.rand(runs, dtype=torch.float64)
    few = [torch.randn(3, 4, generator=g), torch.randn(5, generator=g)]
    return {
        "rows_dot": (rows, v),
        "add_combination_": (v, numbers, rows),
        "direction_": (v, rows, rows.flip(1), matrix, numbers, numbers > 0.5, v.square(), scalars, scalars, 0.1),
        "keep_finite_": (v, everyone),
        "write_row_": (rows, v, torch.tensor([2, 0]), everyone),
        "descend_": (few, [x + 1.0 for x in few], [x * 2.0 for x in few], [x - 1.0 for x in few], [0.5, 0.0]),
    }


def cloned(value):
    return [x.clone() for x in value] if isinstance(value, list) and isinstance(value[0], torch.Tensor) else value


def copied(values):
    return [value.clone() if isinstance(value, torch.Tensor) else cloned(value) for value in values]


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_operator_is_its_plain_form_and_writes_what_its_schema_says(name):
    given = arguments()[name]
    mine, theirs = copied(given), copied(given)
    with kernels.disabled():
        results = getattr(OPS, name)(*mine), getattr(plain, name)(*theirs)
    torch.testing.assert_close(results[0], results[1], rtol=0.0, atol=0.0)
    schema = getattr(OPS, name).default._schema
    for value, old, argument in zip(mine, given, schema.arguments, strict=True):
        written = argument.alias_info is not None and argument.alias_info.is_write
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, old) == (not written or name == "keep_finite_")  # there nothing was to be zeroed
        elif isinstance(value, list) and isinstance(value[0], torch.Tensor):
            assert all(torch.equal(x, y) for x, y in zip(value, old, strict=True)) == (not written)
    for value, plain_value in zip(mine, theirs, strict=True):
        torch.testing.assert_close(value, plain_value, rtol=0.0, atol=0.0)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_watch_sees_what_the_plain_form_is_composed_of_and_a_kernel_as_one(compiled_kernels, name):
    """A profiler, a counter of launches, a tape."""
    run = getattr(OPS, name)
    given = arguments()[name]
    assert called(lambda: run(*copied(given))) - {"aten::clone"} == {f"adaqn_lab::{name}"}
    with kernels.disabled():
        found = called(lambda: run(*copied(given)))
    assert all(own.startswith("aten::") for own in found)


@pytest.mark.parametrize(
    ("rows", "dtype", "expected"),
    [
        (torch.float32, torch.float32, True),
        (torch.float64, torch.float64, True),
        (torch.bfloat16, torch.float32, True),
        (torch.float32, torch.float64, False),
        (torch.float64, torch.float32, False),
        (torch.bfloat16, torch.float64, False),
        (torch.float16, torch.float32, False),
        (torch.bfloat16, torch.bfloat16, False),
    ],
)
def test_a_kernel_may_take_contiguous_tensors_of_known_types_on_one_device(rows, dtype, expected):
    a, v = torch.zeros(2, 3, 8, dtype=rows), torch.zeros(2, 8, dtype=dtype)
    assert served(a, v) is expected
    assert not served(a[..., ::2], v[:, :4].contiguous())
    assert not served(a[..., :4].contiguous(), v[:, ::2])
    assert not served(a.to("meta"), v)
    assert served(a.to("meta"), v.to("meta")) is expected
