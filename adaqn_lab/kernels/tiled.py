"""The forms in Triton, for a GPU: S v; then the tiles of Y with q, p and Y p, each read once; then S' gamma.

Every program works on one tile of one run's columns. Its sums are made in the vectors' dtype, as a tree over at most
``ELEMENTS`` / m columns, kept, and added in float64: the result does not depend on the order in which programs run.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from adaqn_lab.plain import times

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


def add_combination_(v: Tensor, coefficients: Tensor, rows: Tensor) -> None:
    """``v += sum_i c_i row_i`` for each run, in place: (R, n), (R, m), (R, m, n)."""
    _, m, n = rows.shape
    shape = _shape(rows)
    add[_grid(rows, shape["BLOCK"])](v, coefficients.double().contiguous(), rows, m, n, **shape)


def direction_(
    v: Tensor,
    S: Tensor,
    Y: Tensor,
    A: Tensor,
    D: Tensor,
    held: Tensor,
    squares: Tensor | None,
    weight: Tensor | None,
    gamma: Tensor | None,
    eps: float,
) -> None:
    """``v <- H v``, as :func:`adaqn_lab.plain.direction_`."""
    runs, m, n = Y.shape
    alpha = _times(A, torch.where(held, rows_dot(S, v), 0.0), held)
    shape = _shape(Y)
    tiles, _ = grid = _grid(Y, shape["BLOCK"])
    parts = torch.empty(runs, tiles, m, dtype=torch.float64, device=v.device)
    exact = torch.full((), eps, dtype=torch.float64, device=v.device)  # as an argument it would be rounded to float32
    middle[grid](
        v, alpha, Y, *(v if x is None else x for x in (squares, weight, gamma)), parts, exact, m, n, tiles,
        HAS_SQUARES=squares is not None, HAS_WEIGHT=weight is not None, HAS_GAMMA=gamma is not None, **shape,
    )  # fmt: skip
    add_combination_(v, _times(A.mT, torch.where(held, D * alpha - parts.sum(1), 0.0), held), S)


def _times(matrix: Tensor, vector: Tensor, held: Tensor) -> Tensor:
    """(R, m, m), (R, m) -> (R, m), zero where no pair is held."""
    return torch.where(held, times(matrix, vector), 0.0).contiguous()


_in_use: list[Any] = []


def use(on: bool, key: str = "CUDA") -> None:
    """Take them for CUDA's tensors from now on, or leave them. The passes over single vectors are torch's own launches.

    ``key``: the dispatcher's, another one for Triton's interpreter.
    """
    for old in _in_use:
        old._destroy()
    _in_use.clear()
    if on:
        library: Any = torch.library.Library("adaqn_lab", "IMPL")  # type: ignore[no-untyped-call]
        for form in (rows_dot, add_combination_, direction_):
            library.impl(form.__name__, form, key)
        _in_use.append(library)
