"""Nesterov's methods, with the iterate w, the velocity v and the look-ahead point theta = w + mu v written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.references.trajectories.algebra import Pairs, bfgs, mean_bb
from verification.references.trajectories.loops import Found, positive
from verification.references.trajectories.problem import Problem

Array = NDArray[Any]


def _onaq(p: Problem, lr: float, steps: int, matrix: Callable[[Pairs], Array], keep: int | None) -> Found:
    """v <- mu v - (lr / sqrt(k)) d / |d|, w <- w + v, s = w_{k+1} - theta_k, y = g(w_{k+1}) - g(theta_k) + 0.01 s.

    The gradient is taken at theta, which is what the parameters hold, so theta is recorded.
    """
    mu, found, w = 0.9, Found(), p.start
    v, pairs = np.zeros_like(w), list[tuple[Array, Array]]()
    for k in range(1, steps + 1):
        theta, rows = w + mu * v, p.batch(k)
        g = p.gradient(theta, rows)
        d = matrix(pairs) @ g
        v = mu * v - lr / np.sqrt(k) * d / np.linalg.norm(d)
        w = w + v
        s = w - theta
        y = p.gradient(w, rows) - g + 1e-2 * s
        found.kinds.append("ADMITTED" if positive(s, y) else "SKIPPED")
        if positive(s, y):
            pairs = [*pairs, (s, y)][-keep:] if keep else [*pairs, (s, y)]
        found.w.append(w + mu * v)
    return found


def olnaq(p: Problem, lr: float, steps: int) -> Found:
    """The last 10 pairs, H0 the mean of s'y / y'y."""
    return _onaq(p, lr, steps, lambda pairs: bfgs(pairs, mean_bb(pairs, len(p.start), 1.0)), 10)


def onaq(p: Problem, lr: float, steps: int) -> Found:
    """All pairs, H0 = I."""
    return _onaq(p, lr, steps, lambda pairs: bfgs(pairs, np.ones(len(p.start))), None)
