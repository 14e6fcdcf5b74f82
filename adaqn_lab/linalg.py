"""Dot products which keep their digits, and combinations of rows.

One long float32 sum over terms of one sign (s'y always is one) loses digits in proportion to its length:
2 to 4 of them at n = 1e7. Here float32 sums never run over more than ``TILE`` elements; the partial sums
are added in float64.
"""

from __future__ import annotations

import torch
from torch import Tensor

from adaqn_lab import kernels

TILE = 4096
"""At most so many float32 products are added in float32."""

CHUNK = 1 << 15
"""Columns for which a temporary is made at a time, so that it is small next to a vector."""

BLOCK = 1 << 16
"""Columns of the rows which one block holds: 2.6 MB at m = 10. Smaller ones stay in a nearer cache, but cost calls."""

WIDENED = 1 << 18
"""Elements of bfloat16 rows which are widened at a time: all of them at once would be what rounding them saved."""


def tile(rows: Tensor) -> int:
    """How many columns one matrix-vector product takes: what the libraries make of it decides, so it was measured.

    On a CPU, products of one matrix with one vector keep their digits up to ``TILE`` and cost a call of 2 us each;
    those of a batch may be added one by one, so they stop at 512. A GPU adds in trees of hundreds of lanes.
    """
    if rows.device.type != "cpu":
        return TILE if rows.shape[0] == 1 else 16 * TILE
    if rows.shape[0] > 1:
        return 512
    return 1024 if rows.shape[2] <= 1 << 16 else TILE


def rows_dot(rows: Tensor, v: Tensor, size: int | None = None) -> Tensor:
    """``rows @ v`` for each run: (R, m, n), (R, n) -> (R, m) float64. Reads ``rows`` once.

    Rows of bfloat16 are widened a tile at a time, to the dtype of ``v``. ``size``: the tile, by default :func:`tile`'s.
    """
    if forms := kernels.serving(rows, v):
        product: Tensor = forms.rows_dot(rows, v)
        return product
    if rows.dtype == torch.float64:
        return torch.bmm(rows, v.unsqueeze(-1)).squeeze(-1)
    size = size or tile(rows)
    if rows.shape[0] == 1 and rows.device.type != "cpu" and rows.dtype == v.dtype and rows.shape[2] >= size:
        return strided_rows_dot(rows, v, size)
    pairs = zip(torch.split(rows, size, 2), torch.split(v, size, 1), strict=True)
    return torch.stack([_product(part, u) for part, u in pairs]).sum(0, dtype=torch.float64)


def strided_rows_dot(rows: Tensor, v: Tensor, size: int) -> Tensor:
    """:func:`rows_dot` of one run with all tiles as the batch of one product, on strided views.

    Two launches instead of one a tile: for a GPU. At least one whole tile; one dtype.
    """
    whole = rows.shape[2] - rows.shape[2] % size
    tiled = rows[0, :, :whole].view(-1, whole // size, size).transpose(0, 1)
    parts = torch.bmm(tiled, v[0, :whole].view(-1, size, 1)).sum(0, dtype=torch.float64).T
    return parts + _product(rows[..., whole:], v[:, whole:]).double()


def _product(rows: Tensor, v: Tensor) -> Tensor:
    """``rows @ v`` for each run in the dtype of ``v``."""
    rows = rows.to(v.dtype)
    if rows.shape[0] == 1:
        return torch.mv(rows[0], v[0]).unsqueeze(0)
    return torch.bmm(rows, v.unsqueeze(-1)).squeeze(-1)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """``a'b`` for each run: (R, n), (R, n) -> (R,) float64."""
    return rows_dot(a.unsqueeze(1), b).squeeze(1)


def combine(coefficients: Tensor, rows: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """``sum_i c_i row_i`` for each run: (R, m), (R, m, n) -> (R, n) in ``dtype``, by default the rows'."""
    zero = torch.zeros(rows.shape[0], rows.shape[2], dtype=dtype or rows.dtype, device=rows.device)
    return add_combination_(zero, coefficients, rows)


def add_combination_(v: Tensor, coefficients: Tensor, rows: Tensor) -> Tensor:
    """``v += sum_i c_i row_i`` for each run, in place: (R, n), (R, m), (R, m, n)."""
    if forms := kernels.serving(rows, v):
        forms.add_combination_(v, coefficients, rows)
        return v
    c = coefficients.to(v.dtype)
    if rows.dtype == v.dtype:
        return _add_(v, c, rows)
    size = max(1024, WIDENED // max(rows.shape[0] * rows.shape[1], 1))
    for part, u in zip(torch.split(rows, size, 2), torch.split(v, size, 1), strict=True):
        _add_(u, c, part.to(v.dtype))
    return v


def _add_(v: Tensor, c: Tensor, rows: Tensor) -> Tensor:
    if rows.shape[0] == 1:
        v[0].addmv_(rows[0].T, c[0])
    else:
        v.unsqueeze(1).baddbmm_(c.unsqueeze(1), rows)
    return v


def keep_(v: Tensor, where: Tensor) -> Tensor:
    """Set v (R, n) to zero but for the runs in ``where`` (R,), whose v is finite; in place, whatever is in the others.

    Two passes which every CPU vectorises, where ``masked_fill_`` is one that none does: 0 times infinity is NaN.
    """
    return v.mul_(where.to(v.dtype).unsqueeze(1)).nan_to_num_()


def keep_finite_(v: Tensor, where: Tensor | None = None) -> Tensor:
    """Which runs of v (R, n) are finite by :func:`all_finite`; v becomes zero in the others and outside ``where``."""
    if forms := kernels.passing(v):
        known: Tensor = forms.keep_finite_(v, where)
        return known
    finite = all_finite(v)
    keep_(v, finite if where is None else finite & where)
    return finite


def assign_(v: Tensor, u: Tensor, where: Tensor) -> Tensor:
    """Set v (R, n) to u for the runs in ``where`` (R,), in place; the others keep every bit."""
    for part, new in zip(torch.split(v, CHUNK, 1), torch.split(u, CHUNK, 1), strict=True):
        part.copy_(torch.where(where.unsqueeze(1), new, part))
    return v


def all_finite(v: Tensor) -> Tensor:
    """Whether the Euclidean norm of each run's vector is finite in its own dtype: (R, n) -> (R,) bool.

    So an entry which is finite but whose square overflows counts as infinite: H0's accumulator squares it.
    """
    return torch.lt(torch.linalg.vector_norm(v, dim=1).square_(), torch.inf)
