"""Drives and operators: three and two wrong ones, one and one that are right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from verification.adapters.driving import Driven
from verification.law import Subject

Array = np.ndarray
Gradient = Callable[[Array], Array]
HELD = 5


def recursion(S: list[Array], Y: list[Array], rho: list[float], v: Array) -> Array:
    """The two-loop recursion with H0 = (s'y / y'y) I of the newest pair."""
    q, alphas = v.copy(), []
    for i in reversed(range(len(S))):
        alphas.append(rho[i] * (S[i] @ q))
        q = q - alphas[-1] * Y[i]
    r = q * ((S[-1] @ Y[-1]) / (Y[-1] @ Y[-1])) if S else q / max(1.0, float(np.linalg.norm(v)))
    for i, alpha in enumerate(reversed(alphas)):
        r = r + (alpha - rho[i] * (Y[i] @ r)) * S[i]
    return r


def secant_length(gradient: Gradient, x: Array, g: Array, d: Array) -> float:
    """Where the gradient along d vanishes by one secant; 1 where it does not fall."""
    slope, there = float(g @ d), float(gradient(x + d) @ d)
    return float(np.clip(-slope / (there - slope), 0.05, 10.0)) if there > slope else 1.0


def held(S: list[Array], Y: list[Array], n: int) -> tuple[Array, Array]:
    """As (m, n) each."""
    return np.array(S).reshape(-1, n), np.array(Y).reshape(-1, n)


def from_first_trial(gradient: Gradient, start: Array, steps: int) -> Driven:
    """y is made before the step is shortened, s after it: where a trial went too far, y belongs to the longer step."""
    x = np.array(start, dtype=np.float64)
    g, S, Y, points = gradient(x), [], [], [x.copy()]
    for _ in range(steps):
        d = -2.0 * recursion(S, Y, [1.0 / (s @ y) for s, y in zip(S, Y, strict=True)], g)
        new = x + d
        g_new = gradient(new)
        y = g_new - g
        for _ in range(20):
            if g_new @ d <= 0.5 * abs(g @ d):
                break
            d = 0.5 * d
            new = x + d
            g_new = gradient(new)
        s = new - x
        if s @ y > 1e-10 * (y @ y) and y @ y > 0:
            S, Y = [*S, s][-HELD:], [*Y, y][-HELD:]
        x, g = new, g_new
        points.append(x.copy())
    return Driven(np.array(points), *held(S, Y, x.size))


def rho_left_behind(gradient: Gradient, start: Array, steps: int) -> Driven:
    """The oldest s and y leave a full memory and their rho stays: from then on each pair has an older one's rho."""
    x = np.array(start, dtype=np.float64)
    g, S, Y, rho, points = gradient(x), [], [], [], [x.copy()]
    for _ in range(steps):
        d = -recursion(S, Y, rho, g)
        new = x + secant_length(gradient, x, g, d) * d
        g_new = gradient(new)
        s, y = new - x, g_new - g
        if s @ y > 1e-10 * (y @ y) and y @ y > 0:
            if len(S) == HELD:
                S.pop(0)
                Y.pop(0)
            S.append(s)
            Y.append(y)
            rho.append(1.0 / (s @ y))
        x, g = new, g_new
        points.append(x.copy())
    return Driven(np.array(points), *held(S, Y, x.size))


def uncut_displacement(gradient: Gradient, start: Array, steps: int) -> Driven:
    """Long steps are cut to a radius when they are made, and stored as s uncut."""
    x = np.array(start, dtype=np.float64)
    g, S, Y, points = gradient(x), [], [], [x.copy()]
    for _ in range(steps):
        d = -recursion(S, Y, [1.0 / (s @ y) for s, y in zip(S, Y, strict=True)], g)
        s = secant_length(gradient, x, g, d) * d
        radius = 0.25 * max(1.0, float(np.linalg.norm(x)))
        new = x + s * min(1.0, radius / max(float(np.linalg.norm(s)), 1e-300))
        g_new = gradient(new)
        y = g_new - g
        if s @ y > 1e-10 * (y @ y) and y @ y > 0:
            S, Y = [*S, s][-HELD:], [*Y, y][-HELD:]
        x, g = new, g_new
        points.append(x.copy())
    return Driven(np.array(points), *held(S, Y, x.size))


def matrix_of(S: Array, Y: Array, h0: Array) -> Array:
    """H by the BFGS formula, pair by pair."""
    H = np.diag(h0).astype(np.float64)
    for s, y in zip(S, Y, strict=True):
        V = np.eye(s.size) - np.outer(s, y) / (s @ y)
        H = V @ H @ V.T + np.outer(s, s) / (s @ y)
    return H


def by_matrices(gradient: Gradient, start: Array, steps: int) -> Driven:
    """Right: H is multiplied out from the pairs held at every step; the step length is a secant's."""
    x = np.array(start, dtype=np.float64)
    g, S, Y, points = gradient(x), [], [], [x.copy()]
    for _ in range(steps):
        gamma = (S[-1] @ Y[-1]) / (Y[-1] @ Y[-1]) if S else 1.0 / max(1.0, float(np.linalg.norm(g)))
        d = -matrix_of(*held(S, Y, x.size), np.full(x.size, gamma)) @ g
        new = x + secant_length(gradient, x, g, d) * d
        g_new = gradient(new)
        s, y = new - x, g_new - g
        if s @ y > 1e-10 * (y @ y) and y @ y > 0:
            S, Y = [*S, s][-HELD:], [*Y, y][-HELD:]
        x, g = new, g_new
        points.append(x.copy())
    return Driven(np.array(points), *held(S, Y, x.size))


def compact_with_one_gamma(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """The compact form takes Y'H0Y with the mean of h0's entries: right as long as they are all equal."""
    if len(S) == 0:
        return h0 * g
    R = np.triu(S @ Y.T)
    middle = np.diag(np.diag(R)) + h0.mean() * (Y @ Y.T)
    alpha = np.linalg.solve(R, S @ g)
    upper = np.linalg.solve(R.T, middle @ alpha - Y @ (h0 * g))
    return h0 * g + S.T @ upper - h0 * (Y.T @ alpha)


def works_in_g(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """The recursion takes the caller's g for its q: H g is right, and g is no longer the gradient."""
    q = np.asarray(g, dtype=np.float64)
    alphas = []
    for s, y in zip(S[::-1], Y[::-1], strict=True):
        alphas.append((s @ q) / (s @ y))
        q -= alphas[-1] * y
    r = h0 * q
    for s, y, alpha in zip(S, Y, reversed(alphas), strict=True):
        r = r + (alpha - (y @ r) / (s @ y)) * s
    return r


def by_the_matrix(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """Right: the matrix H is multiplied out, and then applied."""
    return matrix_of(S, Y, h0) @ g


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.DRIVE: {
        "y_from_the_first_trial_of_a_shortened_step": lambda: from_first_trial,
        "rho_not_evicted_with_its_pair": lambda: rho_left_behind,
        "displacement_stored_uncut": lambda: uncut_displacement,
    },
    Subject.OPERATOR: {
        "compact_form_with_mean_of_h0": lambda: compact_with_one_gamma,
        "recursion_in_the_callers_gradient": lambda: works_in_g,
    },
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.DRIVE: {"matrices_multiplied_out": lambda: by_matrices},
    Subject.OPERATOR: {"matrix_multiplied_out": lambda: by_the_matrix},
}
