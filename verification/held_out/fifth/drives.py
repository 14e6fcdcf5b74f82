"""Whole L-BFGS runs in NumPy: wrong ones, and an unusual one that is right."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from verification.adapters.driving import Driven
from verification.law import Subject

Gradient = Callable[[np.ndarray], np.ndarray]
CAPACITY = 6


def direction(pairs: deque[tuple[np.ndarray, np.ndarray]], g: np.ndarray) -> np.ndarray:
    """H g by two loops, gamma of the newest pair."""
    q, alphas = g.copy(), []
    for s, y in reversed(pairs):
        alphas.append(s @ q / (s @ y))
        q -= alphas[-1] * y
    if pairs:
        s, y = pairs[-1]
        q *= s @ y / (y @ y)
    else:
        q /= max(1.0, float(np.linalg.norm(q)))
    for s, y in pairs:
        q += (alphas.pop() - y @ q / (s @ y)) * s
    return q


def driven(points: list[np.ndarray], pairs: deque[tuple[np.ndarray, np.ndarray]]) -> Driven:
    """The record of a run."""
    n = len(points[0])
    S = np.array([s for s, _ in pairs]).reshape(-1, n)
    Y = np.array([y for _, y in pairs]).reshape(-1, n)
    return Driven(np.array(points), S, Y)


def lagging(gradient: Gradient, start: np.ndarray, steps: int) -> Driven:
    """The gradient is taken before the step and the point after it: s_k is paired with y_{k-1}."""
    x, pairs = np.array(start, dtype=np.float64), deque(maxlen=CAPACITY)
    points, before = [x.copy()], None
    s = np.zeros_like(x)
    for _ in range(steps):
        g = gradient(x)
        d = direction(pairs, g)
        new = x - d / max(1.0, float(np.linalg.norm(d)))
        if before is not None:
            s, y = new - x, g - before
            if s @ y > 1e-10 * (s @ s):
                pairs.append((s, y))
        before, x = g, new
        points.append(x.copy())
    return driven(points, pairs)


def refused_trial(gradient: Gradient, start: np.ndarray, steps: int) -> Driven:
    """A step that overshoots is halved, and y keeps the gradient of the first trial while s is that of the last."""
    x, pairs = np.array(start, dtype=np.float64), deque(maxlen=CAPACITY)
    points, g = [x.copy()], gradient(np.array(start, dtype=np.float64))
    for _ in range(steps):
        d = direction(pairs, g)
        t, trial = 1.0, gradient(x - d)
        new = trial
        while new @ d < -0.05 * abs(g @ d) and t > 1e-3:
            t /= 2
            new = gradient(x - t * d)
        s, y = -t * d, trial - g
        x, g = x + s, new
        if s @ y > 1e-10 * (s @ s):
            pairs.append((s, y))
        points.append(x.copy())
    return driven(points, pairs)


def single_precision(gradient: Gradient, start: np.ndarray, steps: int) -> Driven:
    """The last point and gradient are kept in float32, and the differences with them lose every digit near the end."""
    x, pairs = np.array(start, dtype=np.float64), deque(maxlen=CAPACITY)
    points, g = [x.copy()], gradient(np.array(start, dtype=np.float64))
    for _ in range(steps):
        old_x, old_g = x.astype(np.float32), g.astype(np.float32)
        x = x - direction(pairs, g)
        g = gradient(x)
        s, y = x - old_x, g - old_g
        if s @ y > 1e-10 * (s @ s):
            pairs.append((s, y))
        points.append(x.copy())
    return driven(points, pairs)


def careful(gradient: Gradient, start: np.ndarray, steps: int) -> Driven:
    """Right: steps are halved until they do not overshoot; s is the difference of the points themselves."""
    x, pairs = np.array(start, dtype=np.float64), deque(maxlen=CAPACITY)
    points, g = [x.copy()], gradient(np.array(start, dtype=np.float64))
    for _ in range(steps):
        d, t = direction(pairs, g), 1.0
        new_x = x - d
        new_g = gradient(new_x)
        while new_g @ d < -0.5 * abs(g @ d) and t > 1e-3:
            t /= 2
            new_x = x - t * d
            new_g = gradient(new_x)
        s, y = new_x - x, new_g - g
        if s @ y > 1e-10 * (s @ s) and s @ s > 0:
            pairs.append((s, y))
        x, g = new_x, new_g
        points.append(x.copy())
    return driven(points, pairs)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.DRIVE: {
        "y_of_the_step_before": lambda: lagging,
        "y_of_the_trial_that_was_refused": lambda: refused_trial,
        "differences_with_single_precision": lambda: single_precision,
    }
}
HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {Subject.DRIVE: {"halves_what_overshoots": lambda: careful}}
