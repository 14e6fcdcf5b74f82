"""A ring of rows for each run: where to write next, which slots are held, in which order.

``head`` (R,) int64 is the slot to write next, ``count`` (R,) int64 the rows held, m the number of slots.
The runs move independently and the host reads none of it. :func:`adaqn_lab.linalg.write_row_` writes a row.

A state of this package with the fields ``head`` and ``count`` is one; its rows (R, m, n) are its first field, and
``held`` (R, m), where it has that, is what :func:`held` says.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def age(head: Tensor, m: int) -> Tensor:
    """(R, m): 0 for the slot written next, rising to m - 1 for the newest: the slots' order in time."""
    return torch.remainder(torch.arange(m, device=head.device) - head.unsqueeze(1), m)


def held(head: Tensor, count: Tensor, m: int) -> Tensor:
    """(R, m) bool: which slots hold a row."""
    return age(head, m) >= m - count.unsqueeze(1)


def advanced(head: Tensor, count: Tensor, m: int, where: Tensor, most: int | None = None) -> tuple[Tensor, Tensor]:
    """``head`` and ``count`` after a row was written for the runs in ``where``; ``most``: rows held at most, else m."""
    return torch.remainder(head + where, m), (count + where).clamp_(max=m if most is None else most)


def cleared(head: Tensor, count: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
    """``head`` and ``count`` after the runs in ``where`` dropped every row."""
    return head.masked_fill(where, 0), count.masked_fill(where, 0)


def possible(fields: Mapping[str, Tensor]) -> bool:
    """Whether the fields of a state can be a ring's, or are none's; reads them on the host."""
    if not {"head", "count"} <= fields.keys():
        return True
    m = next(iter(fields.values())).shape[1]
    head, count = fields["head"].cpu(), fields["count"].cpu()
    inside = (head >= 0) & (head < max(m, 1)) & (count >= 0) & (count <= m)
    return bool(inside.all()) and ("held" not in fields or torch.equal(fields["held"].cpu(), held(head, count, m)))
