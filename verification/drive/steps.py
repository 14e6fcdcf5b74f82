"""A method by its own steps: where it goes, from which pairs, and which pairs it holds."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from verification.adapters.driving import Drive, Driven, Gradient
from verification.blends import fits, is_blend, is_within
from verification.compare import holds, same
from verification.conditioning import Conditioning
from verification.drive import mutants_of_events as events
from verification.drive.admission import products
from verification.drive.terrains import Terrain, before_far_away, terrains, valleys
from verification.law import Group, Subject, law
from verification.references import two_loop
from verification.strategies import Array
from verification.tolerances import TOLERANCES

SOURCE = "Nocedal & Wright, Numerical Optimization (2006), Algorithms 7.4 and 7.5."
WILD = 3.0
"""The share of cases of the laws which must see every event; each costs a millisecond or ten."""
NEAR = 1e-7
"""To how many digits a pair held is compared with the steps."""
VISIBLE = 1e-5
"""Steps shorter than this times the start are not looked at: their differences have lost too many digits."""


class _Run:
    """What a method did on a terrain: its points, and the changes of point and gradient from each to the next."""

    def __init__(self, drive: Drive, case: Terrain) -> None:
        self.drive, self.case, self.shorter = drive, case, dict[int, Driven]()
        start = case.start
        given = start.copy()
        self.driven: Driven = drive(case.gradient, given, case.steps)
        same(given, start, "the start, which belongs to the caller, after the steps")
        self.points = np.asarray(self.driven.points, dtype=np.float64)
        same(self.points[0], start, "the first point against the start")
        size = float(np.linalg.norm(start))
        self.points = before_far_away(self.points)
        finite = np.isfinite(self.points).all(axis=1)
        holds(bool(finite.all()), f"point {int(np.argmin(finite))} is {self.points[int(np.argmin(finite))].tolist()}")
        self.g = np.array([case.gradient(w) for w in self.points])
        self.S, self.Y = np.diff(self.points, axis=0), np.diff(self.g, axis=0)
        lengths = np.linalg.norm(self.S, axis=1)
        small = np.flatnonzero(lengths < VISIBLE * np.maximum(size, np.abs(self.points[:-1]).max(axis=1)))
        self.steps = min([len(self.S), *map(int, small[:1]), *self._bent_downwards()])
        """How many steps can be looked at."""

    def _bent_downwards(self) -> list[int]:
        """The steps after which a pair with s'y <= 0 is held: what follows is the fault of that pair."""
        suspects = np.flatnonzero(np.einsum("ij,ij->i", self.S, self.Y) <= 0) + 1
        return [int(k) for k in suspects if (products(self.at(int(k))) <= 0).any()][:1]

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
    statement="every step goes downhill: (p_{k+1} - p_k)'g(p_k) < 0, or g = 0 and stays; no NaN, the start as it was",
    source="H positive definite and a positive step length, whatever the pairs, dampings and line search.",
    group=Group.MATHEMATICS,
    subject=Subject.DRIVE,
    kills=("walks_uphill", "h0_negative", "start_is_written", *events.DOWNHILL),
    share=WILD,
    inputs=terrains(),
)
def steps_downhill(drive: Drive, case: Terrain) -> None:
    """Also where pairs are refused, and on from where the gradient vanished."""
    run = _Run(drive, case)
    for k in map(int, np.flatnonzero(~run.g[:-1].any(axis=1))):
        same(run.points[k + 1], run.points[k], f"point {k + 1}, from where the gradient is 0")
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
def at_rest(drive: Drive, case: Terrain) -> None:
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
    if np.linalg.norm(s - s_j) <= NEAR * np.linalg.norm(s_j):
        if np.linalg.norm(y - y_j) <= NEAR * np.linalg.norm(y_j):
            return True
        return is_blend(y, y_j, [-g], shifted=False) or is_blend(y, y_j, [s_j])
    if np.linalg.norm(y - y_j) > NEAR * np.linalg.norm(y_j):
        return False
    before = run.at(j)
    u = two_loop.direction(before.S, before.Y, np.zeros_like(s), y_j)
    v = two_loop.direction(before.S, before.Y, np.ones_like(s), y_j) - u
    return is_within(s - u, [s_j - u, v], [1.0, np.inf])  # s = theta s_j + (1 - theta) (u + gamma v)


