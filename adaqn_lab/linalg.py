"""Dot products which keep their digits, and combinations of rows; the operators' callers.

Tensors in a layout or type that no kernel serves go to the plain form at once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from adaqn_lab import plain
from adaqn_lab.operators import OPS, served
from adaqn_lab.sizes import chunk


def rows_dot(rows: Tensor, v: Tensor) -> Tensor:
    """``rows @ v`` for each run: (R, m, n), (R, n) -> (R, m) float64. Reads ``rows`` once."""
    product: Tensor = (OPS.rows_dot if served(rows, v) else plain.rows_dot)(rows, v)
    return product


def dot(a: Tensor, b: Tensor) -> Tensor:
    """``a'b`` for each run: (R, n), (R, n) -> (R,) float64."""
    return rows_dot(a.unsqueeze(1), b).squeeze(1)


def add_combination_(v: Tensor, coefficients: Tensor, rows: Tensor) -> Tensor:
    """``v += sum_i c_i row_i`` for each run, in place: (R, n), (R, m), (R, m, n)."""
    (OPS.add_combination_ if served(rows, v) else plain.add_combination_)(v, coefficients, rows)
    return v


def combine(coefficients: Tensor, rows: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """``sum_i c_i row_i`` for each run: (R, m), (R, m, n) -> (R, n) in ``dtype``, by default the rows'."""
    zero = torch.zeros(rows.shape[0], rows.shape[2], dtype=dtype or rows.dtype, device=rows.device)
    return add_combination_(zero, coefficients, rows)


def keep_finite_(v: Tensor, where: Tensor | None = None) -> Tensor:
    """Which runs of v (R, n) have a finite |v|^2; v becomes zero in the others and outside ``where``, in place."""
    finite: Tensor = (OPS.keep_finite_ if served(v, v) else plain.keep_finite_)(v, where)
    return finite


def write_row_(rows: Tensor, row: Tensor, head: Tensor, where: Tensor | None = None) -> None:
    """``rows[r, head[r]] = row[r]`` for the runs in ``where``, or all: (R, m, n), (R, n), (R,) int64, (R,) bool.

    In the rows' dtype; the other runs keep every bit. ``head`` must lie in 0 .. m - 1.
    """
    (OPS.write_row_ if served(rows, row) else plain.write_row_)(rows, row, head, where)


def assign_(v: Tensor, u: Tensor, where: Tensor) -> Tensor:
    """Set v (R, n) to u for the runs in ``where`` (R,), in place; the others keep every bit."""
    for part, new in zip(torch.split(v, chunk(v), 1), torch.split(u, chunk(v), 1), strict=True):
        part.copy_(torch.where(where.unsqueeze(1), new, part))
    return v
