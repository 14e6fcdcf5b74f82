"""The forms in C++: compile them or open what was compiled, and call them on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from adaqn_lab.diagonal import Diagonal


def open_library() -> None:
    """Compile ``kernels.cpp`` at the first call on a machine; `RuntimeError` in one sentence where that fails."""
    if hasattr(torch.ops.adaqn_lab, "direction"):
        return
    from torch.utils import cpp_extension

    flags = ["-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math"]
    if torch.backends.openmp.is_available():  # type: ignore[no-untyped-call]
        # Compiled, but not linked, with OpenMP: its symbols are those of torch's own runtime, and of its threads.
        flags += ["-fopenmp", "-DAT_PARALLEL_OPENMP=1"]
    source = str(Path(__file__).with_name("kernels.cpp"))
    try:
        cpp_extension.load("adaqn_lab_kernels", [source], extra_cflags=flags, is_python_module=False)
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise RuntimeError(
            f"The kernels could not be compiled ({reason}); install a C++ compiler and ninja, or go on without "
            "load(): everything works in plain torch."
        ) from error


def rows_dot(rows: Tensor, v: Tensor) -> Tensor:
    """``rows @ v`` for each run: (R, m, n), (R, n) -> (R, m) float64."""
    product: Tensor = torch.ops.adaqn_lab.rows_dot(rows, v)
    return product


def add_combination_(v: Tensor, coefficients: Tensor, rows: Tensor) -> Tensor:
    """``v += sum_i c_i row_i`` for each run, in place: (R, n), (R, m), (R, m, n)."""
    torch.ops.adaqn_lab.add_combination_(v, coefficients, rows)
    return v


def direction_(s: Tensor, y: Tensor, inverse: Tensor, s_y: Tensor, held: Tensor, h0: Diagonal, v: Tensor) -> Tensor:
    """H v over v, from the fields of a :class:`~adaqn_lab.history.History`."""
    torch.ops.adaqn_lab.direction(s, y, inverse, s_y, held, v, h0.squares, h0.weight, h0.gamma, h0.eps, v)
    return v


def keep_finite_(v: Tensor, where: Tensor | None) -> Tensor:
    """Which runs of v (R, n) are finite, (R,) bool; v becomes zero in the others and outside ``where``."""
    finite: Tensor = torch.ops.adaqn_lab.keep_finite_(v, where)
    return finite


def write_(rows: Tensor, v: Tensor, head: Tensor, where: Tensor | None = None) -> None:
    """``rows[r, head[r]] = v[r]`` for the runs in ``where``, or all: (R, m, n), (R, n), (R,), (R,)."""
    torch.ops.adaqn_lab.write_(rows, v, head.contiguous(), where if where is None else where.contiguous())


def add_difference_(
    total: Tensor, parameters: list[Tensor], reference: Tensor, d: Tensor | None = None, rates: Sequence[float] = ()
) -> None:
    """``total += parameters - reference``, flattened, vectors (R, n); with d (R, n) then ``parameters -= rates d``."""
    torch.ops.adaqn_lab.add_difference_(total, parameters, reference, d, rates)
