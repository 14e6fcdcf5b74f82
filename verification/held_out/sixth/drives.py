"""Drives and operators as a port leaves them: three and two wrong, one of each right."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.adapters.driving import Driven
from verification.law import Subject

Vector = NDArray[np.float64]
Gradient = Callable[[Vector], Vector]
CAPACITY = 5
RADIUS = 1.0


def _direction(S: list[Vector], Y: list[Vector], g: Vector) -> Vector:
    """The two loops around s'y / y'y of the newest pair."""
    if not S:
        return g / (1.0 + np.linalg.norm(g))
    q, alphas = g.copy(), []
    for s, y in zip(reversed(S), reversed(Y), strict=True):
        alphas.append(s @ q / (s @ y))
        q -= alphas[-1] * y
    q *= (S[-1] @ Y[-1]) / (Y[-1] @ Y[-1])
    for s, y, alpha in zip(S, Y, reversed(alphas), strict=True):
        q += (alpha - y @ q / (s @ y)) * s
    return q


def _capped(d: Vector) -> Vector:
    return d * min(1.0, RADIUS / max(float(np.linalg.norm(d)), 1e-300))


def _driven(points: list[Vector], S: Any, Y: Any) -> Driven:
    n = points[0].size
    return Driven(np.array(points), np.array(list(S)).reshape(-1, n), np.array(list(Y)).reshape(-1, n))


def _curved(s: Vector, y: Vector) -> bool:
    return bool(s @ y > 1e-10 * np.linalg.norm(s) * np.linalg.norm(y))


def trial_gradient(gradient: Gradient, start: Vector, steps: int) -> Driven:
    """y is taken at the full step, s at the step that was cut to the radius."""
    x = np.array(start, dtype=np.float64)
    points, S, Y = [x.copy()], deque(maxlen=CAPACITY), deque(maxlen=CAPACITY)
    for _ in range(steps):
        g = gradient(x)
        d = _direction(list(S), list(Y), g)
        y = gradient(x - d) - g
        s = -_capped(d)
        if _curved(s, y):
            S.append(s)
            Y.append(y)
        x = x + s
        points.append(x.copy())
    return _driven(points, S, Y)


def slot_order(gradient: Gradient, start: Vector, steps: int) -> Driven:
    """The pairs lie in a ring and are read from slot 0 on, in the loops and at the end: wrong once it came round."""
    x = np.array(start, dtype=np.float64)
    points, S, Y, seen = [x.copy()], [], [], 0
    g = gradient(x)
    for _ in range(steps):
        s = -_capped(_direction(S, Y, g))
        x = x + s
        g_new = gradient(x)
        if _curved(s, g_new - g):
            if len(S) < CAPACITY:
                S.append(s)
                Y.append(g_new - g)
            else:
                S[seen % CAPACITY], Y[seen % CAPACITY] = s, g_new - g
            seen += 1
        g = g_new
        points.append(x.copy())
    return _driven(points, S, Y)


def anchor_of_one(gradient: Gradient, start: Vector, steps: int) -> Driven:
    """Pairs over two steps: the point is anchored every second step, the gradient at each."""
    x = np.array(start, dtype=np.float64)
    points, S, Y = [x.copy()], deque(maxlen=CAPACITY), deque(maxlen=CAPACITY)
    anchor, g = x.copy(), gradient(x)
    for k in range(steps):
        x = x - _capped(_direction(list(S), list(Y), g))
        points.append(x.copy())
        g_new = gradient(x)
        if k % 2:
            if _curved(x - anchor, g_new - g):
                S.append(x - anchor)
                Y.append(g_new - g)
            anchor = x.copy()
        g = g_new
    return _driven(points, S, Y)


def capped_lbfgs(gradient: Gradient, start: Vector, steps: int) -> Driven:
    """Right: L-BFGS around s'y / y'y with steps no longer than a radius and a cosine test."""
    x = np.array(start, dtype=np.float64)
    points, S, Y = [x.copy()], deque(maxlen=CAPACITY), deque(maxlen=CAPACITY)
    g = gradient(x)
    for _ in range(steps):
        new = x - _capped(_direction(list(S), list(Y), g))
        g_new = gradient(new)
        if _curved(new - x, g_new - g):
            S.append(new - x)
            Y.append(g_new - g)
        x, g = new, g_new
        points.append(x.copy())
    return _driven(points, S, Y)


def transposed_factor(S: Vector, Y: Vector, h0: Vector, g: Vector) -> Vector:
    """The triangular form with R^-1 where R^-T belongs in the last product: right for one pair."""
    if len(S) == 0:
        return h0 * g
    R = np.triu(S @ Y.T)
    alpha = np.linalg.solve(R, S @ g)
    p = h0 * (g - Y.T @ alpha)
    return p + S.T @ np.linalg.solve(R, np.diag(R) * alpha - Y @ p)


def gram_without_h0(S: Vector, Y: Vector, h0: Vector, g: Vector) -> Vector:
    """The compact form whose middle has mean(h0) Y Y' for Y H0 Y': right where H0 is a multiple of I."""
    if len(S) == 0:
        return h0 * g
    R = np.triu(S @ Y.T)
    D = np.diag(np.diag(R))
    inverse = np.linalg.inv(R)
    a, b = S @ g, Y @ (h0 * g)
    top = inverse.T @ ((D + h0.mean() * (Y @ Y.T)) @ (inverse @ a)) - inverse.T @ b
    return h0 * g + S.T @ top - h0 * (Y.T @ (inverse @ a))


def recursive(S: Vector, Y: Vector, h0: Vector, g: Vector) -> Vector:
    """Right: H_k g = V' H_{k-1} V g + rho s s'g by recursion from the newest pair down, V = I - rho y s'."""
    if len(S) == 0:
        return h0 * g
    s, y = S[-1], Y[-1]
    rho = 1.0 / (s @ y)
    inner = recursive(S[:-1], Y[:-1], h0, g - rho * (s @ g) * y)
    return inner - rho * (y @ inner) * s + rho * (s @ g) * s


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.DRIVE: {
        "y_of_the_step_before_it_was_cut": lambda: trial_gradient,
        "pairs_in_the_order_of_slots": lambda: slot_order,
        "gradient_anchored_at_every_step": lambda: anchor_of_one,
    },
    Subject.OPERATOR: {
        "last_factor_not_transposed": lambda: transposed_factor,
        "compact_form_with_the_mean_of_h0": lambda: gram_without_h0,
    },
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.DRIVE: {"capped_lbfgs": lambda: capped_lbfgs},
    Subject.OPERATOR: {"recursion_from_the_newest": lambda: recursive},
}
