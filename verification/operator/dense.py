"""What laws about operators share."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.references import dense_bfgs
from verification.strategies import OperatorCase
from verification.tolerances import roundoff

Array = NDArray[Any]
Direction = Callable[[Array, Array, Array, Array], Array]
"""``direction(S, Y, h0, g) -> H g``: (m, n), (m, n), (n,), (n,) -> (n,), the oldest pair first, in g's dtype."""


def matrix(direction: Direction, S: Array, Y: Array, h0: Array) -> Array:
    """H in float64, column by column: (n, n)."""
    columns = [direction(S.copy(), Y.copy(), h0.copy(), e) for e in np.eye(len(h0), dtype=h0.dtype)]
    result: Array = np.array(columns, dtype=np.float64).T
    return result


def allowed(bound: Callable[..., float], case: OperatorCase) -> float:
    """The tolerance of H per unit of |v|: the bound at the case's conditioning times its magnitude, and by_inverse."""
    c = case.conditioning
    return bound(case.dtype, m=c.m, n=c.n, c_min=c.c_min) * c.magnitude + by_inverse(case)


def by_inverse(case: OperatorCase) -> float:
    """How far H may be off per unit of |v| if B is built, and solved with: 10 u (m + n) |H|^2 |B|.

    m updates round B by a few u each relative to max 1 / h0 + sum y'y / s'y, and a factorisation, backward stable, by
    n u more (Higham 2002, section 9.3); dH = -H dB H.
    """
    return _size(case) * _lost(case)


@lru_cache(maxsize=1024)
def _size(case: OperatorCase) -> float:
    """|H|."""
    return float(np.linalg.norm(dense_bfgs.inverse_hessian(case.S, case.Y, case.h0), 2))


def _lost(case: OperatorCase) -> float:
    """The share of |H| which is lost by inversion."""
    return 10 * roundoff(case.dtype) * (case.m + case.n) * _size(case) * case.conditioning.inverse


def numerically_singular(case: OperatorCase) -> bool:
    """Whether B has no digit left to be inverted: a method which does may break down, and nothing is said of it."""
    return _lost(case) >= 1


def norm(v: Array) -> float:
    """|v| in float64."""
    return float(np.linalg.norm(v.astype(np.float64)))


def smallest_eigenvalue(S: Array, Y: Array, h0: Array) -> float:
    """A lower bound of lambda_min(H): 1 / (max 1/h0 + sum_i y_i'y_i / s_i'y_i).

    From B+ <= B + y y' / s'y. Source: Byrd, Hansen, Nocedal & Singer 2016, Lemma 3.1 (the trace argument).
    """
    S, Y = S.astype(np.float64), Y.astype(np.float64)
    rises = np.einsum("ij,ij->i", Y, Y) / np.einsum("ij,ij->i", S, Y)
    return 1.0 / (float((1.0 / h0.astype(np.float64)).max()) + float(rises.sum()))
