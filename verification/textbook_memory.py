"""A memory as somebody writes it who knows the protocol and a textbook: rows in time order, the two loops, plain torch.

It declares nothing and shares no code with adaqn_lab's own memories: the laws that every memory obeys are tried on it,
and their wrong parts are made from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import Displacement, Space, Verdict
from adaqn_lab.bases import MemoryBase
from adaqn_lab.protocols import InitialMatrix, Operator

Four = tuple[Tensor, Tensor, Tensor, Tensor]


def inner(a: Tensor, b: Tensor) -> Tensor:
    """a'b in float64 over the last dimension."""
    return (a.double() * b.double()).sum(-1)


@dataclass
class Rows:
    """S, Y (R, m, n), the newest pair last; ``count`` (R,) of the last rows hold a pair, the others are zero."""

    s: Tensor
    y: Tensor
    count: Tensor

    @property
    def held(self) -> Tensor:
        """(R, m) bool."""
        m = self.s.shape[1]
        return torch.arange(m) >= m - self.count.unsqueeze(1)

    def products(self) -> Four:
        """s'y, s's, y'y of every row, ones where it holds none."""
        pairs = ((self.s, self.y), (self.s, self.s), (self.y, self.y))
        a, b, c = (torch.where(self.held, inner(x, y), 1.0) for x, y in pairs)
        return a, b, c, self.held

    def newest(self) -> Four:
        """The same of the last row."""
        a, b, c, held = (x[:, -1].clone() for x in self.products())
        return a, b, c, held


@dataclass(frozen=True)
class TextbookMemory(MemoryBase):
    """The last ``capacity`` pairs with s'y > 1e-8 |s||y|, all three products in the normal range of float64."""

    capacity: int = 10

    def init(self, space: Space) -> Any:
        """No pairs."""
        return Rows(space.zeros(self.capacity), space.zeros(self.capacity), space.counts())

    def products(self, move: Displacement, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """s'y, s's, y'y."""
        return inner(move.s, y), inner(move.s, move.s), inner(y, y)

    def accepts(self, s_y: Tensor, s_s: Tensor, y_y: Tensor) -> Tensor:
        """The test."""
        tiny = torch.finfo(torch.float64).tiny
        normal = torch.stack([s_y, s_s, y_y]).isfinite().all(0) & (torch.stack([s_y, s_s, y_y]) >= tiny).all(0)
        return normal & (s_y > 1e-8 * s_s.sqrt() * y_y.sqrt())

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        """Push what the test accepts."""
        told = self.products(move, y)
        admitted = move.where & self.accepts(*told)
        self.push_(state, move.s, y, admitted)
        return Verdict(admitted, *told)

    def push_(self, state: Any, s: Tensor, y: Tensor, where: Tensor) -> None:
        """Every row moves up by one."""
        mask = where.view(-1, 1, 1)
        state.s = torch.where(mask, torch.cat([state.s[:, 1:], s.unsqueeze(1)], 1), state.s)
        state.y = torch.where(mask, torch.cat([state.y[:, 1:], y.unsqueeze(1)], 1), state.y)
        state.count = (state.count + where).clamp_(max=self.capacity)

    def rho(self, state: Any) -> Tensor:
        """1 / s'y (R, m), zero where nothing is held."""
        s_y, _, _, held = Rows.products(state)
        return torch.where(held, 1.0 / s_y, 0.0)

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        """The two loops."""
        rho, q = self.rho(state), v.clone()
        alphas = []
        for i in reversed(range(self.capacity)):
            alphas.append(rho[:, i] * inner(state.s[:, i], q))
            q = q - alphas[-1].to(q.dtype).unsqueeze(1) * state.y[:, i]
        r = h0.apply_(q)
        for i, alpha in zip(range(self.capacity), reversed(alphas), strict=True):
            beta = rho[:, i] * inner(state.y[:, i], r)
            r = r + (alpha - beta).to(r.dtype).unsqueeze(1) * state.s[:, i]
        return r

    def reset_(self, state: Any, where: Tensor) -> None:
        """Forget."""
        for name in ("s", "y"):
            setattr(state, name, torch.where(where.view(-1, 1, 1), 0.0, getattr(state, name)))
        state.count = state.count.masked_fill(where, 0)
