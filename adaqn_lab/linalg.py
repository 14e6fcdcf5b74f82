"""Dot products which keep their digits, and combinations of rows.

One long float32 sum over terms of one sign (s'y always is one) loses digits in proportion to its length:
2 to 4 of them at n = 1e7. Here float32 sums never run over more than ``TILE`` elements; the partial sums
are added in float64.
"""

from __future__ import annotations

import torch
from torch import Tensor

TILE = 4096


def rows_dot(rows: Tensor, v: Tensor) -> Tensor:
    """``rows @ v`` for each run: (R, m, n), (R, n) -> (R, m) float64. Reads ``rows`` once, copies nothing."""
    runs, _, n = rows.shape
    if rows.dtype == torch.float64:
        return torch.bmm(rows, v.unsqueeze(-1)).squeeze(-1)
    tiles = n // TILE
    whole = tiles * TILE
    total = torch.bmm(rows[..., whole:], v[:, whole:].unsqueeze(-1)).squeeze(-1).double()
    if runs == 1 and tiles:  # all tiles as the batch of one product, on strided views
        tiled = rows[0, :, :whole].view(-1, tiles, TILE).transpose(0, 1)
        parts = torch.bmm(tiled, v[0, :whole].view(tiles, TILE, 1))
        return total + parts.sum(0, dtype=torch.float64).T
    for start in range(0, whole, TILE):
        stop = start + TILE
        total += torch.bmm(rows[..., start:stop], v[:, start:stop].unsqueeze(-1)).squeeze(-1)
    return total


def dot(a: Tensor, b: Tensor) -> Tensor:
    """``a'b`` for each run: (R, n), (R, n) -> (R,) float64."""
    return rows_dot(a.unsqueeze(1), b).squeeze(1)


def combine(coefficients: Tensor, rows: Tensor) -> Tensor:
    """``sum_i c_i row_i`` for each run: (R, m), (R, m, n) -> (R, n) in the rows' dtype."""
    return torch.bmm(coefficients.to(rows.dtype).unsqueeze(1), rows).squeeze(1)


def add_combination_(v: Tensor, coefficients: Tensor, rows: Tensor) -> Tensor:
    """``v += sum_i c_i row_i`` for each run, in place: (R, n), (R, m), (R, m, n)."""
    v.unsqueeze(1).baddbmm_(coefficients.to(rows.dtype).unsqueeze(1), rows)
    return v


def all_finite(v: Tensor) -> Tensor:
    """Whether the Euclidean norm of each run's vector is finite in its own dtype: (R, n) -> (R,) bool.

    So an entry which is finite but whose square overflows counts as infinite: H0's accumulator squares it.
    """
    return torch.isfinite(torch.linalg.vector_norm(v, dim=1).square())
