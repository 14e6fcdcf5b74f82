"""Adam's H0: the decaying mean of squared gradients without its bias."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from adaqn_lab.bases import ScalingBase
from adaqn_lab.checks import require_real
from adaqn_lab.diagonal import Diagonal
from adaqn_lab.protocols import Curvature, Step
from adaqn_lab.space import Space


@dataclass
class CorrectedMean:
    """``mean`` (R, n): the decaying mean of squared gradients; ``count`` (R,): the gradients in it."""

    mean: Tensor
    count: Tensor


@dataclass(frozen=True, kw_only=True)
class BiasCorrectedRMSProp(ScalingBase):
    """H0 = diag(1 / sqrt(V / (1 - decay^t) + eps)), V <- decay V + (1 - decay) g*g, t the gradients seen.

    Adam's denominator, but with eps inside the root as in this library's other scalings. I / sqrt(eps) before the
    first gradient. Memory: n elements a run. Raises ``ValueError`` or ``TypeError`` unless 0 <= decay < 1, eps > 0.
    Source: Kingma & Ba, Adam (2015), for the correction; as adaQN's H0 it is this library's proposal.
    """

    decay: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        require_real("BiasCorrectedRMSProp", "decay", self.decay, at_least=0.0, below=1.0)
        require_real("BiasCorrectedRMSProp", "eps", self.eps, above=0.0)

    def init(self, space: Space) -> CorrectedMean:
        """V = 0."""
        return CorrectedMean(space.zeros(), space.counts())

    def observe_(self, state: CorrectedMean, step: Step) -> None:
        """Update V and t for the runs in ``step.where``; the rows of the others are zero."""
        decay = torch.ones_like(step.where, dtype=step.g.dtype).masked_fill_(step.where, self.decay)
        state.mean.mul_(decay.unsqueeze(1)).addcmul_(step.g, step.g, value=1.0 - self.decay)
        state.count = state.count + step.where.long()

    def h0(self, state: CorrectedMean, curvature: Curvature) -> Diagonal:
        """H0 as it is now."""
        held = 1.0 - torch.pow(torch.full_like(state.count, 1, dtype=torch.float64) * self.decay, state.count)
        return Diagonal(squares=state.mean, weight=torch.where(state.count > 0, 1.0 / held, 1.0), eps=self.eps)
