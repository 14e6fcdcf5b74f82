"""The L-BFGS matrix in the span of its pairs: everything about its spectrum from 2m x 2m problems.

With P = H0^(1/2), pairs P^-1 s, P y around the identity give P^-1 H P^-1. That matrix is the identity outside
span{P^-1 s_i, P y_i}; in an orthonormal basis of the span it is the dense BFGS matrix of the pairs' coordinates, which
are the columns of the triangular factor of [P^-1 S', P Y'].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.references import dense_bfgs

Array = NDArray[Any]
ROWS = 1 << 16
"""Elements of the vectors that are factored at a time."""


def triangle(S: Array, Y: Array, h0: Array) -> Array:
    """R (k, 2m) of the QR factors of [P^-1 S', P Y'] (n, 2m), k = min(n, 2m), a block of elements after another.

    Backward stable like one factorisation (Demmel, Grigori, Hoemmen & Langou, SIAM J. Sci. Comput. 34 (2012)).
    """
    R = np.zeros((0, 2 * len(S)))
    for first in range(0, S.shape[1], ROWS):
        part = slice(first, first + ROWS)
        root = np.sqrt(h0[part])
        block = np.vstack([S[:, part] / root, Y[:, part] * root]).T
        R = np.asarray(np.linalg.qr(np.vstack([R, block]), mode="r"))
    return R


@dataclass(frozen=True)
class Span:
    """Pairs around the identity in ``k`` coordinates, ``s``, ``y`` (m, k), of an ``n``-dimensional space."""

    s: Array
    y: Array
    n: int

    @classmethod
    def of(cls, S: Array, Y: Array, h0: Array) -> Span:
        """From pairs (m, n) with s'y not zero, and the diagonal of H0."""
        R = triangle(S, Y, h0)
        return cls(R[:, : len(S)].T, R[:, len(S) :].T, S.shape[1])

    @cached_property
    def H(self) -> Array:
        """P^-1 H P^-1 in the span (k, k)."""
        return dense_bfgs.inverse_hessian(self.s, self.y, np.ones(self.s.shape[1]))

    @cached_property
    def eigenvalues(self) -> Array:
        """Those of H0^-1 H in the span, ascending; the other n - k are 1.

        The small half as the reciprocals of B's: each is then exact to a few digits of itself.
        """
        k = self.s.shape[1]
        up = np.linalg.eigvalsh((self.H + self.H.T) / 2)
        if up[0] <= 0 and (np.einsum("ij,ij->i", self.s, self.y) <= 0).any():
            return up
        B = dense_bfgs.hessian(self.s, self.y, np.ones(k))
        down = 1.0 / np.linalg.eigvalsh((B + B.T) / 2)[::-1]
        result: Array = np.sort(np.where(up > 1.0, up, down))
        return result

    @cached_property
    def growth(self) -> float:
        """The largest |V_i ... V_m v| / |v|, V_i = I - y_i s_i' / s_i'y_i: how much longer the first loop makes v."""
        product, largest = np.eye(self.s.shape[1]), 1.0
        for s, y in zip(self.s[::-1], self.y[::-1], strict=True):
            product = product - np.outer(y, s @ product) / (s @ y)
            largest = max(largest, float(np.linalg.norm(product, 2)))
        return largest

    @property
    def magnitude(self) -> float:
        """growth^2 (1 + max s's / s'y): what passes through the two loops per unit of |v|, relative to H0."""
        products = np.einsum("ij,ij->i", self.s, self.y)
        longest = float((np.einsum("ij,ij->i", self.s, self.s) / np.abs(products)).max())
        return self.growth**2 * (1.0 + longest)
