"""Drives and operators in NumPy: three and two wrong, one of each unusual but right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from verification.adapters.driving import Driven
from verification.law import Subject

Array = np.ndarray
Gradient = Callable[[Array], Array]
RATE, CAPACITY = 0.5, 5


def two_loop(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H g, the oldest pair first."""
    q, alphas = g.copy(), []
    for s, y in zip(S[::-1], Y[::-1], strict=True):
        alphas.append(s @ q / (s @ y))
        q = q - alphas[-1] * y
    r = h0 * q
    for s, y, alpha in zip(S, Y, alphas[::-1], strict=True):
        r = r + (alpha - y @ r / (s @ y)) * s
    return r


def _direction(pairs: list[tuple[Array, Array]], g: Array) -> Array:
    """H g with the Barzilai-Borwein H0 of the newest pair, the unit vector along g without one."""
    if not pairs:
        return g / max(float(np.linalg.norm(g)), 1.0)
    S, Y = (np.array(rows) for rows in zip(*pairs, strict=True))
    s, y = pairs[-1]
    return two_loop(S, Y, np.full(len(g), s @ y / (y @ y)), g)


def _driven(points: list[Array], pairs: list[tuple[Array, Array]]) -> Driven:
    """What was visited and is held."""
    n = len(points[0])
    S, Y = (np.array([pair[i] for pair in pairs]).reshape(len(pairs), n) for i in range(2))
    return Driven(np.array(points), S, Y)


def _admits(s: Array, y: Array) -> bool:
    return bool(s @ y > 1e-10 * np.sqrt((s @ s) * (y @ y)))


def lagged_drive(gradient: Gradient, start: Array, steps: int) -> Driven:
    """s of this step is paired with the change of gradient over the step before it."""
    x, points, pairs = start.copy(), [start.copy()], []
    g = gradient(x)
    change = None
    for _ in range(steps):
        s = -RATE * _direction(pairs, g)
        x = x + s
        points.append(x.copy())
        following = gradient(x)
        if change is not None and _admits(s, change):
            pairs = [*pairs, (s, change)][-CAPACITY:]
        change, g = following - g, following
    return _driven(points, pairs)


def unscaled_drive(gradient: Gradient, start: Array, steps: int) -> Driven:
    """s is the direction -H g, without the rate by which the point moved along it, y the change of gradient."""
    x, points, pairs = start.copy(), [start.copy()], []
    g = gradient(x)
    for _ in range(steps):
        d = -_direction(pairs, g)
        x = x + RATE * d
        points.append(x.copy())
        following = gradient(x)
        if _admits(d, following - g):
            pairs = [*pairs, (d, following - g)][-CAPACITY:]
        g = following
    return _driven(points, pairs)


def newest_first_drive(gradient: Gradient, start: Array, steps: int) -> Driven:
    """The pairs are put in front of the list and used as if the oldest stood there: the loops run against time."""
    x, points, pairs = start.copy(), [start.copy()], []
    g = gradient(x)
    for _ in range(steps):
        s = -RATE * _direction(pairs, g)
        x = x + s
        points.append(x.copy())
        following = gradient(x)
        if _admits(s, following - g):
            pairs = [(s, following - g), *pairs][:CAPACITY]
        g = following
    return _driven(points, pairs)


def honest_drive(gradient: Gradient, start: Array, steps: int) -> Driven:
    """Right: L-BFGS with H as a dense matrix that is made anew from the pairs held at every step."""
    x, points, pairs = start.copy(), [start.copy()], []
    g = gradient(x)
    for _ in range(steps):
        if pairs:
            S, Y = (np.array(rows) for rows in zip(*pairs, strict=True))
            gamma = S[-1] @ Y[-1] / (Y[-1] @ Y[-1])
            s = -RATE * dense_direction(S, Y, np.full(len(g), gamma), g)
        else:
            s = -RATE * _direction(pairs, g)
        x = x + s
        points.append(x.copy())
        following = gradient(x)
        if _admits(s, following - g):
            pairs = [*pairs, (s, following - g)][-CAPACITY:]
        g = following
    return _driven(points, pairs)


def _compact(S: Array, Y: Array, h0: Array, g: Array, R: Array) -> Array:
    """H g by the compact form with the triangular matrix R of S Y'."""
    D, scaled = np.diag(np.diag(R)), Y * h0
    p, q = S @ g, scaled @ g
    inner = np.linalg.solve(R, p)
    outer = np.linalg.solve(R.T, (D + scaled @ Y.T) @ inner - q)
    return h0 * g + S.T @ outer - scaled.T @ inner


def lower_compact(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """The compact form with the lower triangle of S Y' for the upper one: wrong from the second pair on."""
    return _compact(S, Y, h0, g, np.tril(S @ Y.T)) if len(S) else h0 * g


def empty_is_gradient(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """The compact form, and without a pair g itself: h0 is forgotten there."""
    return _compact(S, Y, h0, g, np.triu(S @ Y.T)) if len(S) else g.copy()


def dense_direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """Right: H as a dense matrix, updated pair by pair."""
    H = np.diag(h0)
    for s, y in zip(S, Y, strict=True):
        V = np.eye(len(g)) - np.outer(s, y) / (s @ y)
        H = V @ H @ V.T + np.outer(s, s) / (s @ y)
    return H @ g


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.DRIVE: {
        "change_of_gradient_of_the_step_before": lambda: lagged_drive,
        "displacement_without_the_rate": lambda: unscaled_drive,
        "newest_pair_first": lambda: newest_first_drive,
    },
    Subject.OPERATOR: {
        "compact_form_with_the_lower_triangle": lambda: lower_compact,
        "without_pairs_the_gradient_itself": lambda: empty_is_gradient,
    },
}
HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.DRIVE: {"dense_matrix_made_anew": lambda: honest_drive},
    Subject.OPERATOR: {"dense_recursion": lambda: dense_direction},
}
