"""Whole loops: L-BFGS in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.adapters.driving import Driven
from verification.law import Subject

Vector = NDArray[np.float64]
Gradient = Callable[[Vector], Vector]
MOST = 6
LONGEST = 0.5


def _direction(S: list[Vector], Y: list[Vector], g: Vector) -> Vector:
    """H g by the two loops, H0 = (s'y / y'y) I of the newest pair."""
    q, alphas = g.copy(), []
    for s, y in zip(reversed(S), reversed(Y), strict=True):
        alphas.append((s @ q) / (s @ y))
        q -= alphas[-1] * y
    if S:
        q *= (S[-1] @ Y[-1]) / (Y[-1] @ Y[-1])
    for s, y, alpha in zip(S, Y, reversed(alphas), strict=True):
        q += (alpha - (y @ q) / (s @ y)) * s
    return q


def _step(S: list[Vector], Y: list[Vector], g: Vector) -> Vector:
    """The direction, no longer than LONGEST."""
    d = _direction(S, Y, g)
    length = float(np.linalg.norm(d))
    return d if length <= LONGEST else d * (LONGEST / length)


def _good(s: Vector, y: Vector) -> bool:
    return bool(s @ y > 1e-8 * np.linalg.norm(s) * np.linalg.norm(y))


def _driven(points: list[Vector], S: list[Any], Y: list[Any]) -> Driven:
    n = points[0].size
    return Driven(np.array(points), np.array(S, float).reshape(-1, n), np.array(Y, float).reshape(-1, n))


def stale_baseline(gradient: Gradient, start: Vector, steps: int) -> Driven:
    """After a refused pair the gradient to subtract is still the older one: y spans two steps, s one."""
    x, S, Y = start.copy(), [], []
    points, g = [x.copy()], gradient(x)
    base = g
    for _ in range(steps):
        following = x - _step(S, Y, g)
        g = gradient(following)
        s, y = following - x, g - base
        if _good(s, y):
            S, Y = [*S, s][-MOST:], [*Y, y][-MOST:]
            base = g
        x = following
        points.append(x.copy())
    return _driven(points, S, Y)


def single_pairs(gradient: Gradient, start: Vector, steps: int) -> Driven:
    """The pairs lie in float32 buffers, so that H and what is told of it are those of rounded pairs."""
    x, m = start.copy(), 0
    s_rows, y_rows = (np.zeros((MOST, x.size), np.float32) for _ in range(2))
    points, g = [x.copy()], gradient(x)
    for _ in range(steps):
        S, Y = ([row.astype(float) for row in rows[:m]] for rows in (s_rows, y_rows))
        following = x - _step(S, Y, g)
        new = gradient(following)
        s, y = following - x, new - g
        if _good(s, y):
            if m == MOST:
                s_rows[:-1], y_rows[:-1] = s_rows[1:].copy(), y_rows[1:].copy()
            m = min(m + 1, MOST)
            s_rows[m - 1], y_rows[m - 1] = s, y
        x, g = following, new
        points.append(x.copy())
    return _driven(points, list(s_rows[:m]), list(y_rows[:m]))


def start_overwritten(gradient: Gradient, start: Vector, steps: int) -> Driven:
    """Moves in the array which it was given: the caller's start is the last point afterwards."""
    x, S, Y = np.asarray(start, dtype=float), [], []
    points, g = [x.copy()], gradient(x.copy())
    for _ in range(steps):
        step = _step(S, Y, g)
        x -= step
        new = gradient(x.copy())
        s, y = x - points[-1], new - g
        if _good(s, y):
            S, Y = [*S, s][-MOST:], [*Y, y][-MOST:]
        g = new
        points.append(x.copy())
    return _driven(points, S, Y)


def matrix_drive(gradient: Gradient, start: Vector, steps: int) -> Driven:
    """Right: the same method with H formed as a matrix from the pairs held, anew at every step."""
    points: list[Vector] = [np.array(start, dtype=float)]
    g = gradient(points[0].copy())
    S: list[Vector] = []
    Y: list[Vector] = []
    eye = np.eye(points[0].size)
    for _ in range(steps):
        H = eye * ((S[-1] @ Y[-1]) / (Y[-1] @ Y[-1]) if S else 1.0)
        for s, y in zip(S, Y, strict=True):
            V = eye - np.outer(s, y) / (s @ y)
            H = V @ H @ V.T + np.outer(s, s) / (s @ y)
        d = H @ g
        points.append(points[-1] - d * min(1.0, LONGEST / max(float(np.linalg.norm(d)), 1e-300)))
        new = gradient(points[-1].copy())
        s, y = points[-1] - points[-2], new - g
        if _good(s, y):
            S, Y = [*S, s][-MOST:], [*Y, y][-MOST:]
        g = new
    return _driven(points, S, Y)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.DRIVE: {
        "baseline_left_behind_by_a_refusal": lambda: stale_baseline,
        "pairs_in_float32_buffers": lambda: single_pairs,
        "start_overwritten": lambda: start_overwritten,
    }
}
HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {Subject.DRIVE: {"matrix_from_the_pairs": lambda: matrix_drive}}
