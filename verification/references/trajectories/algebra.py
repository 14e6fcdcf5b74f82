"""H as a dense matrix, and the dampings, by their equations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Pairs = Sequence[tuple[Array, Array]]


def bfgs(pairs: Pairs, h0: Array, softness: float = 0.0) -> Array:
    """H <- (I - rho s y') H (I - rho y s') + rho s s' over ``pairs``, from diag(h0); rho = 1 / (s'y + softness s's)."""
    H = np.diag(h0)
    for s, y in pairs:
        rho = 1.0 / (s @ y + softness * (s @ s))
        V = np.eye(len(s)) - rho * np.outer(s, y)
        H = V @ H @ V.T + rho * np.outer(s, s)
    return H


def powell_b(s: Array, y: Array, H: Array, delta: float) -> tuple[Array, Array]:
    """y <- theta y + (1 - theta) B s, so that s'y = delta s'Bs at least."""
    Bs = np.linalg.solve(H, s)
    if s @ y >= delta * (s @ Bs):
        return s, y
    theta = (1 - delta) * (s @ Bs) / (s @ Bs - s @ y)
    return s, theta * y + (1 - theta) * Bs


def powell_h(s: Array, y: Array, H: Array, delta: float) -> tuple[Array, Array]:
    """The same with the roles exchanged: s <- theta s + (1 - theta) H y."""
    Hy = H @ y
    if s @ y >= delta * (y @ Hy):
        return s, y
    theta = (1 - delta) * (y @ Hy) / (y @ Hy - s @ y)
    return theta * s + (1 - theta) * Hy, y


def levenberg(s: Array, y: Array, mu: float) -> tuple[Array, Array]:
    """y <- theta y + (1 - theta) s where s'y <= mu s's."""
    if s @ y > mu * (s @ s):
        return s, y
    theta = (1 - mu) * (s @ s) / (s @ s - s @ y)
    return s, theta * y + (1 - theta) * s


def tau_damping(s: Array, y: Array, lower: float, upper: float, tau_0: float) -> tuple[Array, Array]:
    """y <- tau y + (1 - tau) s with the Rayleigh quotient held between the bounds."""
    mu = (s @ y) / (s @ s)
    tau = tau_0
    if mu <= lower:
        tau = min((1 - lower) / (1 - mu), tau_0)
    elif mu >= upper:
        tau = min((upper - 1) / (mu - 1), tau_0)
    return s, tau * y + (1 - tau) * s


def newest_bb(pairs: Pairs, n: int) -> Array:
    """H0 = (s'y / y'y) I of the newest pair, I without."""
    return np.full(n, (pairs[-1][0] @ pairs[-1][1]) / (pairs[-1][1] @ pairs[-1][1]) if pairs else 1.0)


def mean_bb(pairs: Pairs, n: int, initial: float) -> Array:
    """H0 = mean (s'y / y'y) I over the pairs."""
    return np.full(n, np.mean([(s @ y) / (y @ y) for s, y in pairs]) if pairs else initial)
