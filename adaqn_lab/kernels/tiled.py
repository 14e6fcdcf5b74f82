"""The forms in Triton, for a GPU: S v; then the tiles of Y with q, p and Y p, each read once; then S' gamma.

Every program works on one tile of one run's columns. Its sums are made in the vectors' dtype, as a tree over at most
``ELEMENTS`` / m columns, kept, and added in float64: the result does not depend on the order in which programs run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import triton
import triton.language as tl
from torch import Tensor

if TYPE_CHECKING:
    from adaqn_lab.diagonal import Diagonal

ELEMENTS = 1 << 14
"""Elements of the rows which a program holds at a time, in registers."""


@triton.jit  # type: ignore[untyped-decorator]
def dots(rows, v, parts, m, n, tiles, M: tl.constexpr, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """parts[run, tile] = rows v over the tile's columns."""
    tile, run = tl.program_id(0), tl.program_id(1).to(tl.int64)
    i, j = tl.arange(0, M), tile.to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(v + run * n + j, mask=j < n, other=0.0)
    inside = (i[:, None] < m) & (j[None, :] < n)
    r = tl.load(rows + (run * m + i[:, None]) * n + j[None, :], mask=inside, other=0.0).to(x.dtype)
    total = tl.sum(r * x[None, :], axis=1)
    tl.store(parts + (run * tiles + tile) * m + i, total.to(tl.float64), mask=i < m)


@triton.jit  # type: ignore[untyped-decorator]
def add(v, coefficients, rows, m, n, M: tl.constexpr, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """v += coefficients' rows on the tile's columns."""
    tile, run = tl.program_id(0), tl.program_id(1).to(tl.int64)
    i, j = tl.arange(0, M), tile.to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(v + run * n + j, mask=j < n, other=0.0)
    c = tl.load(coefficients + run * m + i, mask=i < m, other=0.0).to(x.dtype)
    inside = (i[:, None] < m) & (j[None, :] < n)
    r = tl.load(rows + (run * m + i[:, None]) * n + j[None, :], mask=inside, other=0.0).to(x.dtype)
    tl.store(v + run * n + j, x + tl.sum(c[:, None] * r, axis=0), mask=j < n)


@triton.jit  # type: ignore[untyped-decorator]
def middle(  # type: ignore[no-untyped-def]
    v, alpha, rows, squares, weight, gamma, parts, eps, m, n, tiles,
    HAS_SQUARES: tl.constexpr, HAS_WEIGHT: tl.constexpr, HAS_GAMMA: tl.constexpr, M: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """v = p = H0 (v - Y' alpha) on the tile's columns, parts[run, tile] = Y p over them."""
    tile, run = tl.program_id(0), tl.program_id(1).to(tl.int64)
    i, j = tl.arange(0, M), tile.to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    p = tl.load(v + run * n + j, mask=j < n, other=0.0)
    a = tl.load(alpha + run * m + i, mask=i < m, other=0.0).to(p.dtype)
    inside = (i[:, None] < m) & (j[None, :] < n)
    y = tl.load(rows + (run * m + i[:, None]) * n + j[None, :], mask=inside, other=0.0).to(p.dtype)
    p -= tl.sum(a[:, None] * y, axis=0)
    if HAS_SQUARES:
        g = tl.load(squares + run * n + j, mask=j < n, other=1.0)
        if HAS_WEIGHT:
            g *= tl.load(weight + run).to(p.dtype)
        p /= tl.sqrt(g + tl.load(eps).to(p.dtype))
    if HAS_GAMMA:
        p *= tl.load(gamma + run).to(p.dtype)
    tl.store(v + run * n + j, p, mask=j < n)
    total = tl.sum(y * p[None, :], axis=1)
    tl.store(parts + (run * tiles + tile) * m + i, total.to(tl.float64), mask=i < m)


def _shape(rows: Tensor) -> dict[str, Any]:
    """The sizes of a tile: all m rows, and a power of two of columns."""
    m = triton.next_power_of_2(max(rows.shape[1], 1))
    return {"M": m, "BLOCK": max(ELEMENTS // m, 16)}


def _grid(rows: Tensor, block: int) -> tuple[int, int]:
    return triton.cdiv(rows.shape[2], block), rows.shape[0]


def rows_dot(rows: Tensor, v: Tensor) -> Tensor:
    """``rows @ v`` for each run: (R, m, n), (R, n) -> (R, m) float64."""
    runs, m, n = rows.shape
    shape = _shape(rows)
    tiles, _ = grid = _grid(rows, shape["BLOCK"])
    parts = torch.empty(runs, tiles, m, dtype=torch.float64, device=v.device)
    dots[grid](rows, v, parts, m, n, tiles, **shape)
    return parts.sum(1)


def add_combination_(v: Tensor, coefficients: Tensor, rows: Tensor) -> Tensor:
    """``v += sum_i c_i row_i`` for each run, in place: (R, n), (R, m), (R, m, n)."""
    _, m, n = rows.shape
    shape = _shape(rows)
    add[_grid(rows, shape["BLOCK"])](v, coefficients.double().contiguous(), rows, m, n, **shape)
    return v


def direction_(s: Tensor, y: Tensor, inverse: Tensor, s_y: Tensor, held: Tensor, h0: Diagonal, v: Tensor) -> Tensor:
    """H v over v, from the fields of a :class:`~adaqn_lab.history.History`."""
    runs, m, n = y.shape
    alpha = _times(inverse, torch.where(held, rows_dot(s, v), 0.0), held)
    shape = _shape(y)
    tiles, _ = grid = _grid(y, shape["BLOCK"])
    parts = torch.empty(runs, tiles, m, dtype=torch.float64, device=v.device)
    eps = torch.full((), h0.eps, dtype=torch.float64, device=v.device)  # as an argument it would be rounded to float32
    middle[grid](
        v, alpha, y, *(v if x is None else x for x in (h0.squares, h0.weight, h0.gamma)), parts, eps, m, n, tiles,
        HAS_SQUARES=h0.squares is not None, HAS_WEIGHT=h0.weight is not None, HAS_GAMMA=h0.gamma is not None, **shape,
    )  # fmt: skip
    return add_combination_(v, _times(inverse.mT, torch.where(held, s_y * alpha - parts.sum(1), 0.0), held), s)


def _times(matrix: Tensor, vector: Tensor, held: Tensor) -> Tensor:
    """(R, m, m), (R, m) -> (R, m), zero where no pair is held."""
    return torch.where(held, torch.bmm(matrix, vector.unsqueeze(2)).squeeze(2), 0.0).contiguous()
