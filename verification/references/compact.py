"""The compact representations of Byrd, Nocedal & Schnabel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

Array = NDArray[Any]


def inverse_hessian(S: Array, Y: Array, h0: Array) -> Array:
    """H = H0 + [S H0Y] [[R^-T (D + Y'H0Y) R^-1, -R^-T], [-R^-1, 0]] [S H0Y]'.

    R = triu(S'Y), D = diag(S'Y), the columns of S and Y being the pairs; the arguments hold them as rows (m, n),
    the oldest first. Source: Byrd, Nocedal & Schnabel, Math. Programming 63 (1994), Theorem 2.2.
    """
    H0: Array = np.diag(h0.astype(np.float64))
    if len(S) == 0:
        return H0
    S, Y = S.astype(np.float64).T, Y.astype(np.float64).T
    R, D = np.triu(S.T @ Y), np.diag(np.diag(S.T @ Y))
    R_inv = solve_triangular(R, np.eye(len(R)))
    middle = np.block([[R_inv.T @ (D + Y.T @ H0 @ Y) @ R_inv, -R_inv.T], [-R_inv, np.zeros_like(R)]])
    W = np.hstack([S, H0 @ Y])
    result: Array = H0 + W @ middle @ W.T
    return result


def hessian(S: Array, Y: Array, h0: Array) -> Array:
    """B = B0 - [B0S Y] [[S'B0S, L], [L', -D]]^-1 [B0S Y]', L = stril(S'Y), B0 = diag(1 / h0).

    Arguments and source as above, Theorem 2.3.
    """
    B0: Array = np.diag(1.0 / h0.astype(np.float64))
    if len(S) == 0:
        return B0
    S, Y = S.astype(np.float64).T, Y.astype(np.float64).T
    L, D = np.tril(S.T @ Y, -1), np.diag(np.diag(S.T @ Y))
    middle = np.block([[S.T @ B0 @ S, L], [L.T, -D]])
    W = np.hstack([B0 @ S, Y])
    result: Array = B0 - W @ np.linalg.solve(middle, W.T)
    return result


def direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H g by the compact form of pairs scaled to |y_i| = 1, which changes H by rounding only."""
    scale = np.linalg.norm(Y.astype(np.float64), axis=1, keepdims=True)
    result: Array = inverse_hessian(S / scale, Y / scale, h0) @ g.astype(np.float64)
    return result
