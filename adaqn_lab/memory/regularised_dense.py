"""RES: a dense B which is kept above a multiple of the identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from adaqn_lab.bases import CurvatureBase, MemoryBase
from adaqn_lab.checks import require_int, require_real
from adaqn_lab.memory.admission import judge
from adaqn_lab.memory.curvature_tests import CautiousSS, CurvatureTest
from adaqn_lab.memory.dense import require_small
from adaqn_lab.protocols import Displacement, InitialMatrix, Operator, Verdict
from adaqn_lab.space import Space


@dataclass
class DenseHessian(CurvatureBase):
    """``B`` and its inverse ``H`` (R, n, n) float64, B0 until ``started`` (R,); the newest pair's products (R,)."""

    B: Tensor
    H: Tensor
    s_y: Tensor
    s_s: Tensor
    y_y: Tensor
    started: Tensor

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """s'y, s's, y'y of the newest pair, ones where there is none."""
        return (*(torch.where(self.started, x, 1.0) for x in (self.s_y, self.s_s, self.y_y)), self.started)  # type: ignore[return-value]


@dataclass(frozen=True, kw_only=True)
class RegularisedDense(MemoryBase):
    """B <- B - B s s'B / s'Bs + y y'/ s'y + delta I, so that B >= delta I after every pair.

    With y = (gradient difference) - delta s (``GradientDifference(shift=-delta)``) the secant equation B s = gradient
    difference holds. The first pair starts from the B0 of the scaling, which is taken to be diagonal and stays.

    Memory: 2 n^2 float64 elements a run. Cost: n^2 a product, n^3 a pair (one inversion).
    Raises ``ValueError`` or ``TypeError`` unless delta > 0; ``ValueError`` for more than ``limit`` parameters when the
    optimizer is built. Source: RES, Mokhtari & Ribeiro, IEEE Trans. Signal Processing 62 (2014), as minSQN does.
    """

    delta: float = 1e-3
    limit: int = 1000
    test: CurvatureTest = CautiousSS(eps=0.0)

    invertible: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_real("RegularisedDense", "delta", self.delta, above=0.0)
        require_int("RegularisedDense", "limit", self.limit, at_least=1)

    def init(self, space: Space) -> DenseHessian:
        """B = B0."""
        require_small("RegularisedDense", self.limit, space)
        B, H = (space.scalars(space.size, space.size) for _ in range(2))
        s_y, s_s, y_y = (space.scalars(fill=1.0) for _ in range(3))
        return DenseHessian(B, H, s_y, s_s, y_y, space.mask(False))

    def admit_(self, state: DenseHessian, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        """Update with (s, y) where the test accepts it."""
        verdict = judge(move, y, self.test)
        where = verdict.admitted
        initial = torch.diag_embed(operator(torch.ones_like(y)).double().reciprocal())
        B = torch.where(state.started.view(-1, 1, 1), state.B, initial)
        s, column = (x.double().unsqueeze(2) for x in (move.s, y))
        b_s = B @ s
        eye = torch.eye(y.shape[1], dtype=torch.float64, device=y.device)
        B = B - b_s @ b_s.mT / (s.mT @ b_s) + column @ column.mT / (s.mT @ column) + self.delta * eye
        accepted = where.view(-1, 1, 1)
        state.B = torch.where(accepted, B, state.B)
        state.H = torch.where(
            accepted, torch.linalg.inv_ex(torch.where(accepted, B, eye)).inverse.contiguous(), state.H
        )
        for name in ("s_y", "s_s", "y_y"):
            setattr(state, name, torch.where(where, getattr(verdict, name), getattr(state, name)))
        state.started = state.started | where
        return verdict

    def apply_(self, state: DenseHessian, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Return B^-1 v, H0 v before there is a pair."""
        product = (state.H @ v.double().unsqueeze(2)).squeeze(2).to(v.dtype)
        return torch.where(state.started.unsqueeze(1), product, h0.apply_(v))

    def solve_(self, state: DenseHessian, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Return B v."""
        product = (state.B @ v.double().unsqueeze(2)).squeeze(2).to(v.dtype)
        return torch.where(state.started.unsqueeze(1), product, h0.solve_(v))

    def reset_(self, state: DenseHessian, where: Tensor) -> None:
        """B = B0 for the runs in ``where``."""
        state.started = state.started & ~where
