"""A ring of rows for each run: where to write next, which slots are held, in which order.

``head`` (R,) int64 is the slot to write next, ``count`` (R,) int64 the rows held, m the number of slots.
The runs move independently and the host reads none of it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from adaqn_lab import kernels
from adaqn_lab.linalg import CHUNK


def age(head: Tensor, m: int) -> Tensor:
    """(R, m): 0 for the slot written next, rising to m - 1 for the newest: the slots' order in time."""
    return torch.remainder(torch.arange(m, device=head.device) - head.unsqueeze(1), m)


def held(head: Tensor, count: Tensor, m: int) -> Tensor:
    """(R, m) bool: which slots hold a row."""
    return age(head, m) >= m - count.unsqueeze(1)


def put_(rows: Tensor, row: Tensor, head: Tensor) -> None:
    """``rows[r, head[r]] = row[r]`` for every run, in the rows' dtype: (R, m, n), (R, n), (R,)."""
    if forms := kernels.passing(row, rows):
        forms.write_(rows, row, head)
        return
    flat, index = _flat(rows, head)
    flat.index_copy_(0, index, row.to(rows.dtype))


def write_(rows: Tensor, row: Tensor, head: Tensor, where: Tensor) -> None:
    """The same for the runs in ``where`` (R,) only; the others keep every bit."""
    if forms := kernels.passing(row, rows):
        forms.write_(rows, row, head, where)
        return
    flat, index = _flat(rows, head)
    for part, new in zip(torch.split(flat, CHUNK, 1), torch.split(row, CHUNK, 1), strict=True):
        old = part.index_select(0, index)
        part.index_copy_(0, index, torch.where(where.unsqueeze(1), new.to(rows.dtype), old))


def _flat(rows: Tensor, head: Tensor) -> tuple[Tensor, Tensor]:
    """All runs' rows below each other, and which of these are the heads."""
    runs, m, n = rows.shape
    index = head if runs == 1 else torch.arange(runs, device=head.device).mul_(m).add_(head)
    return rows.view(runs * m, n), index


def advanced(head: Tensor, count: Tensor, m: int, where: Tensor, most: int | None = None) -> tuple[Tensor, Tensor]:
    """``head`` and ``count`` after a row was written for the runs in ``where``; ``most``: rows held at most, else m."""
    return torch.remainder(head + where, m), (count + where).clamp_(max=m if most is None else most)


def cleared(head: Tensor, count: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
    """``head`` and ``count`` after the runs in ``where`` dropped every row."""
    return head.masked_fill(where, 0), count.masked_fill(where, 0)
