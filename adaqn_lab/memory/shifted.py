"""A window whose matrix is shifted by a multiple of the identity."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from adaqn_lab.checks import require_int, require_real
from adaqn_lab.diagonal import Entries
from adaqn_lab.history import History
from adaqn_lab.linalg import add_combination_, rows_dot
from adaqn_lab.memory.curvature_tests import CautiousSS, CurvatureTest
from adaqn_lab.memory.windowed import Windowed
from adaqn_lab.protocols import InitialMatrix


@dataclass(frozen=True, kw_only=True)
class ShiftedWindow(Windowed):
    """H = (B + delta I)^-1, B the L-BFGS matrix of the last ``capacity`` pairs around B0 = H0^-1.

    By the compact form B = B0 - W' M^-1 W and Woodbury's formula, with D = (B0 + delta I)^-1,

        H v = D v + D W' (M - W D W')^-1 W D v

    H0 is taken to be diagonal, as all shipped scalings are. ``newest`` answers for B's pairs.
    Memory: 2 m n elements a run. Cost: the compact form anew at each product, about 8 m^2 n multiply-adds.
    Raises ``ValueError`` or ``TypeError`` unless capacity >= 1 and delta > 0.
    Source: L-RES of the authors' MATLAB code (minSQN), there by Woodbury's formula or conjugate gradients.
    """

    capacity: int = 10
    delta: float = 1e-3
    test: CurvatureTest = CautiousSS(eps=0.0)

    def __post_init__(self) -> None:
        require_int("ShiftedWindow", "capacity", self.capacity, at_least=1)
        require_real("ShiftedWindow", "delta", self.delta, above=0.0)

    def apply_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Return (B + delta I)^-1 v."""
        b = h0.apply_(torch.ones_like(v)).reciprocal()
        D = (b + self.delta).reciprocal()
        W, M = state.compact(Entries(inverse=b))
        scaled = W * D.unsqueeze(1)
        gram = torch.stack([rows_dot(W, row.contiguous()) for row in scaled.unbind(1)], dim=2)
        inner = torch.linalg.solve_ex(M - gram, rows_dot(scaled, v).unsqueeze(2)).result.squeeze(2)
        return add_combination_(v * D, inner, scaled)

    def solve_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Return B v + delta v."""
        return state.solve_(v.clone(), h0).add_(v, alpha=self.delta)
