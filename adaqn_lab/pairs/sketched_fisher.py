"""The empirical Fisher matrix from less memory: signed sums of gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from adaqn_lab import ring
from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.checks import require_int
from adaqn_lab.linalg import combine, rows_dot, write_row_
from adaqn_lab.pairs.normalisation import Mean, Normalisation
from adaqn_lab.protocols import Displacement, OracleLike, Step
from adaqn_lab.space import Space


@dataclass
class SketchStore:
    """``rows`` (R, q, n): signed sums; ``head``, ``count`` (R,) the ring; ``within`` (R,) gradients in the newest
    row; ``seen`` (R,) gradients ever, from which the signs follow.
    """

    rows: Tensor
    head: Tensor
    count: Tensor
    within: Tensor
    seen: Tensor


@dataclass(frozen=True, kw_only=True)
class SketchedFisher(PairGeneratorBase):
    """y = c sum_j z_j (z_j's), each z_j = sum of ``group`` consecutive gradients with random signs.

    With independent signs E[z z'] = sum g g', so y is unbiased for :class:`~adaqn_lab.EmpiricalFisher`'s over the
    gradients held, from ``rows`` = q vectors in place of q group; s'y = c sum (z_j's)^2 >= 0 still. The price is
    variance: a cross term 2 e_i e_k (g_i's)(g_k's) for each two gradients in a row. The signs are a hash
    of ``seed`` and the number of the gradient, made on the device; every run has the same, so that runs together
    equal runs alone. The oldest row leaves whole: between (q - 1) group + 1 and q group gradients are held.

    Memory: q n elements a run; n multiply-adds a step and 2 q n a window.
    Raises ``ValueError`` or ``TypeError`` for rows or group < 1, seed < 0. Source: this library's (a block of the
    random sign sketch).
    """

    rows: int = 20
    group: int = 5
    normalisation: Normalisation = Mean()
    seed: int = 0

    def __post_init__(self) -> None:
        require_int("SketchedFisher", "rows", self.rows, at_least=1)
        require_int("SketchedFisher", "group", self.group, at_least=1)
        require_int("SketchedFisher", "seed", self.seed, at_least=0)

    def init(self, space: Space) -> SketchStore:
        """An empty store."""
        return SketchStore(space.zeros(self.rows), space.counts(), space.counts(), space.counts(), space.counts())

    def observe_(self, state: SketchStore, step: Step) -> None:
        """Add g with its sign to the newest row, or start the next row with it."""
        sign = _sign(state.seen, self.seed).to(step.g.dtype).unsqueeze(1)
        state.seen = state.seen + step.where.long()
        fresh = step.where & ((state.within == 0) | (state.within == self.group))
        state.head, state.count = ring.advanced(state.head, state.count, self.rows, fresh)
        newest = torch.remainder(state.head - 1, self.rows)
        old = state.rows.gather(1, newest.view(-1, 1, 1).expand(-1, 1, step.g.shape[1])).squeeze(1)
        signed = sign * step.g
        write_row_(state.rows, torch.where(fresh.unsqueeze(1), signed, old + signed), newest, step.where)
        state.within = torch.where(fresh, 1, state.within + step.where.long())

    def pair_(self, state: SketchStore, move: Displacement, oracle: OracleLike) -> Tensor:
        """Return y = c Z' (Z s)."""
        held = ring.held(state.head, state.count, self.rows)
        products = torch.where(held, rows_dot(state.rows, move.s), 0.0)
        gradients = (state.count - 1) * self.group + state.within
        factor = self.normalisation.factor(gradients.clamp(min=1))
        return combine(products * factor.unsqueeze(1), state.rows)

    def reset_(self, state: SketchStore, where: Tensor) -> None:
        """Forget the gradients of the runs in ``where``; the signs go on, as noise does."""
        state.head, state.count = ring.cleared(state.head, state.count, where)
        state.within = torch.where(where, 0, state.within)


def _sign(number: Tensor, seed: int) -> Tensor:
    """+1 or -1 by a hash of ``number`` (R,) int64; the multiplications wrap (constants of splitmix64)."""
    x = (number + (seed + 1) * 0x632BE59BD9B4E019 % 2**31) * -0x61C8864680B583EB
    x = (x ^ (x >> 30)) * -0x40A7B892E31B1A47
    x = (x ^ (x >> 27)) * -0x6B2FB644ECCEEE15
    return 1 - 2 * ((x >> 40) & 1)
