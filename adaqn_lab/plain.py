"""The operators of :mod:`adaqn_lab.operators` in plain torch, for every device and every layout.

One long float32 sum over terms of one sign (s'y always is one) loses digits in proportion to its length:
2 to 4 of them at n = 1e7. Here float32 sums never run over more than ``TILE`` elements; the partial sums
are added in float64.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from adaqn_lab.sizes import ABREAST, BLOCK, BLOCKED, LONG, NEAR, SHARED, TILE, WIDENED, chunk


def rows_dot(rows: Tensor, v: Tensor) -> Tensor:
    """``rows @ v`` for each run: (R, m, n), (R, n) -> (R, m) float64. Reads ``rows`` once.

    Rows of another type than v, as bfloat16 ones, are widened to it a block at a time.
    """
    if rows.dtype != v.dtype:
        return torch.stack([rows_dot(part.to(v.dtype), u) for part, u in _blocks(rows, v)]).sum(0)
    if rows.dtype == torch.float64:
        return torch.bmm(rows, v.unsqueeze(-1)).squeeze(-1)
    if rows.shape[0] == 1:
        return _dot_of_one_run(rows, v)
    if v.device.type == "cpu" and v.shape[1] >= SHARED:  # a run's tiles are many enough for a batch of their own
        return torch.cat(
            [_dot_of_one_run(part, u) for part, u in zip(torch.split(rows, 1), torch.split(v, 1), strict=True)]
        )
    size = NEAR if v.device.type == "cpu" else 16 * TILE  # a batch may be added one by one; a GPU adds in trees
    tiles = zip(torch.split(rows, size, 2), torch.split(v, size, 1), strict=True)
    return torch.cat([_products(part.mT, u.unsqueeze(1)) for part, u in tiles], 1).sum(1, dtype=torch.float64)


def _dot_of_one_run(rows: Tensor, v: Tensor) -> Tensor:
    """(1, m, n), (1, n) -> (1, m) float64: tiles of columns as the batch of one product, or of one for a few rows."""
    _, m, n = rows.shape
    on_cpu = v.device.type == "cpu"
    near = TILE if 2 * SHARED <= n < LONG else NEAR
    tiles = max(-(-n // near) if on_cpu else n // TILE, 1)
    size = n // tiles if on_cpu else min(TILE, n)  # on a CPU of one length, so that next to nothing is left over
    columns, u = _tiled(rows, tiles, size).mT, _tiled(v.unsqueeze(1), tiles, size)
    if on_cpu and n >= LONG and m > ABREAST:
        parts = torch.cat([_products(few, u) for few in torch.split(columns, ABREAST, 2)], 2)
    else:
        parts = _products(columns, u)
    product, whole = parts.sum(0, dtype=torch.float64), tiles * size
    return product if whole == n else product.add_(torch.mv(rows[0, :, whole:], v[0, whole:]))


def _tiled(rows: Tensor, tiles: int, size: int) -> Tensor:
    """The first ``tiles size`` columns of one run's rows (1, m, n), a tile each: (tiles, m, size), a view.

    A single row has the stride of a tile's length, not 1: the batched product takes no other view of a vector as it is.
    """
    _, row, column = rows.stride()
    m = rows.shape[1]
    return rows.as_strided((tiles, m, size), (size * column, row if m > 1 else size * column, column))


def _products(columns: Tensor, v: Tensor) -> Tensor:
    """(B, size, m), (B, 1, size) -> (B, 1, m), as one batched product.

    In a CPU's batched products a row times a matrix takes a tenth of a matrix times a column, and uses all cores,
    where a matrix-vector product may use one.
    """
    if v.device.type == "cpu":
        return torch.bmm(v, columns)
    return torch.bmm(columns.mT, v.mT).mT


def _blocks(rows: Tensor, v: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Columns of rows and vector, few enough that a copy of the rows is small."""
    size = max(TILE, WIDENED // max(rows.shape[0] * rows.shape[1], 1))
    return zip(torch.split(rows, size, 2), torch.split(v, size, 1), strict=True)


def add_combination_(v: Tensor, coefficients: Tensor, rows: Tensor) -> None:
    """``v += sum_i c_i row_i`` for each run, in place: (R, n), (R, m), (R, m, n)."""
    add_multiple_(v, coefficients, rows, 1.0)


def add_multiple_(v: Tensor, coefficients: Tensor, rows: Tensor, factor: float) -> None:
    """``v += factor sum_i c_i row_i``."""
    c = coefficients.to(v.dtype)
    if rows.dtype == v.dtype:
        _add_(v, c, rows, factor)
        return
    for part, u in _blocks(rows, v):
        _add_(u, c, part.to(v.dtype), factor)


def _add_(v: Tensor, c: Tensor, rows: Tensor, factor: float) -> None:
    """The same in one dtype; of one long run on a CPU as a batch of one part for each thread.

    A single product with a vector runs on one core, whatever its length.
    """
    runs, m, n = rows.shape
    if runs == 1 and v.device.type != "cpu":
        v[0].addmv_(rows[0].T, c[0], alpha=factor)
        return
    parts = torch.get_num_threads() if runs == 1 and n >= SHARED else 1
    if parts == 1:
        v.unsqueeze(1).baddbmm_(c.unsqueeze(1), rows, alpha=factor)
        return
    size = n // parts
    whole = parts * size
    _tiled(v.unsqueeze(1), parts, size).baddbmm_(c.expand(parts, 1, m), _tiled(rows, parts, size), alpha=factor)
    if whole < n:
        v[0, whole:].addmv_(rows[0, :, whole:].T, c[0], alpha=factor)


def root(squares: Tensor, weight: Tensor | None, eps: float) -> Tensor:
    """``sqrt(weight squares + eps)``: (R, size), (R,) float64 or None for 1."""
    if weight is not None:
        squares = squares * weight.to(squares.dtype).unsqueeze(1)
    return torch.add(squares, eps).sqrt_()


def scale_(v: Tensor, squares: Tensor | None, weight: Tensor | None, gamma: Tensor | None, eps: float) -> None:
    """``v *= gamma / sqrt(weight squares + eps)``, without squares ``v *= gamma``: (R, size), (R,) float64."""
    if squares is not None:
        v.div_(root(squares, weight, eps))
    if gamma is not None:
        v.mul_(gamma.to(v.dtype).unsqueeze(1))


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
    """``v <- H v`` by the triangular form of :class:`~adaqn_lab.history.History`, H0 as :func:`scale_` has it."""
    empty = ~held
    alpha = times(A, rows_dot(S, v).masked_fill_(empty, 0.0)).masked_fill_(empty, 0.0)
    n = v.shape[1]
    if v.shape[0] == 1 and v.device.type == "cpu" and n >= BLOCKED:
        y_p = torch.zeros_like(alpha)
        for start in range(0, n, BLOCK):
            columns = slice(start, start + BLOCK)
            h0 = None if squares is None else squares[:, columns]
            y_p += _middle_(v[:, columns], alpha, Y[:, :, columns], h0, weight, gamma, eps)
    else:
        y_p = _middle_(v, alpha, Y, squares, weight, gamma, eps)
    c = torch.addcmul(y_p, D, alpha, value=-1.0).masked_fill_(empty, 0.0)  # the sign is the last product's
    add_multiple_(v, times(A.mT, c).masked_fill_(empty, 0.0), S, -1.0)


def _middle_(
    v: Tensor,
    alpha: Tensor,
    Y: Tensor,
    squares: Tensor | None,
    weight: Tensor | None,
    gamma: Tensor | None,
    eps: float,
) -> Tensor:
    """``v <- p = H0 (v - Y' alpha)``; return Y p (R, m)."""
    add_multiple_(v, alpha, Y, -1.0)
    scale_(v, squares, weight, gamma, eps)
    return rows_dot(Y, v)


def times(matrix: Tensor, vector: Tensor) -> Tensor:
    """(R, m, m), (R, m) -> (R, m)."""
    return torch.bmm(matrix, vector.unsqueeze(2)).squeeze(2)


def all_finite(v: Tensor) -> Tensor:
    """Whether the Euclidean norm of each run's vector is finite in its own dtype: (R, n) -> (R,) bool.

    So an entry which is finite but whose square overflows counts as infinite: H0's accumulator squares it.
    """
    return torch.lt(torch.linalg.vector_norm(v, dim=1).square_(), torch.inf)


def keep_finite_(v: Tensor, where: Tensor | None) -> Tensor:
    """Which runs of v (R, n) are finite by :func:`all_finite`; v becomes zero in the others and outside ``where``."""
    finite = all_finite(v)
    kept = finite if where is None else finite & where
    # Two passes which every CPU vectorises, where masked_fill_ is one that none does: 0 times infinity is NaN.
    v.mul_(kept.to(v.dtype).unsqueeze(1)).nan_to_num_()
    return finite


def write_row_(rows: Tensor, row: Tensor, head: Tensor, where: Tensor | None) -> None:
    """``rows[r, head[r]] = row[r]`` for the runs in ``where``, or all, in the rows' dtype; others keep every bit.

    (R, m, n), (R, n), (R,) int64, (R,) bool.
    """
    runs, m, n = rows.shape
    index = head if runs == 1 else torch.arange(runs, device=head.device).mul_(m).add_(head)
    flat = rows.view(runs * m, n)
    if where is None:
        flat.index_copy_(0, index, row.to(rows.dtype))
        return
    for part, new in zip(torch.split(flat, chunk(row), 1), torch.split(row, chunk(row), 1), strict=True):
        old = part.index_select(0, index)
        part.index_copy_(0, index, torch.where(where.unsqueeze(1), new.to(rows.dtype), old))


def descend_(
    totals: list[Tensor], parameters: list[Tensor], references: list[Tensor], d: list[Tensor], rates: list[float]
) -> None:
    """``totals += parameters - references``, then, where there is a ``d``, ``parameters -= rates d``, a rate each.

    Lists of tensors of equal shapes; a parameter of rate 0 keeps every bit.
    """
    torch._foreach_add_(totals, parameters)
    torch._foreach_sub_(totals, references)
    for rate in dict.fromkeys(rates):
        if rate != 0:
            here = [i for i, own in enumerate(rates) if own == rate]
            torch._foreach_add_([parameters[i] for i in here], [d[i] for i in here], alpha=-rate)
