"""H0 from a decaying mean of squared gradients."""

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
class SquareMean:
    """``mean`` (R, n): the decaying mean of squared gradients."""

    mean: Tensor


@dataclass(frozen=True, kw_only=True)
class RMSProp(ScalingBase):
    """H0 = diag(1 / sqrt(V + eps)), V <- decay V + (1 - decay) g*g, no bias correction, eps inside the root.

    Memory: n elements a run. Raises ``ValueError`` or ``TypeError`` unless 0 <= decay < 1 and eps > 0.
    Source: the 'RMS' mode of the authors' MATLAB code (minSQN).
    """

    decay: float = 0.9
    eps: float = 1e-4

    def __post_init__(self) -> None:
        require_real("RMSProp", "decay", self.decay, at_least=0.0, below=1.0)
        require_real("RMSProp", "eps", self.eps, above=0.0)

    def init(self, space: Space) -> SquareMean:
        """V = 0."""
        return SquareMean(space.zeros())

    def observe_(self, state: SquareMean, step: Step) -> None:
        """Set V <- decay V + (1 - decay) g*g for the runs in ``step.where``; the rows of the others are zero."""
        # Not torch.where of two Python floats: that rounds the decay to float32 first.
        decay = torch.ones_like(step.where, dtype=step.g.dtype).masked_fill_(step.where, self.decay)
        state.mean.mul_(decay.unsqueeze(1)).addcmul_(step.g, step.g, value=1.0 - self.decay)

    def h0(self, state: SquareMean, curvature: Curvature) -> Diagonal:
        """H0 as it is now."""
        return Diagonal(squares=state.mean, eps=self.eps)
