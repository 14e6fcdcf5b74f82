"""Hessian-vector products by central differences of gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.checks import require_real
from adaqn_lab.linalg import dot
from adaqn_lab.protocols import Displacement, Need, OracleLike, Sample


@dataclass(frozen=True, kw_only=True)
class HessianDifference(PairGeneratorBase):
    """y = [g(w_bar + t s) - g(w_bar - t s)] / (2 t) on the curvature batch, t = radius / |s|. No state.

    For layers without a second derivative (cuDNN's recurrent kernels); exact for quadratics but for rounding. Its
    error is O(radius^2) from the third derivative and O(u |g| / radius) from rounding: 1e-3 suits float32.
    y = 0 where s = 0. Cost: two gradients of the curvature batch a window.
    Raises ``ValueError`` or ``TypeError`` unless radius > 0. Source: central differences, textbook.
    """

    radius: float = 1e-3

    needs: ClassVar[frozenset[Need]] = frozenset({Need.CURVATURE_GRADIENT})

    def __post_init__(self) -> None:
        require_real("HessianDifference", "radius", self.radius, above=0.0)

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        """Return y."""
        length = dot(move.s, move.s).sqrt().to(move.s.dtype).unsqueeze(1)
        moved = length > 0
        offset = move.s * torch.where(moved, self.radius / length, 0.0)
        up = oracle.gradient(move.w_bar + offset, Sample.CURVATURE)
        down = oracle.gradient(move.w_bar - offset, Sample.CURVATURE)
        return (up - down) * torch.where(moved, length / (2.0 * self.radius), 0.0)
