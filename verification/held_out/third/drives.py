"""Drives and operators: wrong ones, and right ones that look odd."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.adapters.driving import Driven
from verification.law import Subject

Array = NDArray[np.float64]
Gradient = Callable[[Array], Array]
RATE = 0.5
HELD = 5


def _two_loops(S: Any, Y: Any, h0: Any, g: Array) -> Array:
    q, alphas = g.copy(), []
    for s, y in zip(reversed(S), reversed(Y), strict=True):
        alpha = (s @ q) / (s @ y)
        alphas.append(alpha)
        q = q - alpha * y
    r = h0 * q
    for s, y, alpha in zip(S, Y, reversed(alphas), strict=True):
        r = r + (alpha - (y @ r) / (s @ y)) * s
    return r


def _direction(S: Any, Y: Any, g: Array) -> Array:
    h0 = (S[-1] @ Y[-1]) / (Y[-1] @ Y[-1]) if len(S) else 1.0 / max(1.0, float(np.linalg.norm(g)))
    return _two_loops(S, Y, h0, g)


def _rows(rows: Any, n: int) -> Array:
    return np.array(list(rows), dtype=np.float64).reshape(-1, n)


def _positive(s: Array, y: Array) -> bool:
    return bool(s @ y > 1e-10 * np.linalg.norm(s) * np.linalg.norm(y))


def _in_slots(in_time: bool) -> Callable[[Gradient, Array, int], Driven]:
    """A ring of pairs, told in order of time, or slot by slot."""

    def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
        n = len(start)
        S, Y, count = np.zeros((HELD, n)), np.zeros((HELD, n)), 0
        points, g = [np.array(start, dtype=np.float64)], gradient(start.copy())
        for _ in range(steps):
            order = [i % HELD for i in range(max(0, count - HELD), count)]
            points.append(points[-1] - RATE * _direction(S[order], Y[order], g))
            new = gradient(points[-1].copy())
            s, y = points[-1] - points[-2], new - g
            g = new
            if _positive(s, y):
                S[count % HELD], Y[count % HELD] = s, y
                count += 1
        order = [i % HELD for i in range(max(0, count - HELD), count)] if in_time else list(range(min(count, HELD)))
        return Driven(np.array(points), S[order], Y[order])

    return drive


def slots_for_time() -> Callable[[Gradient, Array, int], Driven]:
    """The pairs are told slot by slot: once the ring went round the newest are first."""
    return _in_slots(in_time=False)


def ring_in_time() -> Callable[[Gradient, Array, int], Driven]:
    """Right: a ring of pairs told in order of time."""
    return _in_slots(in_time=True)


def _of_refused(keeps_gradient: bool) -> Callable[[Gradient, Array, int], Driven]:
    def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
        x = np.array(start, dtype=np.float64)
        S: deque[Array] = deque(maxlen=HELD)
        Y: deque[Array] = deque(maxlen=HELD)
        points, g = [x], gradient(x.copy())
        at, g_at = x, g
        for _ in range(steps):
            x = x - RATE * _direction(list(S), list(Y), g)
            g = gradient(x.copy())
            points.append(x)
            s, y = x - at, g - g_at
            at = x
            if _positive(s, y):
                S.append(s)
                Y.append(y)
                g_at = g
            elif not keeps_gradient:
                g_at = g
        return Driven(np.array(points), _rows(S, len(x)), _rows(Y, len(x)))

    return drive


def refused_pair_leaves_the_old_gradient() -> Callable[[Gradient, Array, int], Driven]:
    """After a refused pair the point moves on and its gradient does not: the next y belongs to another s."""
    return _of_refused(keeps_gradient=True)


def remembers_the_last_problem() -> Callable[[Gradient, Array, int], Driven]:
    """The pairs lie outside the function: a second problem of the same size starts with those of the first."""
    S: deque[Array] = deque(maxlen=HELD)
    Y: deque[Array] = deque(maxlen=HELD)

    def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
        x = np.array(start, dtype=np.float64)
        if S and len(S[0]) != len(x):
            S.clear()
            Y.clear()
        points, g = [x], gradient(x.copy())
        for _ in range(steps):
            x = x - RATE * _direction(list(S), list(Y), g)
            new = gradient(x.copy())
            s, y = x - points[-1], new - g
            points.append(x)
            g = new
            if _positive(s, y):
                S.append(s)
                Y.append(y)
        return Driven(np.array(points), _rows(S, len(x)), _rows(Y, len(x)))

    return drive


def moves_the_start() -> Callable[[Gradient, Array, int], Driven]:
    """The caller's start is the iterate and moves, if it is float64 already."""

    def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
        x = np.asarray(start, dtype=np.float64)
        S: deque[Array] = deque(maxlen=HELD)
        Y: deque[Array] = deque(maxlen=HELD)
        points, g = [x.copy()], gradient(x.copy())
        for _ in range(steps):
            x -= RATE * _direction(list(S), list(Y), g)
            new = gradient(x.copy())
            s, y = x - points[-1], new - g
            points.append(x.copy())
            g = new
            if _positive(s, y):
                S.append(s)
                Y.append(y)
        return Driven(np.array(points), _rows(S, len(x)), _rows(Y, len(x)))

    return drive


