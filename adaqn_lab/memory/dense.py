"""The memory of every pair since the last reset, as two dense matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from adaqn_lab.bases import CurvatureBase, MemoryBase
from adaqn_lab.checks import require_int
from adaqn_lab.memory.admission import judge
from adaqn_lab.memory.curvature_tests import CautiousSS, CurvatureTest
from adaqn_lab.protocols import Displacement, InitialMatrix, Operator, Verdict
from adaqn_lab.space import Space


@dataclass
class DenseMatrices(CurvatureBase):
    """H = P H0 P' + Q: ``P``, ``Q`` (R, n, n) float64; the newest pair's ``s_y``, ``s_s``, ``y_y`` (R,); ``exists``."""

    P: Tensor
    Q: Tensor
    s_y: Tensor
    s_s: Tensor
    y_y: Tensor
    exists: Tensor

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """s'y, s's, y'y of the newest pair, ones where there is none."""
        return (*(torch.where(self.exists, x, 1.0) for x in (self.s_y, self.s_s, self.y_y)), self.exists)  # type: ignore[return-value]


def require_small(owner: str, limit: int, space: Space) -> None:
    """Raise ``ValueError`` in one sentence if a dense matrix over the space is too large."""
    if space.size > limit:
        raise ValueError(
            f"{owner}: {space.size} parameters would need dense matrices of {space.size} x {space.size}, above "
            f"limit={limit}; use Window(), or raise the limit."
        )


@dataclass(frozen=True, kw_only=True)
class Dense(MemoryBase):
    """Full-memory BFGS: H <- V H V' + rho s s', V = I - rho s y', rho = 1 / s'y, for every pair that passes ``test``.

    Kept as H = P H0 P' + Q with P <- V P and Q <- V Q V' + rho s s', so that H0 may change at any step and H equals
    the L-BFGS matrix of all pairs since the last reset. B v solves H x = v with H0 applied to the unit vectors.

    Memory: 2 n^2 float64 elements a run. Cost: 4 n^2 multiply-adds a product, about 8 n^2 a pair, n^3 / 3 for B v.
    Raises ``ValueError`` for more than ``limit`` parameters when the optimizer is built.
    Source: Nocedal & Wright, Numerical Optimization (2006), equation (6.17).
    """

    limit: int = 1000
    test: CurvatureTest = CautiousSS(eps=0.0)

    invertible: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_int("Dense", "limit", self.limit, at_least=1)

    def init(self, space: Space) -> DenseMatrices:
        """H = H0."""
        require_small("Dense", self.limit, space)
        s_y, s_s, y_y = (space.scalars(fill=1.0) for _ in range(3))
        return DenseMatrices(_identity(space), space.scalars(space.size, space.size), s_y, s_s, y_y, space.mask(False))

    def admit_(self, state: DenseMatrices, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        """Update with (s, y) where the test accepts it."""
        verdict = judge(move, y, self.test)
        where = verdict.admitted
        rho = torch.where(where, 1.0 / verdict.s_y, 0.0).view(-1, 1, 1)
        s, column = (torch.where(where.unsqueeze(1), x, 0.0).double().unsqueeze(2) for x in (move.s, y))

        def left(M: Tensor) -> Tensor:
            """V M."""
            return M - rho * (s @ (column.mT @ M))

        accepted = where.view(-1, 1, 1)  # the other runs keep every bit: Q and its transpose may differ by rounding
        Q = (left(left(state.Q).mT) + rho * (s @ s.mT)).contiguous()  # else transposed in memory, at every other pair
        state.Q = torch.where(accepted, Q, state.Q)
        state.P = torch.where(accepted, left(state.P), state.P)
        for name in ("s_y", "s_s", "y_y"):
            setattr(state, name, torch.where(where, getattr(verdict, name), getattr(state, name)))
        state.exists = state.exists | where
        return verdict

    def apply_(self, state: DenseMatrices, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Return H v."""
        u = v.double().unsqueeze(2)
        inner = h0.apply_((state.P.mT @ u).squeeze(2).to(v.dtype)).double().unsqueeze(2)
        return (state.P @ inner + state.Q @ u).squeeze(2).to(v.dtype)

    def solve_(self, state: DenseMatrices, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Return B v."""
        n = v.shape[1]
        columns = torch.eye(n, dtype=v.dtype, device=v.device).unsqueeze(1).expand(n, *v.shape)
        B0 = torch.stack([h0.solve_(e.clone()) for e in columns], dim=2).double()
        H = state.P @ torch.linalg.solve_ex(B0, state.P.mT).result + state.Q
        product: Tensor = torch.linalg.solve_ex(H, v.double().unsqueeze(2)).result.squeeze(2)
        return product.to(v.dtype)

    def reset_(self, state: DenseMatrices, where: Tensor) -> None:
        """H = H0 for the runs in ``where``."""
        eye = torch.eye(state.P.shape[1], dtype=torch.float64, device=state.P.device)
        state.P = torch.where(where.view(-1, 1, 1), eye, state.P)
        state.Q = torch.where(where.view(-1, 1, 1), 0.0, state.Q)
        state.exists = state.exists & ~where


def _identity(space: Space) -> Tensor:
    return torch.eye(space.size, dtype=torch.float64, device=space.device).repeat(space.runs, 1, 1)
