"""The empirical Fisher matrix with mean and noise of the gradients told apart."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.checks import require_int
from adaqn_lab.linalg import combine
from adaqn_lab.pairs.empirical_fisher import FisherStore
from adaqn_lab.protocols import Displacement, OracleLike, Step
from adaqn_lab.space import Space


@dataclass(frozen=True, kw_only=True)
class CentredFisher(PairGeneratorBase):
    """y = B C s + m (m's): m the mean and C the covariance of the last ``window`` gradients, B = ``batch_size``.

    For mini-batches of B examples Cov(g) = Cov(example) / B while E[g] is the gradient itself. So of the per-example
    second moment, Cov(example) + grad grad', only the covariance is underestimated B times;
    :class:`~adaqn_lab.MeanTimesBatch` multiplies the mean's part too, which dominates where the gradient is large
    against its noise. With p_i = g_i's,

        y = (1/|F|) sum_i g_i [B (p_i - mean p) + mean p],  s'y = B var(p) + (mean p)^2 >= 0

    m and C are those of gradients at different iterates: what m drifts by within the window counts as noise.

    Memory: (|F| + 1) n elements a run; 2 |F| n multiply-adds a window, as :class:`~adaqn_lab.EmpiricalFisher`.
    Raises ``ValueError`` or ``TypeError`` for ``window`` or ``batch_size`` < 1. Source: this library's.
    """

    batch_size: int
    window: int = 100

    def __post_init__(self) -> None:
        require_int("CentredFisher", "batch_size", self.batch_size, at_least=1)
        require_int("CentredFisher", "window", self.window, at_least=1)

    def init(self, space: Space) -> FisherStore:
        """An empty store."""
        return FisherStore.empty(space, self.window, space.dtype)

    def observe_(self, state: FisherStore, step: Step) -> None:
        """Store g, evicting the oldest."""
        state.push_(step.g, step.where)

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        """Return y."""
        share = state.count.clamp(min=1).double().reciprocal().unsqueeze(1)
        products = state.products(move.s)
        mean = products.sum(1, keepdim=True) * share
        weights = torch.where(state.held(), self.batch_size * (products - mean) + mean, 0.0)
        return combine(weights * share, state.gradients)

    def reset_(self, state: FisherStore, where: Tensor) -> None:
        """Forget the gradients of the runs in ``where``."""
        state.clear_(where)
