"""H0 = value I."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from adaqn_lab.checks import require_real
from adaqn_lab.protocols import Curvature, Step
from adaqn_lab.space import Space


@dataclass(frozen=True, kw_only=True)
class Constant:
    """H0 = value I at every step. No state. Raises ``ValueError`` or ``TypeError`` unless value > 0.

    Source: oBFGS's and RES's B0 = I / value, K-BFGS(L)'s fixed H0.
    """

    value: float = 1.0

    def __post_init__(self) -> None:
        require_real("Constant", "value", self.value, above=0.0)

    def init(self, space: Space) -> None:
        """No state."""

    def observe_(self, state: None, step: Step) -> None:
        """Gradients are not used."""

    def apply_(self, state: None, history: Curvature, v: Tensor) -> Tensor:
        """Return value v, in place."""
        return v.mul_(self.value)

    def apply_inverse_(self, state: None, history: Curvature, v: Tensor) -> Tensor:
        """Return v / value, in place."""
        return v.div_(self.value)
