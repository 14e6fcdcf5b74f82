"""What laws about operators share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.strategies import OperatorCase

Array = NDArray[Any]
Direction = Callable[[Array, Array, Array, Array], Array]
"""``direction(S, Y, h0, g) -> H g``: (m, n), (m, n), (n,), (n,) -> (n,), the oldest pair first, in g's dtype."""


def matrix(direction: Direction, S: Array, Y: Array, h0: Array) -> Array:
    """H in float64, column by column: (n, n)."""
    columns = [direction(S.copy(), Y.copy(), h0.copy(), e) for e in np.eye(len(h0), dtype=h0.dtype)]
    result: Array = np.array(columns, dtype=np.float64).T
    return result


def allowed(bound: Callable[..., float], case: OperatorCase) -> float:
    """The tolerance of H per unit of |v|: the bound at the case's conditioning times its magnitude."""
    c = case.conditioning
    return bound(case.dtype, m=c.m, n=c.n, c_min=c.c_min) * c.magnitude


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
