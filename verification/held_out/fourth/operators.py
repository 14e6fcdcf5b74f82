"""Operators: H g from pairs as NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.law import Subject

Array = NDArray[np.float64]


def by_pseudo_inverse(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """The compact form with a pseudo-inverse for R^-1: a pair whose s'y is 1e-15 of another's is cut off."""
    if len(S) == 0:
        return h0 * g
    products = S @ Y.T
    A = np.linalg.pinv(np.triu(products))
    alpha = A @ (S @ g)
    p = h0 * (g - Y.T @ alpha)
    return p + S.T @ (A.T @ (np.diag(products) * alpha - Y @ p))


def unscaled_without_pairs(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """Returns early where there is no pair, and with the gradient instead of H0 g."""
    if len(S) == 0:
        return g.copy()
    q, alphas = g.copy(), np.empty(len(S))
    for i in reversed(range(len(S))):
        alphas[i] = (S[i] @ q) / (S[i] @ Y[i])
        q = q - alphas[i] * Y[i]
    r = h0 * q
    for i in range(len(S)):
        r = r + (alphas[i] - (Y[i] @ r) / (S[i] @ Y[i])) * S[i]
    return r


def by_products(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """Right: H g = V (H_older V'g) + s (s'g) / s'y by recursion from the newest pair."""
    if len(S) == 0:
        return h0 * g
    s, y = S[-1], Y[-1]
    share = (s @ g) / (s @ y)
    older = by_products(S[:-1], Y[:-1], h0, g - share * y)
    return older - s * ((y @ older) / (s @ y)) + share * s


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.OPERATOR: {
        "tiny_pairs_cut_off_by_a_pseudo_inverse": lambda: by_pseudo_inverse,
        "unscaled_without_pairs": lambda: unscaled_without_pairs,
    }
}
HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.OPERATOR: {"recursion_over_the_pairs": lambda: by_products}
}
