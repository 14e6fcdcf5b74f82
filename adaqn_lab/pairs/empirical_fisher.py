"""adaQN's pairs: products with the accumulated empirical Fisher matrix."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from adaqn_lab import ring
from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.checks import require_int, require_storage, storable, storage
from adaqn_lab.linalg import combine, rows_dot, write_row_
from adaqn_lab.pairs.normalisation import Mean, Normalisation
from adaqn_lab.protocols import Displacement, OracleLike, Step
from adaqn_lab.space import Space


@dataclass
class FisherStore:
    """A ring of gradients: ``gradients`` (R, m_F + 1, n), ``head`` (R,) the slot to write next, ``count`` (R,) held.

    There is one slot more than gradients are held: whatever is written into the slot at ``head`` is not held before
    ``head`` moves on, so that a step which is skipped writes there too and nothing needs a mask.
    """

    gradients: Tensor
    head: Tensor
    count: Tensor

    @classmethod
    def empty(cls, space: Space, window: int, dtype: torch.dtype) -> FisherStore:
        """A store for ``window`` gradients in ``dtype``."""
        return cls(space.zeros(window + 1, dtype=dtype), space.counts(), space.counts())

    def push_(self, g: Tensor, where: Tensor) -> None:
        """Store g (R, n) of the runs in ``where``; the oldest leaves a full store."""
        slots = self.gradients.shape[1]
        write_row_(self.gradients, storable(g, self.gradients.dtype), self.head)
        self.head, self.count = ring.advanced(self.head, self.count, slots, where, most=slots - 1)

    def held(self) -> Tensor:
        """Which slots hold a gradient, (R, m_F + 1)."""
        return ring.held(self.head, self.count, self.gradients.shape[1])

    def products(self, s: Tensor) -> Tensor:
        """g_i's of every slot, zero on those which hold nothing: (R, n) -> (R, m_F + 1) float64."""
        return torch.where(self.held(), rows_dot(self.gradients, s), 0.0)

    def clear_(self, where: Tensor) -> None:
        """Forget the gradients of the runs in ``where``."""
        self.head, self.count = ring.cleared(self.head, self.count, where)


@dataclass(frozen=True, kw_only=True)
class EmpiricalFisher(PairGeneratorBase):
    """y = c sum_i g_i (g_i's) over the last ``window`` = m_F mini-batch gradients, c by ``normalisation``.

    One vector is stored per mini-batch, not per example. s'y = c sum_i (g_i's)^2 >= 0 always, and y lies in
    the span of the stored gradients. A run with no stored gradient gets y = 0.

    ``dtype``: that of the stored gradients, by default the vectors'. With ``torch.bfloat16`` each is rounded to 8
    bits of mantissa, off by at most 2^-8 of its entries, and the products are those of the rounded gradients: the
    matrix stays symmetric and positive semi-definite. float64 entries beyond its range, 3.4e38, are cut to it.

    Memory: (m_F + 1) n elements a run; 2 m_F n multiply-adds a window.
    Raises ``ValueError`` or ``TypeError`` for ``window`` < 1 or a ``dtype`` other than bfloat16 and None.
    Source: Keskar & Berahas 2016 (accumulated empirical Fisher information matrix); the normalisation is a
    reading of it, on which the known implementations disagree. The storage in bfloat16 is this library's.
    """

    window: int = 100
    normalisation: Normalisation = Mean()
    dtype: torch.dtype | None = None

    def __post_init__(self) -> None:
        require_int("EmpiricalFisher", "window", self.window, at_least=1)
        require_storage("EmpiricalFisher", self.dtype)

    def init(self, space: Space) -> FisherStore:
        """An empty store."""
        return FisherStore.empty(space, self.window, storage(space, self.dtype))

    def observe_(self, state: FisherStore, step: Step) -> None:
        """Store g, evicting the oldest beyond m_F."""
        state.push_(step.g, step.where)

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        """Return y = c F' (F s)."""
        factor = self.normalisation.factor(state.count.clamp(min=1))
        return combine(state.products(move.s) * factor.unsqueeze(1), state.gradients, move.s.dtype)

    def reset_(self, state: FisherStore, where: Tensor) -> None:
        """Forget the gradients of the runs in ``where``."""
        state.clear_(where)
