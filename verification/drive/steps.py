"""A method by its own steps: where it goes, from which pairs, and which pairs it holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from hypothesis import strategies as st

from verification.adapters.driving import Drive, Driven, Gradient
from verification.blends import fits, is_blend
from verification.compare import holds, same
from verification.conditioning import Conditioning
from verification.law import Group, Subject, law
from verification.references import two_loop
from verification.strategies import Array
from verification.tolerances import TOLERANCES

SOURCE = "Nocedal & Wright, Numerical Optimization (2006), Algorithms 7.4 and 7.5."
VISIBLE = 1e-5
"""Steps shorter than this times the start are not looked at: their differences have lost too many digits."""


@dataclass(frozen=True)
class Valley:
    """f(w) = w'Aw / 2, A with eigenvalues 10^(-digits/2) to 10^(digits/2) in random directions; ``steps`` steps."""

    n: int
    steps: int
    digits: float
    seed: int

    @cached_property
    def A(self) -> Array:
        """(n, n)."""
        rng = np.random.default_rng(self.seed)
        Q = np.linalg.qr(rng.standard_normal((self.n, self.n)))[0]
        A: Array = (Q * 10.0 ** np.linspace(-self.digits / 2, self.digits / 2, self.n)) @ Q.T
        return (A + A.T) / 2

    @property
    def start(self) -> Array:
        """The first point."""
        w: Array = np.random.default_rng([self.seed, 1]).standard_normal(self.n)
        return w

    @property
    def gradient(self) -> Gradient:
        """The gradient of f, fresh at every call."""
        A = self.A
        return lambda w: A @ w


def valleys(long: bool = True) -> st.SearchStrategy[Valley]:
    """Up to 6 steps in 6 to 9 dimensions; with ``long`` some of 24 steps in 32, which fill small memories."""
    few = st.builds(
        Valley, st.integers(6, 9), st.integers(1, 6), st.sampled_from((0.5, 1.0, 2.0)), st.integers(0, 2**16)
    )
    many = st.builds(Valley, st.just(32), st.just(24), st.just(2.0), st.integers(0, 2**16))
    return st.one_of(few, few, many) if long else few


class _Run:
    """What a method did on a valley: its points, and the changes of point and gradient from each to the next."""

    def __init__(self, drive: Drive, case: Valley) -> None:
        self.drive, self.case, self.shorter = drive, case, dict[int, Driven]()
        start = case.start
        given = start.copy()
        self.driven: Driven = drive(case.gradient, given, case.steps)
        same(given, start, "the start, which belongs to the caller, after the steps")
        self.points = np.asarray(self.driven.points, dtype=np.float64)
        same(self.points[0], start, "the first point against the start")
        finite = np.isfinite(self.points).all(axis=1)
        holds(bool(finite.all()), f"point {int(np.argmin(finite))} is {self.points[int(np.argmin(finite))].tolist()}")
        self.S, self.Y = np.diff(self.points, axis=0), np.diff(self.points @ case.A, axis=0)
        self.g = self.points @ case.A
        size = np.linalg.norm(start)
        lengths = np.linalg.norm(self.S, axis=1)
        near = np.abs(self.points).max(axis=1) > 1e6 * size
        small = np.flatnonzero((lengths < VISIBLE * np.maximum(size, np.abs(self.points[:-1]).max(axis=1))) | near[1:])
        self.steps = int(small[0]) if small.size else len(self.S)
        """How many steps can be looked at."""

    def at(self, k: int) -> Driven:
        """The method after k steps, by driving it anew: the pairs that it holds then are those of step k."""
        if k == 0:
            nothing = np.zeros((0, self.case.n))
            return Driven(self.points[:1], nothing, nothing)
        if k not in self.shorter:
            self.shorter[k] = self.drive(self.case.gradient, self.case.start, k)
            same(self.shorter[k].points[: k + 1], self.points[: k + 1], f"the points of a second run of {k} steps")
        return self.shorter[k]