def _steps_of(run: _Run, driven: Driven) -> list[int | None]:
    """Of which step each pair held is, the last that fits before the next pair's; any that fits else; None for none.

    Where the plane is small a pair may fit two steps: in order it is a strictly increasing choice if there is one.
    """
    found: list[int | None] = []
    bound = steps = len(run.S)
    for s, y in zip(driven.S[::-1], driven.Y[::-1], strict=True):
        tried = (*range(bound - 1, -1, -1), *range(steps - 1, bound - 1, -1))
        fitting = next((j for j in tried if _is_pair(run, j, s, y) or _spans(run, j, s, y)), None)
        found.append(fitting)
        bound = bound if fitting is None else min(bound, fitting)
    return found[::-1]


def _ends(run: _Run, j: int) -> tuple[Array, Array, Array, Array]:
    """The changes of point and gradient over the last 1, 2, ... steps up to step j, (j + 1, n), and their lengths."""
    S, Y = (np.cumsum(x[j::-1], axis=0) for x in (run.S, run.Y))
    return S, Y, np.linalg.norm(S, axis=1), np.linalg.norm(Y, axis=1)


def _spans(run: _Run, j: int, s: Array, y: Array) -> bool:
    """Whether (s, y) is of several steps up to step j, as after refused ones: still y is the change of g over s."""
    S, Y, length_s, length_y = _ends(run, j)
    near = (np.linalg.norm(S - s, axis=1) <= NEAR * length_s) & (np.linalg.norm(Y - y, axis=1) <= NEAR * length_y)
    return not run.case.convex_quadratic and bool(near.any())


def _is_sound(run: _Run, j: int) -> bool:
    """Whether the pair of step j has a cosine above 1/2, of however many steps one makes it."""
    S, Y, length_s, length_y = _ends(run, j)
    return bool((np.einsum("ij,ij->i", S, Y) > length_s * length_y / 2).all())


@law(
    name="pairs-of-steps",
    statement="the pairs held are (p_{j+1} - p_j, g_{j+1} - g_j) of steps in order, damped or not, the last if sound",
    source=SOURCE
    + " On a convex quadratic with a condition number of 100 at most no pair need be refused; nor one with "
    "s'y > |s||y| / 2 anywhere. After a refused one a pair may be of several steps.",
    group=Group.CONTRACT,
    subject=Subject.DRIVE,
    kills=(
        "y_of_the_step_before",
        "s_of_length_one",
        "newest_pair_missing",
        "reports_backwards",
        "oldest_are_kept",
        "reports_the_ring_as_it_lies",
        *events.PAIRS,
    ),
    share=WILD,
    inputs=terrains(),
)
def pairs_of_steps(drive: Drive, case: Terrain) -> None:
    """As far as steps can be told from rounding."""
    run = _Run(drive, case)
    last = len(run.S) - 1
    if run.steps < len(run.driven.points) - 1:
        return
    held = _steps_of(run, run.driven)
    if case.convex_quadratic:
        holds(len(held) > 0, f"no pair is held after {case.steps} steps on a well-conditioned quadratic")
        expected = list(range(len(run.S) - len(held), len(run.S)))
        holds(held == expected, f"the pairs held are of the steps {held} (None: of no step), expected {expected}")
        return
    known = [j for j in held if j is not None]
    ordered = len(known) == len(held) and all(i < j for i, j in itertools.pairwise(known))
    holds(ordered, f"the pairs held are of the steps {held} (None: of no step), expected steps in their order")
    holds(
        last in known or last < 0 or not _is_sound(run, last),
        f"the pairs held are of the steps {held}; step {last} has a cosine above 1/2, alone or with those before it",
    )


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
        *events.STEPS,
    ),
    share=WILD,
    inputs=terrains(),
)
def steps_are_h_g(drive: Drive, case: Terrain) -> None:
    """With or without line search, with pairs skipped or damped."""
    run = _Run(drive, case)
    chosen = range(run.steps) if case.steps <= 12 else (run.steps // 2, run.steps - 1)
    for k in chosen:
        if (products(run.at(k)) <= 0).any():
            return  # by a wrong y, which is another law's affair
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
