"""adaQN's pairs from gradients in host memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from adaqn_lab import huge_pages
from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.checks import require_int, require_storage, storable, storage
from adaqn_lab.linalg import combine, rows_dot, write_row_
from adaqn_lab.pairs.normalisation import Mean, Normalisation
from adaqn_lab.protocols import Displacement, OracleLike, Step
from adaqn_lab.space import Space

COLUMNS = 1 << 17
"""Columns of all gradients which are on the device at a time."""


@dataclass
class HostStore:
    """``old`` (m_F R n,) in host memory, blocks (m_F, R, C) of ``COLUMNS`` columns: a run's last ``held`` (R,) rows.

    ``recent`` (R, L, n), on the device: the first ``count`` (R,) rows are the gradients since the last move.
    """

    old: Tensor
    held: Tensor
    recent: Tensor
    count: Tensor

    @property
    def window(self) -> int:
        """m_F."""
        return self.old.numel() // max(self.recent[:, 0].numel(), 1)

    def rows(self) -> Iterator[tuple[Tensor, slice, Tensor]]:
        """For each block of ``old`` all gradients on the device, the recent ones below: (R, m_F + L, C); which columns
        these are; and the block itself, (m_F, R, C) in host memory.
        """
        m, (runs, _, n) = self.window, self.recent.shape
        for start in range(0, n, COLUMNS):
            columns = slice(start, min(start + COLUMNS, n))
            recent = self.recent[:, :, columns]
            block = self.old[m * runs * start : m * runs * columns.stop].view(m, runs, -1)
            yield torch.cat([block.to(recent.device, non_blocking=True).transpose(0, 1), recent], 1), columns, block

    def valid(self) -> Tensor:
        """Which of these rows are the last m_F gradients, (R, m_F + L)."""
        row = torch.arange(self.window + self.recent.shape[1], device=self.count.device)
        first = torch.maximum(self.window - self.held, self.count)
        return (row >= first.unsqueeze(1)) & (row < (self.window + self.count).unsqueeze(1))

    def move_(self) -> None:
        """Move the recent gradients to the host, where as many of the oldest leave; nothing is read by the host."""
        (runs, recent, _), m = self.recent.shape, self.window
        place = torch.arange(m, device=self.count.device).unsqueeze(1)
        run = torch.arange(runs, device=self.count.device) * (m + recent)
        source = (place + self.count + run).view(-1)  # (m_F, R): the row which comes to each place
        for rows, _, block in self.rows():
            moved = rows.view(-1, rows.shape[2]).index_select(0, source)
            block.copy_(moved.view(block.shape), non_blocking=True)
        self.held = (self.held + self.count).clamp_(max=m)
        self.count = torch.zeros_like(self.count)


@dataclass(frozen=True, kw_only=True)
class HostFisher(PairGeneratorBase):
    """:class:`~adaqn_lab.EmpiricalFisher` with its gradients in host memory: the device holds ``every`` of them.

    The gradients of ``every`` steps are collected on the device and then moved; a product brings all of them back
    twice, block by block. Which of them a run holds only the device knows, so that a move rewrites all. Beside a GPU
    the memory is pinned and nothing waits for a transfer (with ``graphs=True`` ``every`` must divide the cadence's);
    beside a CPU it is the same memory, and nothing is gained.

    Memory: every n elements a run on the device, m_F n on the host. Transfers: 4 m_F n elements in ``every`` steps, if
    that is the cadence's window. Raises ``ValueError`` or ``TypeError`` for window or every < 1 or a ``dtype`` other
    than bfloat16 and None. Source: as EmpiricalFisher; where it is stored is this library's.
    """

    window: int = 100
    every: int = 20
    normalisation: Normalisation = Mean()
    dtype: torch.dtype | None = None

    def __post_init__(self) -> None:
        require_int("HostFisher", "window", self.window, at_least=1)
        require_int("HostFisher", "every", self.every, at_least=1)
        require_storage("HostFisher", self.dtype)

    def init(self, space: Space) -> HostStore:
        """An empty store."""
        dtype, size = storage(space, self.dtype), (self.window * space.runs * space.size,)
        pinned = space.device.type == "cuda"
        old = huge_pages.zeros(size, dtype, torch.device("cpu") if pinned else space.device, pinned)
        return HostStore(old, space.counts(), space.zeros(self.every, dtype=dtype), space.counts())

    def observe_(self, state: HostStore, step: Step) -> None:
        """Keep g; move what was kept at the end of every ``every`` steps."""
        # Not held where the step is skipped: the count stays. Never past the last row, were a move ever left out.
        g = storable(step.g, state.recent.dtype)
        write_row_(state.recent, g, state.count.clamp(max=self.every - 1))
        state.count = (state.count + step.where.long()).clamp_(max=self.every)
        if step.last or (step.place + 1) % self.every == 0:
            state.move_()

    def pair_(self, state: HostStore, move: Displacement, oracle: OracleLike) -> Tensor:
        """Return y = c F' (F s)."""
        valid = state.valid()
        products = torch.zeros(valid.shape, dtype=torch.float64, device=valid.device)
        for rows, columns, _ in state.rows():
            products += rows_dot(rows, move.s[:, columns].contiguous())
        factor = self.normalisation.factor(valid.sum(1).clamp_(min=1))
        weights = torch.where(valid, products, 0.0) * factor.unsqueeze(1)
        y = torch.empty_like(move.s)
        for rows, columns, _ in state.rows():
            y[:, columns] = combine(weights, rows, y.dtype)
        return y

    def reset_(self, state: HostStore, where: Tensor) -> None:
        """Forget the gradients of the runs in ``where``."""
        state.held = state.held.masked_fill(where, 0)
        state.count = state.count.masked_fill(where, 0)