@law(
    name="steps-downhill",
    statement="every step goes downhill: (p_{k+1} - p_k)'g(p_k) < 0; nothing is NaN, not the start changed",
    source="H positive definite and a positive step length, whatever the pairs, dampings and line search.",
    group=Group.MATHEMATICS,
    subject=Subject.DRIVE,
    kills=("walks_uphill", "h0_negative", "start_is_written"),
    inputs=valleys(),
)
def steps_downhill(drive: Drive, case: Valley) -> None:
    """Of a convex quadratic."""
    run = _Run(drive, case)
    for k in range(run.steps):
        slope = float(run.S[k] @ run.g[k])
        holds(slope < 0, f"step {k} goes along (p_{k + 1} - p_{k})'g = {slope:.6g}, expected a negative number")


@law(
    name="at-rest",
    statement="at the minimiser a method stays: no point moves, none is NaN",
    source="s = 0 and y = 0 make no pair: s'y / y'y is 0 / 0. A converged run goes on for as long as it is told to.",
    group=Group.MATHEMATICS,
    subject=Subject.DRIVE,
    kills=("divides_by_zero", "walks_from_the_minimiser"),
    inputs=valleys(long=False),
)
def at_rest(drive: Drive, case: Valley) -> None:
    """From g = 0."""
    points = np.asarray(drive(case.gradient, np.zeros(case.n), case.steps).points)
    same(points, np.zeros_like(points), "the points visited from the minimiser")


# -- the pairs ----------------------------------------------------------------------------------------------------


def _is_pair(run: _Run, j: int, s: Array, y: Array) -> bool:
    """Whether (s, y) is the pair of step j, as it is, damped, or shifted.

    Powell: y <- theta y + (1 - theta) Bs, and Bs is a multiple of -g since s = -t Hg; Levenberg and the regularisations
    add a multiple of s to y. In the form with H: s <- theta s + (1 - theta) Hy, H of the pairs before.
    """
    s_j, y_j, g = run.S[j], run.Y[j], run.g[j]
    near = 1e-7
    if np.linalg.norm(s - s_j) <= near * np.linalg.norm(s_j):
        if np.linalg.norm(y - y_j) <= near * np.linalg.norm(y_j):
            return True
        return is_blend(y, y_j, [-g], shifted=False) or is_blend(y, y_j, [s_j])
    if np.linalg.norm(y - y_j) > near * np.linalg.norm(y_j):
        return False
    before = run.at(j)
    u = two_loop.direction(before.S, before.Y, np.zeros_like(s), y_j)
    v = two_loop.direction(before.S, before.Y, np.ones_like(s), y_j) - u
    x, fitting = fits(s - u, [s_j - u, v])  # s = theta s_j + (1 - theta) (u + gamma v)
    return fitting and -1e-6 <= x[0] < 1 and x[1] > 0


def _steps_of(run: _Run, driven: Driven) -> list[int | None]:
    """Of which step each pair held is, the last that fits; None for none."""
    found: list[int | None] = []
    for s, y in zip(driven.S, driven.Y, strict=True):
        fitting = (j for j in reversed(range(len(run.S))) if _is_pair(run, j, s, y))
        found.append(next(fitting, None))
    return found


@law(
    name="pairs-of-steps",
    statement="the pairs held are (p_{j+1} - p_j, g_{j+1} - g_j) of the last steps, in their order, damped or not",
    source=SOURCE + " On a convex quadratic with a condition number of 100 at most no pair need be refused.",
    group=Group.CONTRACT,
    subject=Subject.DRIVE,
    kills=(
        "y_of_the_step_before",
        "s_of_length_one",
        "newest_pair_missing",
        "reports_backwards",
        "oldest_are_kept",
        "reports_the_ring_as_it_lies",
    ),
    inputs=valleys(),
)
def pairs_of_steps(drive: Drive, case: Valley) -> None:
    """As far as steps can be told from rounding."""
    run = _Run(drive, case)
    if run.steps < len(run.S):
        return
    held = _steps_of(run, run.driven)
    holds(len(held) > 0, f"no pair is held after {case.steps} steps on a well-conditioned quadratic")
    expected = list(range(len(run.S) - len(held), len(run.S)))
    holds(held == expected, f"the pairs held are of the steps {held} (None: of no step), expected {expected}")


# -- the steps ----------------------------------------------------------------------------------------------------


