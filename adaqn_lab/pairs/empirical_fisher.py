"""adaQN's pairs: products with the accumulated empirical Fisher matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from adaqn_lab import ring
from adaqn_lab.checks import require_int
from adaqn_lab.linalg import combine, rows_dot
from adaqn_lab.pairs.normalisation import Mean, Normalisation
from adaqn_lab.protocols import Displacement, Need, OracleLike, Step
from adaqn_lab.space import Space


@dataclass
class FisherStore:
    """A ring of gradients: ``gradients`` (R, m_F, n); ``head`` (R,) the slot to write next; ``count`` (R,)."""

    gradients: Tensor
    head: Tensor
    count: Tensor


@dataclass(frozen=True, kw_only=True)
class EmpiricalFisher:
    """y = c sum_i g_i (g_i's) over the last ``window`` = m_F mini-batch gradients, c by ``normalisation``.

    One vector is stored per mini-batch, not per example. s'y = c sum_i (g_i's)^2 >= 0 always, and y lies in
    the span of the stored gradients. A run with no stored gradient gets y = 0.

    Memory: m_F n elements a run; 2 m_F n multiply-adds a window.
    Raises ``ValueError`` or ``TypeError`` for ``window`` < 1.
    Source: Keskar & Berahas 2016 (accumulated empirical Fisher information matrix); the normalisation is a
    reading of it, on which the known implementations disagree.
    """

    window: int = 100
    normalisation: Normalisation = Mean()

    needs: ClassVar[frozenset[Need]] = frozenset()

    def __post_init__(self) -> None:
        require_int("EmpiricalFisher", "window", self.window, at_least=1)

    def init(self, space: Space) -> FisherStore:
        """An empty store."""
        return FisherStore(space.zeros(self.window), space.counts(), space.counts())

    def observe_(self, state: FisherStore, step: Step) -> None:
        """Store g, evicting the oldest beyond m_F."""
        ring.write_(state.gradients, step.g, state.head, step.where)
        state.head, state.count = ring.advanced(state.head, state.count, self.window, step.where)

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        """Return y = c F' (F s)."""
        held = ring.held(state.head, state.count, self.window)
        products = torch.where(held, rows_dot(state.gradients, move.s), 0.0)
        factor = self.normalisation.factor(state.count.clamp(min=1))
        return combine(products * factor.unsqueeze(1), state.gradients)

    def reset_(self, state: FisherStore, where: Tensor) -> None:
        """Forget the gradients of the runs in ``where``."""
        state.head, state.count = ring.cleared(state.head, state.count, where)