def one_buffer_for_two_pairs() -> Callable[[Gradient, Array, int], Driven]:
    """A full window takes its oldest arrays for the new pair, which is held then though it be refused."""

    def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
        x = np.array(start, dtype=np.float64)
        S: list[Array] = []
        Y: list[Array] = []
        points, g = [x], gradient(x.copy())
        for _ in range(steps):
            x = x - RATE * _direction(S, Y, g)
            new = gradient(x.copy())
            s = S[0] if len(S) == HELD else np.empty_like(x)
            y = Y[0] if len(Y) == HELD else np.empty_like(x)
            np.subtract(x, points[-1], out=s)
            np.subtract(new, g, out=y)
            points.append(x)
            g = new
            if _positive(s, y):
                S, Y = (
                    [*S[-HELD + 1 :], s] if len(S) == HELD else [*S, s],
                    [*Y[-HELD + 1 :], y] if len(Y) == HELD else [*Y, y],
                )
        return Driven(np.array(points), _rows(S, len(x)), _rows(Y, len(x)))

    return drive


def dense_beside_the_pairs() -> Callable[[Gradient, Array, int], Driven]:
    """Right: H is multiplied out from the pairs held at every step, as a matrix."""

    def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
        x, n = np.array(start, dtype=np.float64), len(start)
        S: deque[Array] = deque(maxlen=3)
        Y: deque[Array] = deque(maxlen=3)
        points, g = [x], gradient(x.copy())
        for _ in range(steps):
            h0 = (S[-1] @ Y[-1]) / (Y[-1] @ Y[-1]) if S else 1.0 / max(1.0, float(np.linalg.norm(g)))
            H = h0 * np.eye(n)
            for s, y in zip(S, Y, strict=True):
                V = np.eye(n) - np.outer(s, y) / (s @ y)
                H = V @ H @ V.T + np.outer(s, s) / (s @ y)
            x = x - RATE * (H @ g)
            new = gradient(x.copy())
            s, y = x - points[-1], new - g
            points.append(x)
            g = new
            if _positive(s, y):
                S.append(s)
                Y.append(y)
        return Driven(np.array(points), _rows(S, n), _rows(Y, n))

    return drive


