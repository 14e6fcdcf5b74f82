"""H g in NumPy: wrong ones, and an unusual one that is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from verification.law import Subject


def mean_of_h0(S: np.ndarray, Y: np.ndarray, h0: np.ndarray, g: np.ndarray) -> np.ndarray:
    """The compact form with Y'Y times the mean of h0 where Y'H0 Y belongs: right for a multiple of I only."""
    h0_g = h0 * g
    if len(S) == 0:
        return h0_g
    SY = S @ Y.T
    R, D = np.triu(SY), np.diag(np.diag(SY))
    p = np.linalg.solve(R, S @ g)
    top = np.linalg.solve(R.T, (D + h0.mean() * (Y @ Y.T)) @ p - Y @ h0_g)
    return h0_g + S.T @ top - h0 * (Y.T @ p)


def stops_early(S: np.ndarray, Y: np.ndarray, h0: np.ndarray, g: np.ndarray) -> np.ndarray:
    """The first loop ends at a pair whose s is nearly orthogonal to q, as if older ones had nothing to say either."""
    q, alphas = np.array(g, dtype=np.float64), np.zeros(len(S))
    first = 0
    for i in reversed(range(len(S))):
        if abs(S[i] @ q) <= 0.02 * np.linalg.norm(S[i]) * np.linalg.norm(q):
            first = i
            break
        alphas[i] = S[i] @ q / (S[i] @ Y[i])
        q -= alphas[i] * Y[i]
    r = h0 * q
    for i in range(first, len(S)):
        r += (alphas[i] - Y[i] @ r / (S[i] @ Y[i])) * S[i]
    return r


def dense(S: np.ndarray, Y: np.ndarray, h0: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Right: the matrix itself, updated pair by pair in its product form."""
    n = len(g)
    H = np.diag(np.broadcast_to(np.asarray(h0, dtype=np.float64), (n,)))
    for s, y in zip(S, Y, strict=True):
        V = np.eye(n) - np.outer(s, y) / (s @ y)
        H = V @ H @ V.T + np.outer(s, s) / (s @ y)
    return H @ g


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.OPERATOR: {
        "mean_of_h0_in_the_gram_matrix": lambda: mean_of_h0,
        "first_loop_stops_early": lambda: stops_early,
    }
}
HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {Subject.OPERATOR: {"dense_product_form": lambda: dense}}