def _off(run: _Run, k: int, S: Array, Y: Array) -> tuple[float, float]:
    """How far step k is from a positive multiple of -H g, over scalar H0 > 0; and what rounding may do."""
    g, x = run.g[k], -run.S[k]
    h0 = run.driven.h0
    if h0 is None:
        u = two_loop.direction(S, Y, np.zeros_like(g), g)
        columns = [u, two_loop.direction(S, Y, np.ones_like(g), g) - u] if len(S) else [g]
    else:
        columns = [two_loop.direction(S, Y, h0[k], g)]
    best = min((_residual(x, chosen) for chosen in _subsets(columns)), default=np.inf)
    c = Conditioning.of(S, Y, np.ones_like(g) if h0 is None else h0[k])
    shortest = min([np.linalg.norm(s) for s in [*S, x]])
    lost = max(1.0, float(np.abs(run.points[: k + 2]).max() / shortest))
    allowed = TOLERANCES["operator"](m=c.m, n=c.n, c_min=c.c_min) * lost * c.magnitude
    return best, max(1e-9, float(allowed))


def _subsets(columns: list[Array]) -> list[list[Array]]:
    """All, or one of two where the other vanishes: H0's part where the pairs fix H, the pairs' where g is normal to s.

    The second comes of an exact line search; a coefficient of a vector of rounding errors has any sign.
    """
    return [columns, *([column] for column in columns if len(columns) > 1)]


def _residual(x: Array, columns: list[Array]) -> float:
    """|x - a combination with positive coefficients| / |x|, infinite if a coefficient is not positive."""
    coefficients, _ = fits(x, columns)
    if not bool((coefficients > 0).all()):
        return float("inf")
    fitted = np.stack(columns, axis=1) @ coefficients
    return float(np.linalg.norm(fitted - x) / np.linalg.norm(x))


def _in_order(run: _Run, driven: Driven) -> tuple[Array, Array]:
    """The pairs by their steps, if these are known; whether they are told in order is another law's affair."""
    if len(run.S) <= len(driven.S):
        return driven.S, driven.Y
    steps = [j for j in _steps_of(run, driven) if j is not None]
    order = np.argsort(steps) if len(steps) == len(driven.S) else np.arange(len(driven.S))
    return driven.S[order], driven.Y[order]


