"""Every tolerance of the laws, in one table, each with its derivation.

u is the unit roundoff (float64 1.1e-16, float32 6.0e-8), m the number of pairs, n the dimension and
c_min the smallest cosine c_i = s_i'y_i / (|s_i| |y_i|) of the pairs. What decides the error of an L-BFGS
operator is c_min, not the condition number of the Hessian that the pairs came from: each factor
V_i = I - rho_i y_i s_i' has norm exactly 1 / c_i, and is applied with a relative error of a few u / c_i.

A tolerance is relative to a *magnitude*, the size of the intermediate results (see
:class:`~verification.conditioning.Conditioning`), not to the result, which may be small by cancellation.
No number here was fitted to a measured error: the constant 100 covers the order-one factors and the
dimension (n <= 16 in every drawn case), as the first-order analysis leaves them open.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

CONSTANT = 100.0


def roundoff(dtype: str) -> float:
    """Unit roundoff u of a NumPy dtype name: half the distance from 1 to the next number."""
    return float(np.finfo(dtype).eps) / 2


@dataclass(frozen=True)
class Tolerance:
    """A bound on |computed - expected| / magnitude.

    ``bound(u, m, n, c_min)`` is the number; ``formula`` and ``derivation`` say what it is and why.
    """

    formula: str
    derivation: str
    bound: Callable[[float, int, int, float], float]

    def __call__(self, dtype: str = "float64", *, m: int = 1, n: int = 1, c_min: float = 1.0) -> float:
        """The bound for arithmetic in ``dtype``."""
        return self.bound(roundoff(dtype), max(m, 1), n, c_min)


TOLERANCES: dict[str, Tolerance] = {
    "exact": Tolerance(
        "0",
        "The same floating-point operations in the same order, or powers of two only: every bit agrees.",
        lambda u, m, n, c: 0.0,
    ),
    "operator": Tolerance(
        "100 u m / c_min",
        "Two loops apply 2m factors I - rho y s'; one costs a few u |y||s| / s'y = u / c relative to its input. "
        "Higham, Accuracy and Stability of Numerical Algorithms (2002), section 3.1, for the dot products.",
        lambda u, m, n, c: CONSTANT * u * m / c,
    ),
    "dense": Tolerance(
        "100 u m n / c_min^2",
        "A dense update V'HV multiplies two factors of norm 1 / c around an n x n matrix, n u each (Higham 2002, "
        "section 3.5); m of them. Two to three digits worse than the two-loop recursion for c <= 0.01, as measured.",
        lambda u, m, n, c: CONSTANT * u * m * n / c**2,
    ),
    "compact": Tolerance(
        "100 u m n / c_min^2",
        "Two triangular solves with R, backward stable (Higham 2002, section 8.1); each has factors up to 1 / c "
        "between pairs scaled to norm one, and their product stands around Y'H0Y.",
        lambda u, m, n, c: CONSTANT * u * m * n / c**2,
    ),
    "inverse": Tolerance(
        "100 u m n / c_min^2",
        "H and B = H^-1 each err by `compact` times the size of their pieces, or one is solved for from the other, "
        "backward stable (Higham 2002, section 9.3). Relative to the product of both sizes, which bounds the condition "
        "number: H (B + E) v - v = H E v, and (B + E)^-1 - H = -H E H to first order.",
        lambda u, m, n, c: CONSTANT * u * m * n / c**2,
    ),
    "linear": Tolerance(
        "100 u n",
        "A sum of n products of inputs, or n elementwise operations: n u relative to the sum of their absolute "
        "values (Higham 2002, section 3.1). Used with the sum of absolute values as the magnitude.",
        lambda u, m, n, c: CONSTANT * u * n,
    ),
    "products": Tolerance(
        "100 u (m + n)",
        "m stored gradients, dot products of length n and then a sum of m terms: (m + n) u relative to "
        "sum_i |g_i|^2 |s| (Higham 2002, section 3.1).",
        lambda u, m, n, c: CONSTANT * u * (m + n),
    ),
    "long sums": Tolerance(
        "10 u m / c_min",
        "Sums accumulated in float64, or blockwise, err by less than u whatever n is. Then each of 2m loop steps "
        "rounds alpha or beta, a product and a difference, 3u: 6 u m to first order, and 10 for what follows it.",
        lambda u, m, n, c: CONSTANT / 10 * u * m / c,
    ),
    "differences": Tolerance(
        "100 sqrt(u)",
        "A generator may take differences of gradients over a distance h of its own choice, which costs u / h of their "
        "size. On a quadratic every h is exact otherwise, and nobody takes h below sqrt(u).",
        lambda u, m, n, c: CONSTANT * math.sqrt(u),
    ),
    "float sums": Tolerance(
        "100 u (m + sqrt n)",
        "m sums of n products of one sign in the vectors' own dtype, in whatever order: rounding errors of random sign "
        "grow as sqrt n (Higham & Mary, SIAM J. Sci. Comput. 41 (2019), Theorem 3.1).",
        lambda u, m, n, c: CONSTANT * u * (m + math.sqrt(n)),
    ),
    "noise": Tolerance(
        "2 sqrt(30 n) + 60",
        "Not rounding but chance: the sum of n squared standard normal numbers leaves n -+ this with a probability "
        "below 1e-12 (Laurent & Massart, Annals of Statistics 28 (2000), Lemma 1, with x = 30). Absolute.",
        lambda u, m, n, c: 2 * math.sqrt(30.0 * n) + 60.0,
    ),
    "signs": Tolerance(
        "sqrt(60 n)",
        "Chance again: a sum of n independent signs is larger with a probability below 2 e^-30 (Hoeffding 1963, "
        "Theorem 2). Absolute.",
        lambda u, m, n, c: math.sqrt(60.0 * n),
    ),
    "trajectory": Tolerance(
        "max(1e-9, 1000 u / c_min)",
        "Rounding enters at every step, some 10 u at each of about 100, and the trajectory carries it on: 1 / c_min is "
        "here by how much the reference itself amplifies a small change of its starting point (measured where that is "
        "not told). It is below 1e4 where roll-backs and skips are no close calls and H0 does not divide by vanishing "
        "gradients, which is 1e-9: two digits above the rounding and far below the effect of any wrong formula.",
        lambda u, m, n, c: max(1e-9, 1000 * u / c),
    ),
    "determinant": Tolerance(
        "1000 u n^2 / c_min^2",
        "One dense update as in `dense`, then an n x n LU factorisation of the result: n^2 u relative to the sum of "
        "the absolute values of the terms (Higham 2002, section 14.6).",
        lambda u, m, n, c: 10 * CONSTANT * u * n**2 / c**2,
    ),
    "quadratic": Tolerance(
        "1e4 u / c_min^2, c_min = 1 / cond, at cond <= 100",
        "Conjugacy is lost to rounding at a rate of about cond per step and twice where gradients are compared; "
        "measured for L-BFGS against conjugate gradients: 9e-14 at cond 1e2 over 10 steps, 1e-9 at 1e4.",
        lambda u, m, n, c: 100 * CONSTANT * u / c**2,
    ),
}
"""The table: the name by which laws refer to a tolerance -> the tolerance."""
