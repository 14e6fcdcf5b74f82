"""Methods which take their own steps and operators: wrong ones, and unusual ones which are right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from verification.adapters.driving import Driven
from verification.law import Subject

CAPACITY = 5


def _two_loop(pairs, g, gamma):
    """H g, pairs oldest first."""
    q, alphas = g.copy(), []
    for s, y in reversed(pairs):
        alphas.append(s @ q / (s @ y))
        q -= alphas[-1] * y
    r = gamma * q
    for (s, y), a in zip(pairs, reversed(alphas), strict=True):
        r += (a - y @ r / (s @ y)) * s
    return r


def _gamma(pairs):
    """s'y / y'y of the newest pair."""
    return pairs[-1][0] @ pairs[-1][1] / (pairs[-1][1] @ pairs[-1][1]) if pairs else 0.05


def _driven(points, pairs, n):
    rows = [np.array([pair[i] for pair in pairs]).reshape(-1, n) for i in (0, 1)]
    return Driven(np.array(points), *rows)


def rollback_with_the_old_gradient(gradient, start, steps):
    """Heavy ball on H g; where |g| rose it goes on from the point before, with the gradient of the point left."""
    x, pairs = start.astype(float), []
    g, u, points = gradient(x), np.zeros(start.size), [x.copy()]
    before, size = x.copy(), np.linalg.norm(g)
    for _ in range(steps):
        if np.linalg.norm(g) > size:
            x, u = before.copy(), np.zeros(start.size)
        else:
            size = np.linalg.norm(g)
        u = 0.7 * u + _two_loop(pairs, g, _gamma(pairs))
        following = x - 0.5 * u
        new = gradient(following)
        s, y = following - x, new - g
        if s @ y > 1e-10 * (s @ s):
            pairs = [*pairs, (s, y)][-CAPACITY:]
        before, x, g = x, following, new
        points.append(x.copy())
    return _driven(points, pairs, start.size)


def displacements_of_rounded_points(gradient, start, steps):
    """The last point is kept in half precision to spare memory: s has an error as large as the point, not as s."""
    x, pairs = start.astype(float), []
    g, points = gradient(x), [x.copy()]
    for _ in range(steps):
        kept = x.astype(np.float16)
        x = x - 0.5 * _two_loop(pairs, g, _gamma(pairs))
        new = gradient(x)
        s, y = x - kept, new - g
        if s @ y > 1e-10 * (s @ s):
            pairs = [*pairs, (s, y)][-CAPACITY:]
        g = new
        points.append(x.copy())
    return _driven(points, pairs, start.size)


def refused_pair_leaves_the_gradient(gradient, start, steps):
    """Refuses an s parallel to the newest, and renews the point and not the gradient then: the next y spans two."""
    x, pairs = start.astype(float), []
    g = gradient(x)
    last, points = g, [x.copy()]
    for _ in range(steps):
        following = x - 0.5 * _two_loop(pairs, g, _gamma(pairs))
        g = gradient(following)
        s, y = following - x, g - last
        x = following
        points.append(x.copy())
        if pairs and abs(s @ pairs[-1][0]) > 0.6 * np.linalg.norm(s) * np.linalg.norm(pairs[-1][0]):
            continue
        if s @ y > 1e-10 * (s @ s):
            pairs = [*pairs, (s, y)][-CAPACITY:]
        last = g
    return _driven(points, pairs, start.size)


def compact_drive(gradient, start, steps):
    """Right: L-BFGS by the compact form, each step no longer than one half, a pair admitted by its cosine."""
    x, S, Y = start.astype(float), np.zeros((0, start.size)), np.zeros((0, start.size))
    g, points = gradient(x), [x.copy()]
    for _ in range(steps):
        gamma = S[-1] @ Y[-1] / (Y[-1] @ Y[-1]) if len(S) else 0.05
        d = compact(S, Y, np.full(start.size, gamma), g)
        d = d * 0.8 * min(1.0, 0.5 / max(np.linalg.norm(d), 1e-300))
        following = x - d
        new = gradient(following)
        s, y = following - x, new - g
        if s @ y > 1e-8 * np.linalg.norm(s) * np.linalg.norm(y):
            S, Y = np.vstack([S, s])[-CAPACITY:], np.vstack([Y, y])[-CAPACITY:]
        x, g = following, new
        points.append(x.copy())
    return Driven(np.array(points), S, Y)


def truncated_pseudoinverse(S, Y, h0, g):
    """The compact form with pinv(R) cut at 1e-6: pairs in a small unit, which are as good, are cut off."""
    if len(S) == 0:
        return h0 * g
    R = np.triu(S @ Y.T)
    back = np.linalg.pinv(R, rcond=1e-6)
    h_y = Y * h0
    top = back @ (S @ g)
    bottom = back.T @ (np.diag(R) * top + h_y @ (Y.T @ top) - h_y @ g)
    return h0 * g + S.T @ bottom - h_y.T @ top


def gram_matrix_of_a_scalar_h0(S, Y, h0, g):
    """The compact form with Y Y' times the mean of H0's diagonal for Y H0 Y': right where H0 is a multiple of I."""
    if len(S) == 0:
        return h0 * g
    R = np.triu(S @ Y.T)
    h_y = Y * h0
    top = np.linalg.solve(R, S @ g)
    bottom = np.linalg.solve(R.T, np.diag(R) * top + h0.mean() * (Y @ (Y.T @ top)) - h_y @ g)
    return h0 * g + S.T @ bottom - h_y.T @ top


def compact(S, Y, h0, g):
    """Right: H g = H0 g + [S' H0 Y'] M [S; Y H0] g, by triangular solves with R = triu(S Y')."""
    if len(S) == 0:
        return h0 * g
    R = np.triu(S @ Y.T)
    D = np.diag(np.diag(R))
    h_y = Y * h0
    top = np.linalg.solve(R, S @ g)
    bottom = np.linalg.solve(R.T, (D + h_y @ Y.T) @ top - h_y @ g)
    return h0 * g + S.T @ bottom - h_y.T @ top


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.DRIVE: {
        "rollback_with_the_gradient_of_the_point_left": lambda: rollback_with_the_old_gradient,
        "displacements_of_points_in_half_precision": lambda: displacements_of_rounded_points,
        "refused_pair_leaves_the_gradient_behind": lambda: refused_pair_leaves_the_gradient,
    },
    Subject.OPERATOR: {
        "pseudoinverse_cuts_off_pairs_in_small_units": lambda: truncated_pseudoinverse,
        "gram_matrix_as_if_h0_were_scalar": lambda: gram_matrix_of_a_scalar_h0,
    },
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.DRIVE: {"compact_form": lambda: compact_drive},
    Subject.OPERATOR: {"compact_products": lambda: compact},
}
