"""Cautious tests: is the curvature along s good enough to admit the pair?

Each accepts iff its inequality is true, so that a NaN rejects. They skip in different regimes: for Fisher
pairs the y'y test can fail only while gradients are large, the s's test when they are small; only the cosine
test is invariant to the scale of the objective.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from adaqn_lab.checks import require_real


class CurvatureTest(Protocol):
    """Accept (s, y)?"""

    def accept(self, s_y: Tensor, s_s: Tensor, y_y: Tensor) -> Tensor:
        """s'y, s's, y'y, each (R,) float64 -> (R,) bool."""
        ...


@dataclass(frozen=True, kw_only=True)
class CautiousSS:
    """s'y > eps s's (stochQN's reading): the Rayleigh quotient of the curvature is above eps. eps >= 0."""

    eps: float = 1e-4

    def __post_init__(self) -> None:
        require_real("CautiousSS", "eps", self.eps, at_least=0.0)

    def accept(self, s_y: Tensor, s_s: Tensor, y_y: Tensor) -> Tensor:
        """s'y > eps s's."""
        return s_y > self.eps * s_s


@dataclass(frozen=True, kw_only=True)
class CautiousYY:
    """s'y > eps y'y (the authors' MATLAB code): the curvature is below 1/eps. eps >= 0."""

    eps: float = 1e-4

    def __post_init__(self) -> None:
        require_real("CautiousYY", "eps", self.eps, at_least=0.0)

    def accept(self, s_y: Tensor, s_s: Tensor, y_y: Tensor) -> Tensor:
        """s'y > eps y'y."""
        return s_y > self.eps * y_y


@dataclass(frozen=True, kw_only=True)
class CautiousCosine:
    """s'y > eps |s| |y|: scale-free. 0 <= eps < 1."""

    eps: float = 1e-4

    def __post_init__(self) -> None:
        require_real("CautiousCosine", "eps", self.eps, at_least=0.0, below=1.0)

    def accept(self, s_y: Tensor, s_s: Tensor, y_y: Tensor) -> Tensor:
        """s'y > eps |s| |y|."""
        return s_y > self.eps * s_s.sqrt() * y_y.sqrt()