def absolute_threshold(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """Pairs whose s'y is below 1e-10 are left out, which all are where the problem is written in small units."""
    kept = [i for i in range(len(S)) if S[i] @ Y[i] > 1e-10]
    return _two_loops(S[kept], Y[kept], h0, g)


def untransposed(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """The compact form with R^-1 where R^-T belongs: right for one pair."""
    if not len(S):
        return h0 * g
    R, D = np.triu(S @ Y.T), np.diag(np.sum(S * Y, axis=1))
    a, b = S @ g, Y @ (h0 * g)
    u = np.linalg.solve(R, a)
    top = np.linalg.solve(R, (D + (Y * h0) @ Y.T) @ u - b)
    return h0 * g + S.T @ top - h0 * (Y.T @ u)


def compact(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """Right: the compact form of Byrd, Nocedal and Schnabel."""
    if not len(S):
        return h0 * g
    R, D = np.triu(S @ Y.T), np.diag(np.sum(S * Y, axis=1))
    u = np.linalg.solve(R, S @ g)
    top = np.linalg.solve(R.T, (D + (Y * h0) @ Y.T) @ u - Y @ (h0 * g))
    return h0 * g + S.T @ top - h0 * (Y.T @ u)


def writes_over_the_gradient(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """The first loop goes over the caller's gradient; without pairs it stays whole."""
    q, alphas = g, []
    for s, y in zip(S[::-1], Y[::-1], strict=True):
        alphas.append((s @ q) / (s @ y))
        q -= alphas[-1] * y
    r = h0 * q
    for s, y, alpha in zip(S, Y, alphas[::-1], strict=True):
        r += (alpha - (y @ r) / (s @ y)) * s
    return r


def left_early(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """The first loop ends where q has vanished, and the second gives the alphas there are to the oldest pairs."""
    q, alphas = g.copy(), []
    for s, y in zip(S[::-1], Y[::-1], strict=True):
        alphas.append((s @ q) / (s @ y))
        q = q - alphas[-1] * y
        if np.linalg.norm(q) <= 1e-12 * np.linalg.norm(g):
            break
    r = h0 * q
    for s, y, alpha in zip(S, Y, alphas[::-1], strict=False):
        r = r + (alpha - (y @ r) / (s @ y)) * s
    return r


def window_of_ten(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """Work arrays for ten pairs: the eleventh writes its alpha over that of the newest."""
    alphas, q, m = np.zeros(10), g.copy(), len(S)
    for i in reversed(range(m)):
        alphas[i % 10] = (S[i] @ q) / (S[i] @ Y[i])
        q = q - alphas[i % 10] * Y[i]
    r = h0 * q
    for i in range(m):
        r = r + (alphas[i % 10] - (Y[i] @ r) / (S[i] @ Y[i])) * S[i]
    return r


def matrix_by_products(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """Right: recursively, H g = V H_before V'g + s (s'g) / s'y."""
    if not len(S):
        return h0 * g
    s, y = S[-1], Y[-1]
    alpha = (s @ g) / (s @ y)
    inner = matrix_by_products(S[:-1], Y[:-1], h0, g - alpha * y)
    return inner + (alpha - (y @ inner) / (s @ y)) * s


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.DRIVE: {
        "pairs_told_by_slot_once_the_ring_went_round": slots_for_time,
        "point_moves_on_after_a_refused_pair_and_its_gradient_does_not": refused_pair_leaves_the_old_gradient,
        "pairs_of_the_last_problem_stay": remembers_the_last_problem,
        "start_of_the_caller_moves": moves_the_start,
        "oldest_pair_overwritten_though_the_new_is_refused": one_buffer_for_two_pairs,
    },
    Subject.OPERATOR: {
        "absolute_threshold_for_pairs": lambda: absolute_threshold,
        "triangle_not_transposed": lambda: untransposed,
        "gradient_of_the_caller_overwritten": lambda: writes_over_the_gradient,
        "loop_left_early_and_alphas_misplaced": lambda: left_early,
        "work_arrays_for_ten_pairs": lambda: window_of_ten,
    },
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.DRIVE: {
        "ring_told_in_time": ring_in_time,
        "matrix_from_the_pairs": dense_beside_the_pairs,
    },
    Subject.OPERATOR: {
        "compact_form": lambda: compact,
        "by_recursion": lambda: matrix_by_products,
    },
}
