"""Drives: three wrong ones and an unusual right one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.adapters.driving import Driven
from verification.law import Subject

Vector = NDArray[np.float64]
Gradient = Callable[[Vector], Vector]
Pairs = list[tuple[Vector, Vector]]
CAPACITY = 4
RATE = 0.3


def _length(pairs: Pairs, g: Vector) -> float:
    """The multiple of I around which the pairs lie."""
    if not pairs:
        return 1.0 / max(1.0, float(np.linalg.norm(g)))
    s, y = pairs[-1]
    return float(s @ y / (y @ y))


def _times(pairs: Pairs, g: Vector, length: float) -> Vector:
    """H g by recursion over the pairs, H = V'HV + rho s s'."""
    if not pairs:
        return length * g
    s, y = pairs[-1]
    alpha = s @ g / (s @ y)
    inner = _times(pairs[:-1], g - alpha * y, length)
    return inner + (alpha - y @ inner / (s @ y)) * s


def _driven(points: list[Vector], pairs: Pairs, n: int) -> Driven:
    S, Y = (np.array([pair[i] for pair in pairs], dtype=float).reshape(-1, n) for i in range(2))
    return Driven(np.stack(points), S, Y)


def _sound(s: Vector, y: Vector) -> bool:
    return bool(s @ y > 1e-10 * (s @ s) and s @ s > 0)


def writes_into_start(gradient: Gradient, start: Vector, steps: int) -> Driven:
    """The iterate is the array ``start`` itself, moved in place: the caller's start is the last point."""
    x = np.asarray(start, dtype=float)
    points, pairs = [x.copy()], []
    g = gradient(x)
    for _ in range(steps):
        s = -RATE * _times(pairs, g, _length(pairs, g))
        x += s
        following = gradient(x)
        if _sound(s, following - g):
            pairs = [*pairs, (s, following - g)][-CAPACITY:]
        g = following
        points.append(x.copy())
    return _driven(points, pairs, x.size)


def gradient_before_the_clip(gradient: Gradient, start: Vector, steps: int) -> Driven:
    """Steps longer than one are shortened after the new gradient was taken: y belongs to the longer one."""
    x = np.array(start, dtype=float)
    points, pairs = [x.copy()], []
    g = gradient(x)
    for _ in range(steps):
        s = -RATE * _times(pairs, g, _length(pairs, g))
        following = gradient(x + s)
        s = s / max(1.0, float(np.linalg.norm(s)))
        if _sound(s, following - g):
            pairs = [*pairs, (s, following - g)][-CAPACITY:]
        x, g = x + s, following
        points.append(x.copy())
    return _driven(points, pairs, x.size)


def old_gradient_after_refusal(gradient: Gradient, start: Vector, steps: int) -> Driven:
    """Where a pair is refused the gradient is not renewed: the next step and the next y are of the old one."""
    x = np.array(start, dtype=float)
    points, pairs = [x.copy()], []
    g = gradient(x)
    for _ in range(steps):
        s = -RATE * _times(pairs, g, _length(pairs, g))
        x = x + s
        points.append(x.copy())
        following = gradient(x)
        if not _sound(s, following - g):
            continue
        pairs = [*pairs, (s, following - g)][-CAPACITY:]
        g = following
    return _driven(points, pairs, x.size)


def hessian_form(gradient: Gradient, start: Vector, steps: int) -> Driven:
    """Right: the matrix is B, made anew of the pairs held at each step, and B d = g is solved."""
    x = np.array(start, dtype=float)
    points, pairs = [x.copy()], []
    g = gradient(x)
    for _ in range(steps):
        B = np.eye(x.size) / _length(pairs, g)
        for s, y in pairs:
            b_s = B @ s
            B = B - np.outer(b_s, b_s) / (s @ b_s) + np.outer(y, y) / (s @ y)
        following = x - RATE * np.linalg.solve(B, g)
        g_following = gradient(following)
        s, y = following - x, g_following - g
        if _sound(s, y):
            pairs = [*pairs, (s, y)][-CAPACITY:]
        x, g = following, g_following
        points.append(x.copy())
    return _driven(points, pairs, x.size)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.DRIVE: {
        "start_is_moved_in_place": lambda: writes_into_start,
        "gradient_before_the_clip": lambda: gradient_before_the_clip,
        "old_gradient_after_a_refusal": lambda: old_gradient_after_refusal,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.DRIVE: {
        "hessian_form_solved": lambda: hessian_form,
    }
}
