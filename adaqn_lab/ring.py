"""A ring of rows for each run: where to write next, which slots are held, in which order.

``head`` (R,) int64 is the slot to write next, ``count`` (R,) int64 the rows held, m the number of slots.
The runs move independently and the host reads none of it.
"""

from __future__ import annotations

import torch
from torch import Tensor


def age(head: Tensor, m: int) -> Tensor:
    """(R, m): 0 for the slot written next, rising to m - 1 for the newest: the slots' order in time."""
    return torch.remainder(torch.arange(m, device=head.device) - head.unsqueeze(1), m)


def held(head: Tensor, count: Tensor, m: int) -> Tensor:
    """(R, m) bool: which slots hold a row."""
    return age(head, m) >= m - count.unsqueeze(1)


def write_(rows: Tensor, row: Tensor, head: Tensor, where: Tensor) -> None:
    """``rows[r, head[r]] = row[r]`` for the runs in ``where``: (R, m, n), (R, n), (R,), (R,)."""
    runs, m, n = rows.shape
    flat = rows.view(runs * m, n)
    index = torch.arange(runs, device=head.device) * m + head
    old = flat.index_select(0, index)
    flat.index_copy_(0, index, torch.where(where.unsqueeze(1), row, old))


def advanced(head: Tensor, count: Tensor, m: int, where: Tensor) -> tuple[Tensor, Tensor]:
    """``head`` and ``count`` after a row was written for the runs in ``where``."""
    moved = torch.where(where, torch.remainder(head + 1, m), head)
    return moved, torch.where(where, (count + 1).clamp(max=m), count)


def cleared(head: Tensor, count: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
    """``head`` and ``count`` after the runs in ``where`` dropped every row."""
    return torch.where(where, 0, head), torch.where(where, 0, count)
