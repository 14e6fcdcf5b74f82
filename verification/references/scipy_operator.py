"""SciPy's L-BFGS operator with a diagonal H0."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import LbfgsInvHessProduct

Array = NDArray[Any]


def direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H g by ``scipy.optimize.LbfgsInvHessProduct``: (m, n), (m, n), (n,), (n,) -> (n,).

    SciPy's operator has H0 = I. With P = diag(sqrt(h0)), x = P z turns pairs (s, y) into (P^-1 s, P y) and
    H0 = P P into I, so H = P (its operator for those pairs) P.
    """
    root = np.sqrt(h0.astype(np.float64))
    if len(S) == 0:  # SciPy's constructor needs at least one pair
        result: Array = root * root * g.astype(np.float64)
        return result
    operator = LbfgsInvHessProduct(S.astype(np.float64) / root, Y.astype(np.float64) * root)
    product: Array = root * operator.dot(root * g.astype(np.float64))
    return product
