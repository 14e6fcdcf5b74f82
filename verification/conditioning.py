"""How large may rounding errors of an L-BFGS operator be? Computed from the pairs themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def cosines(S: Array, Y: Array) -> Array:
    """c_i = s_i'y_i / (|s_i| |y_i|) in float64; (m, n), (m, n) -> (m,)."""
    S, Y = S.astype(np.float64), Y.astype(np.float64)
    products: Array = np.einsum("ij,ij->i", S, Y)
    result: Array = products / (np.linalg.norm(S, axis=1) * np.linalg.norm(Y, axis=1))
    return result


@dataclass(frozen=True)
class Conditioning:
    """``m`` pairs in ``n`` dimensions, their smallest cosine ``c_min`` and the ``magnitude`` of H's pieces.

    With V_i = I - y_i s_i' / s_i'y_i, H = V_m'...V_1' H0 V_1...V_m + sum_i (...) s_i s_i' / s_i'y_i (...)'.
    ``growth`` is the largest norm of a product V_i...V_j of consecutive factors, and

        magnitude = growth^2 (max h0 + max_i s_i's_i / s_i'y_i)

    bounds what passes through either loop per unit of |v|. |H| itself can be far smaller, by cancellation
    (with m >= n H does not depend on H0 at all), so that it is no honest measure for rounding errors.
    ``inverse`` = max 1 / h0 + sum_i y_i'y_i / s_i'y_i bounds B = H^-1: B+ <= B + y y' / s'y.
    """

    m: int
    n: int
    c_min: float
    growth: float
    magnitude: float
    inverse: float

    @classmethod
    def of_products(cls, s_y: Array, s_s: Array, y_y: Array, h0: Array) -> Conditioning:
        """The same from s'y, s's, y'y of the pairs alone, each (m,): ``growth`` is at most the product of the 1 / c_i.

        It holds for factors I - rho y s' with any smaller rho too, and for products of some of them: all lie between
        I and the factors themselves.
        """
        c = s_y / np.sqrt(s_s * y_y)
        growth, longest = float(np.prod(1 / c)), float((s_s / s_y).max(initial=0.0))
        inverse = float((1 / h0).max() + (y_y / s_y).sum())
        return cls(len(c), h0.size, float(c.min(initial=1.0)), growth, growth**2 * (float(h0.max()) + longest), inverse)

    @classmethod
    def of(cls, S: Array, Y: Array, h0: Array) -> Conditioning:
        """Measure pairs (m, n) and a diagonal h0 (n,), in float64."""
        S, Y = S.astype(np.float64), Y.astype(np.float64)
        m, n = S.shape
        if m == 0:
            return cls(0, n, 1.0, 1.0, float(h0.max()), float((1 / h0).max()))
        products = np.einsum("ij,ij->i", S, Y)
        factors = [np.eye(n) - np.outer(y, s) / p for s, y, p in zip(S, Y, products, strict=True)]
        products_of_factors = []
        for first in range(m):
            product = np.eye(n)
            for factor in factors[first:]:
                product = product @ factor
                products_of_factors.append(product)
        growth = max(1.0, float(np.linalg.norm(products_of_factors, 2, axis=(1, 2)).max()))
        longest = float((np.einsum("ij,ij->i", S, S) / products).max())
        inverse = float((1 / h0.astype(np.float64)).max() + (np.einsum("ij,ij->i", Y, Y) / products).sum())
        return cls(m, n, float(cosines(S, Y).min()), growth, growth**2 * (float(h0.max()) + longest), inverse)
