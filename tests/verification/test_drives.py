"""Honest methods pass the laws of a method's own steps: with damping, line search, skips, a small memory, any H0."""

from __future__ import annotations

import numpy as np
import pytest

from verification import verify
from verification.adapters.driving import Driven
from verification.drive.admission import negative_curvature
from verification.drive.steps import pairs_of_steps
from verification.drive.terrains import Terrain
from verification.held_out.fourth.drives import matrix_drive
from verification.references import two_loop


def method(*, repair=None, length=None, capacity=10, gamma=None, diagonal=False, test=lambda s, y: s @ y > 0):
    """L-BFGS with step length 1 but for what is changed; ``repair(s, y, H)``, H a function."""

    def drive(gradient, start, steps):
        w, held, points, diagonals = start.copy(), [], [start.copy()], []
        squares = np.zeros_like(w)
        for _ in range(steps):
            g = gradient(w)
            S, Y = (np.array([p[i] for p in held]).reshape(-1, w.size) for i in (0, 1))
            scale = (S[-1] @ Y[-1]) / (Y[-1] @ Y[-1]) if len(S) else 1 / max(1.0, np.linalg.norm(g))
            squares += g * g
            h0 = 1 / np.sqrt(squares + 1e-4) if diagonal else np.full_like(w, gamma or scale)
            diagonals.append(h0)
            d = two_loop.direction(S, Y, h0, g)
            t = length(gradient, w, d, g) if length else 1.0
            new = w - t * d
            s, y = new - w, gradient(new) - g
            if repair is not None and (s != 0).any():
                s, y = repair(s, y, lambda v, S=S, Y=Y, h0=h0: two_loop.direction(S, Y, h0, v))
            if test(s, y):
                held = [*held, (s, y)][-capacity:]
            w = new
            points.append(w)
        S, Y = (np.array([p[i] for p in held]).reshape(-1, start.size) for i in (0, 1))
        return Driven(np.array(points), S, Y, np.array(diagonals) if diagonal else None)

    return drive


def powell_b(s, y, H):
    B = np.linalg.inv(np.array([H(e) for e in np.eye(s.size)]).T)
    Bs = B @ s
    if s @ y >= 0.2 * (s @ Bs):
        return s, y
    theta = 0.8 * (s @ Bs) / (s @ Bs - s @ y)
    return s, theta * y + (1 - theta) * Bs


def powell_h(s, y, H):
    Hy = H(y)
    if s @ y >= 0.2 * (y @ Hy):
        return s, y
    theta = 0.8 * (y @ Hy) / (y @ Hy - s @ y)
    return theta * s + (1 - theta) * Hy, y


def levenberg(s, y, H):
    if s @ y >= 0.3 * (s @ s):
        return s, y
    theta = 0.7 * (s @ s) / (s @ s - s @ y)
    return s, theta * y + (1 - theta) * s


def backtracking(gradient, w, d, g):
    value = lambda x: x @ gradient(x) / 2  # noqa: E731
    t = 1.0
    while value(w - t * d) > value(w) - 1e-4 * t * (g @ d) and t > 1e-12:
        t /= 2
    return t


def exact(gradient, w, d, g):
    curvature = d @ (gradient(w) - gradient(w - d))
    return (g @ d) / curvature if curvature > 0 else 1.0


def expanding(gradient, w, d, g):
    """Ten times as far while f falls, 25 times at most: on a saddle its numbers overflow."""
    value = lambda x: x @ gradient(x) / 2  # noqa: E731
    t = backtracking(gradient, w, d, g)
    for _ in range(25):
        if not value(w - 10 * t * d) < value(w - t * d):
            break
        t *= 10
    return t


HONEST = {
    "exact line search": method(length=exact),
    "plain": method(),
    "three pairs": method(capacity=3),
    "H0 = I": method(gamma=1.0),
    "diagonal H0": method(diagonal=True),
    "backtracking": method(length=backtracking),
    "Powell's damping, H0 = I": method(repair=powell_b, gamma=1.0),
    "Powell's damping": method(repair=powell_b),
    "Powell's damping of s": method(repair=powell_h),
    "Levenberg's damping": method(repair=levenberg),
    "shifted": method(repair=lambda s, y, H: (s, y + 0.01 * s)),
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_methods_pass(name):
    report = verify(HONEST[name], examples=15)
    assert report, str(report)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_overflow_where_f_has_no_bound_is_nobodys_fault():
    expands = method(length=expanding, test=lambda s, y: not s @ y <= 0)  # NaN is not <= 0
    case = Terrain(32, 24, 2.0, 9, "saddle")
    driven = expands(case.gradient, case.start, case.steps)
    assert np.isnan(np.einsum("ij,ij->i", driven.S, driven.Y)).any()
    negative_curvature(expands, case)


def test_who_makes_no_step_holds_no_pair():
    """A line search may fail where the function is not convex; where it is, no step is a fault."""

    def stays(gradient, start, steps):
        nothing = np.zeros((0, start.size))
        return Driven(start[None].copy(), nothing, nothing)

    pairs_of_steps(stays, Terrain(3, 4, 1.0, 0, "ridges"))
    with pytest.raises(AssertionError, match="no pair is held"):
        pairs_of_steps(stays, Terrain(3, 4, 1.0, 0, "valley"))


def test_a_pair_that_fits_two_steps_is_of_the_one_in_order():
    """In a plane, after clipped steps one way, the pair of step 6 is also a blend of step 7's."""
    pairs_of_steps(matrix_drive, Terrain(n=2, steps=8, digits=1.0, seed=9204, shape="kinks", size=1024.0))
