"""The L-BFGS two-loop recursion."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H g with H0 = diag(h0): (m, n), (m, n), (n,), (n,) -> (n,), the oldest pair first.

    Newest first: alpha_i = rho_i s_i'q, q -= alpha_i y_i. Then r = h0 q. Oldest first: r += (alpha_i -
    rho_i y_i'r) s_i. Source: Nocedal & Wright, Numerical Optimization (2006), Algorithm 7.4.
    """
    S, Y = S.astype(np.float64), Y.astype(np.float64)
    m = len(S)
    rho = [1.0 / (S[i] @ Y[i]) for i in range(m)]
    alpha = [0.0] * m
    q: Array = g.astype(np.float64)
    for i in reversed(range(m)):
        alpha[i] = rho[i] * (S[i] @ q)
        q = q - alpha[i] * Y[i]
    r: Array = h0.astype(np.float64) * q
    for i in range(m):
        r = r + (alpha[i] - rho[i] * (Y[i] @ r)) * S[i]
    return r
