"""The BFGS updates of the inverse Hessian H and of the Hessian B, as dense matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def update_inverse(H: Array, s: Array, y: Array) -> Array:
    """H+ = (I - rho s y') H (I - rho y s') + rho s s', rho = 1 / s'y. (n, n), (n,), (n,) -> (n, n).

    Source: Nocedal & Wright, Numerical Optimization (2006), (6.17).
    """
    rho = 1.0 / (s @ y)
    V = np.eye(len(s)) - rho * np.outer(y, s)
    result: Array = V.T @ H @ V + rho * np.outer(s, s)
    return result


def update_hessian(B: Array, s: Array, y: Array) -> Array:
    """B+ = B - B s s' B / s'Bs + y y' / s'y. (n, n), (n,), (n,) -> (n, n).

    Source: Nocedal & Wright, Numerical Optimization (2006), (6.19).
    """
    Bs = B @ s
    result: Array = B - np.outer(Bs, Bs) / (s @ Bs) + np.outer(y, y) / (s @ y)
    return result


def inverse_hessian(S: Array, Y: Array, h0: Array) -> Array:
    """H from pairs (m, n), the oldest first, starting at diag(h0)."""
    H: Array = np.diag(h0.astype(np.float64))
    for s, y in zip(S.astype(np.float64), Y.astype(np.float64), strict=True):
        H = update_inverse(H, s, y)
    return H


def hessian(S: Array, Y: Array, h0: Array) -> Array:
    """B = H^-1 from pairs (m, n), the oldest first, starting at diag(1 / h0)."""
    B: Array = np.diag(1.0 / h0.astype(np.float64))
    for s, y in zip(S.astype(np.float64), Y.astype(np.float64), strict=True):
        B = update_hessian(B, s, y)
    return B


def direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H g by the dense recursion: (m, n), (m, n), (n,), (n,) -> (n,)."""
    result: Array = inverse_hessian(S, Y, h0) @ g.astype(np.float64)
    return result
