"""The operators of :mod:`adaqn_lab.operators` in plain torch, for every device and every layout.

One long float32 sum over terms of one sign (s'y always is one) loses digits in proportion to its length:
2 to 4 of them at n = 1e7. Here float32 sums never run over more than ``TILE`` elements; the partial sums
are added in float64.
"""

from __future__ import annotations

import torch
from torch import Tensor

from adaqn_lab.sizes import BLOCK, TILE, WIDENED, chunk


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


def add_combination_(v: Tensor, coefficients: Tensor, rows: Tensor) -> None:
    """``v += sum_i c_i row_i`` for each run, in place: (R, n), (R, m), (R, m, n)."""
    c = coefficients.to(v.dtype)
    if rows.dtype == v.dtype:
        _add_(v, c, rows)
        return
    size = max(1024, WIDENED // max(rows.shape[0] * rows.shape[1], 1))
    for part, u in zip(torch.split(rows, size, 2), torch.split(v, size, 1), strict=True):
        _add_(u, c, part.to(v.dtype))


def _add_(v: Tensor, c: Tensor, rows: Tensor) -> None:
    if rows.shape[0] == 1:
        v[0].addmv_(rows[0].T, c[0])
    else:
        v.unsqueeze(1).baddbmm_(c.unsqueeze(1), rows)


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
    alpha = torch.where(held, times(A, torch.where(held, rows_dot(S, v), 0.0)), 0.0)
    size = BLOCK if v.shape[0] == 1 and v.device.type == "cpu" else max(v.shape[1], 1)
    y_p = torch.zeros_like(alpha)
    for start in range(0, v.shape[1], size):
        y, p = Y[:, :, start : start + size], v[:, start : start + size]
        add_combination_(p, -alpha, y)
        scale_(p, None if squares is None else squares[:, start : start + size], weight, gamma, eps)
        y_p += rows_dot(y, p, tile(Y))
    c = torch.where(held, D * alpha - y_p, 0.0)
    add_combination_(v, torch.where(held, times(A.mT, c), 0.0), S)


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