@law(
    name="steps-are-h-g",
    statement="p_{k+1} - p_k = -t H g with t > 0, H by the two-loop recursion of the pairs held then, H0 = gamma I",
    source=SOURCE + " gamma > 0 and t are the method's own; a diagonal H0 is told as Driven.h0.",
    group=Group.REFERENCE,
    subject=Subject.DRIVE,
    tolerance="operator",
    kills=(
        "plain_gradient",
        "two_loop_backwards",
        "stale_pairs",
        "first_loop_forgotten",
        "pairs_unused_from_ninth",
        "one_pair_too_many",
    ),
    inputs=valleys(),
)
def steps_are_h_g(drive: Drive, case: Valley) -> None:
    """With or without line search, with pairs skipped or damped."""
    run = _Run(drive, case)
    chosen = range(run.steps) if run.steps <= 6 else (run.steps // 2, run.steps - 1)
    for k in chosen:
        off, allowed = _off(run, k, *_in_order(run, run.at(k)))
        if allowed > 1e-2:
            continue  # such pairs say nothing any more
        holds(
            off <= allowed,
            f"step {k} is no positive multiple of -H g for any H0 = gamma I: off by {off:.3g} of its length, "
            f"allowed {allowed:.3g}",
        )


# -- wrong methods ------------------------------------------------------------------------------------------------

Pairs = tuple[Array, Array]


def _honest(S: Array, Y: Array, g: Array) -> Array:
    """H g with H0 = s'y / y'y of the newest pair; a first step of length 1 at most."""
    gamma = float(S[-1] @ Y[-1] / (Y[-1] @ Y[-1])) if len(S) else min(1.0, 1.0 / float(np.linalg.norm(g) or 1.0))
    return two_loop.direction(S, Y, np.full_like(g, gamma), g)


def _method(
    direction: Callable[[Array, Array, Array], Array] = _honest,
    pair: Callable[[Array, Array, list[Pairs]], Pairs | None] = lambda s, y, held: (s, y) if s @ y > 0 else None,
    report: Callable[[list[Pairs]], list[Pairs]] = lambda held: held,
    capacity: int = 10,
    keep: Callable[[list[Pairs], int], list[Pairs]] = lambda held, capacity: held[-capacity:],
) -> Drive:
    """Plain L-BFGS with step length 1 but for what is changed."""

    def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
        w, held, points = start.copy(), list[Pairs](), [start.copy()]
        for _ in range(steps):
            g = gradient(w)
            S, Y = (np.array([p[i] for p in held]).reshape(-1, w.size) for i in (0, 1))
            new = w - direction(S, Y, g)
            made = pair(new - w, gradient(new) - g, held)
            held = keep([*held, made], capacity) if made is not None else held
            w = new
            points.append(w.copy())
        told = report(held)
        return Driven(np.array(points), *(np.array([p[i] for p in told]).reshape(-1, w.size) for i in (0, 1)))

    return drive


def _writes(gradient: Gradient, start: Array, steps: int) -> Driven:
    driven = _method()(gradient, start, steps)
    start += 1.0
    return driven


def _of_step_before(s: Array, y: Array, held: list[Pairs], kept: list[Array]) -> Pairs | None:
    kept.append(y)
    return (s, kept[-2]) if len(kept) > 1 and held and s @ kept[-2] > 0 else (s, y)


def _forgetful(S: Array, Y: Array, g: Array) -> Array:
    """The first loop is left out: r = gamma g."""
    gamma = float(S[-1] @ Y[-1] / (Y[-1] @ Y[-1])) if len(S) else 0.1
    r = gamma * g
    for s, y in zip(S, Y, strict=True):
        r = r + s * ((s @ g - y @ r) / (s @ y))
    return r


def _positive(direction: Callable[[Array, Array, Array], Array]) -> Callable[[Array, Array, Array], Array]:
    """The same where it goes downhill, else H g: a line search would have refused it."""

    def guarded(S: Array, Y: Array, g: Array) -> Array:
        d = direction(S, Y, g)
        return d if d @ g > 0 else _honest(S, Y, g)

    return guarded


DRIVES: dict[str, Callable[[], Any]] = {
    "walks_uphill": lambda: _method(lambda S, Y, g: -_honest(S, Y, g)),
    "h0_negative": lambda: _method(lambda S, Y, g: two_loop.direction(S, Y, np.full_like(g, -0.1), g)),
    "start_is_written": lambda: _writes,
    "divides_by_zero": lambda: _method(pair=lambda s, y, held: (s, y)),
    "walks_from_the_minimiser": lambda: _method(lambda S, Y, g: _honest(S, Y, g) + 1e-8),
    "y_of_the_step_before": lambda: _method(pair=lambda s, y, held, kept=[]: _of_step_before(s, y, held, kept)),  # type: ignore
    "s_of_length_one": lambda: _method(pair=lambda s, y, held: (s / np.linalg.norm(s), y) if s @ y > 0 else None),
    "newest_pair_missing": lambda: _method(report=lambda held: held[:-1]),
    "reports_backwards": lambda: _method(report=lambda held: held[::-1]),
    "oldest_are_kept": lambda: _method(keep=lambda held, capacity: held[:capacity]),
    "plain_gradient": lambda: _method(lambda S, Y, g: 0.05 * g),
    "two_loop_backwards": lambda: _method(_positive(lambda S, Y, g: _honest(S[::-1], Y[::-1], g))),
    "stale_pairs": lambda: _method(_positive(lambda S, Y, g: _honest(S[:-1], Y[:-1], g))),
    "first_loop_forgotten": lambda: _method(_positive(_forgetful)),
    "pairs_unused_from_ninth": lambda: _method(lambda S, Y, g: _honest(S[-8:], Y[-8:], g)),
}
"""Name -> maker of the wrong method."""

LAWS = (steps_downhill, at_rest, pairs_of_steps, steps_are_h_g)
MUTANTS = {Subject.DRIVE: DRIVES}
