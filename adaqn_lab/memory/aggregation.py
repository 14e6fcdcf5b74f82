"""The algebra of displacement aggregation, on small matrices: which pair is redundant, and what the others take over.

Pairs (s_t, y_t), oldest first. Let s_j = sum_t tau_t s_t over the newer pairs t > j, whose displacements and changes
are the columns of S and Y, and let B be the BFGS matrix of the older pairs around H0 = h0 I. With

    L = the strictly lower part of S'Y,  b = -L'tau / s_j'y_j,  M = L + (S'y_j) b',  N = S'B S = C C', C triangular

the pairs (S, Y + y_j b' + B S A), A = N^-1 (L~ - M), give the same matrix without the pair j iff L~ is strictly lower
triangular and L~'N^-1 L~ = (s_j'y_j) b b' + M'N^-1 M. The right side is positive semidefinite and its last row is
zero, so that L~, shifted up by a row, is C times the lower triangular factor Lambda of that side, which a QR
factorisation gives in reversed order. triu(S'Y), and with it every s_t'y_t > 0, does not change. The signs of
Lambda's rows are free; those which leave L~ = L where nothing is to be taken over are the least change of Y.

S enters through its QR factors only, newest first: what is lost to rounding grows with the condition number of the
newer displacements, not with its square.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Frame:
    """Pairs in an orthonormal basis of their displacements, in order of time, float64.

    ``basis`` (R, M, n): rows q_c; ``r`` (R, M, M) lower triangular: s_t = sum_c r[c, t] q_c, so that the rows c >= t
    span s_t and what is newer; ``y_q`` (R, M, M): y_t'q_c; ``held`` (R, M): which rows are pairs, the last ones. Rows
    which are not held are zero, and so are rows of the basis beyond the n-th newest.
    """

    basis: Tensor
    r: Tensor
    y_q: Tensor
    held: Tensor

    @classmethod
    def of(cls, s: Tensor, y: Tensor, held: Tensor) -> Frame:
        """The frame of S, Y (R, M, n), zero where they are not held. Cost: about 6 M^2 n multiply-adds."""
        runs, m, n = s.shape
        basis, r = torch.linalg.qr(s.flip(1).mT)
        wide, tall = s.new_zeros(runs, m, n), s.new_zeros(runs, m, m)
        wide[:, : min(m, n)], tall[:, : min(m, n)] = basis.mT, r
        wide = wide.flip(1)
        return cls(wide, tall.flip(1, 2), torch.bmm(y, wide.mT), held)

    def redundant(self, tolerance: float) -> Tensor:
        """(R, M) bool: the newest s_j at a distance <= ``tolerance`` |s_j| from the span of the newer ones, or none."""
        distance = self.r.diagonal(dim1=1, dim2=2).abs()
        near: Tensor = (distance <= tolerance * torch.linalg.vector_norm(self.r, dim=1)) & self.held
        newest: Tensor = near & (near.long().flip(1).cumsum(1).flip(1) == 1)
        return newest

    def taken_over(self, gone: Tensor, h0: float) -> tuple[Tensor, Tensor]:
        """The new Y = P Q + C Y without the pair ``gone`` (R, M), as P and C (R, M, M); Q is the basis.

        Rows of older pairs, and of runs without a ``gone``, are those of Y itself. A factorisation that breaks down
        leaves what is not finite, for the caller to refuse.
        """
        m = gone.shape[1]
        eye = torch.eye(m, dtype=torch.float64, device=gone.device)
        newer, older = _sides(self.held, gone)
        here = newer.unsqueeze(2) & newer.unsqueeze(1)
        s_y = self.r.mT @ self.y_q.mT
        r = torch.where(here, self.r, eye * ~newer.unsqueeze(1))
        lower = torch.where(here, s_y, 0.0).tril(-1)
        of_gone = (s_y * gone.unsqueeze(1)).sum(2)  # s_t'y_j
        curvature = torch.where(gone.any(1), (of_gone * gone).sum(1), 1.0).unsqueeze(1)
        right = torch.where(newer, (self.r * gone.unsqueeze(1)).sum(2), 0.0).unsqueeze(2)
        tau = torch.linalg.solve_triangular(r, right, upper=False)
        b = -(lower.mT @ tau).squeeze(2) / curvature
        moved = lower + torch.where(newer, of_gone, 0.0).unsqueeze(2) * b.unsqueeze(1)

        inner, outer = self._older(s_y, older, h0)
        t = eye / h0 - outer.mT @ inner  # Q'B Q
        root = torch.linalg.cholesky_ex(torch.where(here, (t + t.mT) / 2, eye * ~newer.unsqueeze(1))).L
        triangle = torch.linalg.qr(root.mT @ r, mode="r").R.mT
        change = _lower_factor(triangle, lower, moved, b, curvature) - moved
        z = torch.cholesky_solve(torch.linalg.solve_triangular(r.mT, change, upper=True), root)
        taken = inner @ z
        p = (z - torch.where(older.unsqueeze(1), self.r, 0.0) @ taken[:, :m]) / h0
        c = eye + gone.unsqueeze(2) * b.unsqueeze(1) - torch.where(older.unsqueeze(2), taken[:, m:], 0.0)
        return p.mT, c.mT

    def _older(self, s_y: Tensor, older: Tensor, h0: float) -> tuple[Tensor, Tensor]:
        """K = Mid^-1 G and G (R, 2M, M), with B Q' = Q' / h0 - [S / h0; Y]'K over the older pairs: B's compact form."""
        pairs = older.unsqueeze(2) & older.unsqueeze(1)
        rest = torch.diag_embed((~older).double())
        s_s = torch.where(pairs, self.r.mT @ self.r, 0.0) / h0 + rest
        held = torch.where(pairs, s_y, 0.0)
        lower, d = held.tril(-1), torch.diag_embed(held.diagonal(dim1=1, dim2=2)) + rest
        middle = torch.cat([torch.cat([s_s, lower], 2), torch.cat([lower.mT, -d], 2)], 1)
        rows = older.unsqueeze(2)
        outer = torch.cat([torch.where(rows, self.r.mT / h0, 0.0), torch.where(rows, self.y_q, 0.0)], 1)
        return torch.linalg.solve_ex(middle, outer).result, outer


def _sides(held: Tensor, gone: Tensor) -> tuple[Tensor, Tensor]:
    """The pairs newer and older than ``gone``; none in runs without one."""
    after = gone.long().cumsum(1) == 1
    return held & after & ~gone, held & ~after & gone.any(1, keepdim=True)


def _lower_factor(triangle: Tensor, lower: Tensor, moved: Tensor, b: Tensor, curvature: Tensor) -> Tensor:
    """L~ (R, M, M), with the signs which continue L."""
    m = b.shape[1]
    seen = torch.linalg.solve_triangular(triangle, torch.cat([moved, lower], 2), upper=False)
    stacked = torch.cat([curvature.sqrt().unsqueeze(2) * b.unsqueeze(1), seen[:, :, :m]], 1)[:, :, :-1]
    factor = torch.linalg.qr(stacked.flip(2), mode="r").R.flip(1, 2)
    before = seen[:, :, m:].diagonal(-1, 1, 2)
    sign = torch.where((before < 0) != (factor.diagonal(dim1=1, dim2=2) < 0), -1.0, 1.0)
    after = torch.zeros_like(lower)
    after[:, 1:, :-1] = triangle[:, 1:, 1:] @ (sign.unsqueeze(2) * factor)
    return after
