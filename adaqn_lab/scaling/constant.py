"""H0 = value I."""

from __future__ import annotations

from dataclasses import dataclass

from adaqn_lab.bases import ScalingBase
from adaqn_lab.checks import require_real
from adaqn_lab.diagonal import Diagonal
from adaqn_lab.protocols import Curvature


@dataclass(frozen=True, kw_only=True)
class Constant(ScalingBase):
    """H0 = value I at every step. No state. Raises ``ValueError`` or ``TypeError`` unless value > 0.

    Source: oBFGS's and RES's B0 = I / value, K-BFGS(L)'s fixed H0.
    """

    value: float = 1.0

    def __post_init__(self) -> None:
        require_real("Constant", "value", self.value, above=0.0)

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        """H0."""
        return Diagonal(gamma=self.value)
