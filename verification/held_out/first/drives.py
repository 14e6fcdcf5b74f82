"""Drives: four wrong ones and an unusual right one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.adapters.driving import Driven
from verification.law import Subject

Vector = NDArray[np.float64]
Gradient = Callable[[Vector], Vector]
CAPACITY = 5
RATE = 0.2


def _direction(pairs: list[tuple[Vector, Vector]], g: Vector) -> Vector:
    """H g by the two-loop recursion around the Barzilai-Borwein length, oldest pair first."""
    q, alphas = g.copy(), []
    for s, y in reversed(pairs):
        alphas.append(s @ q / (s @ y))
        q = q - alphas[-1] * y
    if pairs:
        s, y = pairs[-1]
        q = q * (s @ y / (y @ y))
    else:
        q = q / max(1.0, float(np.linalg.norm(g)))
    for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
        q = q + (alpha - y @ q / (s @ y)) * s
    return q


def _stacked(pairs: list[tuple[Vector, Vector]], n: int) -> tuple[Vector, Vector]:
    if not pairs:
        return np.zeros((0, n)), np.zeros((0, n))
    return np.stack([s for s, _ in pairs]), np.stack([y for _, y in pairs])


def slot_order(gradient: Gradient, start: Vector, steps: int) -> Driven:
    """The pairs lie in a ring and are handed back by slot: not oldest first once the ring has wrapped."""
    x, slots, taken = np.array(start, dtype=float), [], 0
    points, g = [x.copy()], gradient(np.array(start, dtype=float))
    for _ in range(steps):
        head = taken % CAPACITY
        pairs = slots[head:] + slots[:head] if len(slots) == CAPACITY else slots
        following = x - RATE * _direction(pairs, g)
        g_following = gradient(following)
        s, y = following - x, g_following - g
        if s @ y > 1e-12 * (s @ s):
            if len(slots) < CAPACITY:
                slots.append((s, y))
            else:
                slots[head] = (s, y)
            taken += 1
        x, g = following, g_following
        points.append(x.copy())
    return Driven(np.stack(points), *_stacked(slots, x.size))


def lagging(gradient: Gradient, start: Vector, steps: int) -> Driven:
    """y is the change of gradient over the step before that of s."""
    x = np.array(start, dtype=float)
    points, pairs = [x.copy()], []
    before = gradient(x)
    for k in range(steps):
        g = gradient(x)
        following = x - RATE * _direction(pairs, g)
        s, y = following - x, g - before
        if k > 0 and s @ y > 1e-12 * (s @ s):
            pairs = [*pairs, (s, y)][-CAPACITY:]
        x, before = following, g
        points.append(x.copy())
    return Driven(np.stack(points), *_stacked(pairs, x.size))


def any_sign(gradient: Gradient, start: Vector, steps: int) -> Driven:
    """Holds every pair with |s'y| above a threshold, those of negative curvature too."""
    x = np.array(start, dtype=float)
    points, pairs, g = [x.copy()], [], gradient(x)
    for _ in range(steps):
        following = x - RATE * _direction(pairs, g)
        g_following = gradient(following)
        s, y = following - x, g_following - g
        if abs(s @ y) > 1e-12 * (s @ s):
            pairs = [*pairs, (s, y)][-CAPACITY:]
        x, g = following, g_following
        points.append(x.copy())
    return Driven(np.stack(points), *_stacked(pairs, x.size))


def single_precision(gradient: Gradient, start: Vector, steps: int) -> Driven:
    """The points are recorded in a float32 table, and so are not those at which the gradients were taken."""
    x = np.array(start, dtype=float)
    points = np.zeros((steps + 1, x.size), dtype=np.float32)
    points[0] = x
    pairs, g = [], gradient(x)
    for k in range(steps):
        following = x - RATE * _direction(pairs, g)
        g_following = gradient(following)
        s, y = following - x, g_following - g
        if s @ y > 1e-12 * (s @ s):
            pairs = [*pairs, (s, y)][-CAPACITY:]
        x, g = following, g_following
        points[k + 1] = x
    return Driven(points.astype(float), *_stacked(pairs, x.size))


def product_form(gradient: Gradient, start: Vector, steps: int) -> Driven:
    """Right: L-BFGS whose H is built as a dense matrix from the pairs held, anew at each step."""
    x = np.array(start, dtype=float)
    points, pairs, g = [x.copy()], [], gradient(x)
    eye = np.eye(x.size)
    for _ in range(steps):
        if pairs:
            s, y = pairs[-1]
            H = (s @ y / (y @ y)) * eye
        else:
            H = eye / max(1.0, float(np.linalg.norm(g)))
        for s, y in pairs:
            V = eye - np.outer(s, y) / (s @ y)
            H = V @ H @ V.T + np.outer(s, s) / (s @ y)
        following = x - RATE * (H @ g)
        g_following = gradient(following)
        s, y = following - x, g_following - g
        if s @ y > 1e-12 * (s @ s):
            pairs = [*pairs, (s, y)][-CAPACITY:]
        x, g = following, g_following
        points.append(x.copy())
    return Driven(np.stack(points), *_stacked(pairs, x.size))


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.DRIVE: {
        "pairs_handed_back_by_slot": lambda: slot_order,
        "y_lags_a_step_behind_s": lambda: lagging,
        "negative_curvature_is_held": lambda: any_sign,
        "points_recorded_in_float32": lambda: single_precision,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.DRIVE: {
        "dense_product_form": lambda: product_form,
    }
}
