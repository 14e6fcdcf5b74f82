"""adaQN's H0: the diagonal of AdaGrad."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from adaqn_lab.bases import ScalingBase
from adaqn_lab.checks import require_real
from adaqn_lab.diagonal import Diagonal
from adaqn_lab.protocols import Curvature, Step
from adaqn_lab.space import Space


@dataclass
class SquareSum:
    """``total`` (R, n): the sum of squared gradients."""

    total: Tensor


@dataclass(frozen=True, kw_only=True)
class AdaGrad(ScalingBase):
    """H0 = diag(1 / sqrt(G + eps)), G the sum of g*g over all steps, the current one included.

    eps stands inside the root (torch.optim.Adagrad adds it outside). Never reset, by a roll-back neither.
    Memory: n elements a run. Raises ``ValueError`` or ``TypeError`` unless eps > 0.
    Source: Keskar & Berahas 2016 as implemented; Duchi, Hazan & Singer, JMLR 12 (2011).
    """

    eps: float = 1e-4

    def __post_init__(self) -> None:
        require_real("AdaGrad", "eps", self.eps, above=0.0)

    def init(self, space: Space) -> SquareSum:
        """G = 0."""
        return SquareSum(space.zeros())

    def observe_(self, state: SquareSum, step: Step) -> None:
        """G += g*g; the rows of skipped runs are zero."""
        state.total.addcmul_(step.g, step.g)

    def h0(self, state: SquareSum, curvature: Curvature) -> Diagonal:
        """H0 as it is now."""
        return Diagonal(squares=state.total, eps=self.eps)
