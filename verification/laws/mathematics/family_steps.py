"""The family's pair generators and steppers: differences on quadratics, velocities, unit directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adaqn_lab import Displacement
from verification.benches import PairBench, StepperBench
from verification.compare import close
from verification.law import Group, Property, Subject, law
from verification.parts import array
from verification.strategies import Array, ContractCase, contract_cases
from verification.tolerances import TOLERANCES

Factory = Callable[[], Any]
STEPS = contract_cases(min_items=1)


def _bound(case: ContractCase, *vectors: Array) -> Array:
    """Roundoff of dot products and of sums over the items, by run: (R, 1), for these vectors as the magnitude."""
    size = sum(np.abs(v.astype(np.float64)).sum(axis=-1, keepdims=True) for v in vectors)
    return np.asarray(TOLERANCES["products"](case.dtype, m=case.items, n=case.n) * size)


@law(
    name="difference-secant",
    number=11,
    statement="y = A s + shift s on w'Aw / 2, wherever the reference is",
    source="Schraudolph, Yu & Guenter 2007; a quadratic's gradient is linear.",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("difference_forgets_reference", "shift_has_wrong_sign"),
    needs=frozenset({Property.DIFFERENCE}),
    inputs=STEPS,
)
def difference_secant(factory: Factory, case: ContractCase) -> None:
    """Differences are products with the Hessian."""
    bench = PairBench(factory(), case)
    s, w_ref = bench.give("s", case.v), bench.give("w_ref", case.partners)
    move = Displacement(s, w_ref + s, w_ref, bench.space.mask(True))
    got = array(bench.part.pair_(bench.state, move, bench.oracle))
    A, v = case.hessians.astype(np.float64), case.v.astype(np.float64)
    expected = np.einsum("rij,rj->ri", A, v) + bench.part.shift * v
    near = np.linalg.norm(A, axis=(1, 2))[:, None] * (np.abs(v) + 2 * np.abs(case.partners))
    close(got, expected, _bound(case, near, expected, v), "y against A s + shift s")


def _directions(case: ContractCase) -> Array:
    """H g_k of all runs, (R, K, n) float64."""
    return np.asarray(case.h0[:, None, :].astype(np.float64) * case.rows)


def _feed(bench: StepperBench, k: int) -> Array:
    step = bench.step(bench.case.rows[:, k], np.ones(bench.case.runs, bool))
    return array(bench._direction(bench.state, step)).astype(np.float64)


@law(
    name="heavy-ball",
    number=14,
    statement="d_k = sum_i momentum^(k-i) H g_i",
    source="Polyak 1964",
    group=Group.REFERENCE,
    subject=Subject.STEPPER,
    tolerance="products",
    kills=("momentum_forgets",),
    needs=frozenset({Property.HEAVY_BALL}),
    inputs=contract_cases(min_items=2),
)
def heavy_ball(factory: Factory, case: ContractCase) -> None:
    """The velocity is a geometric sum."""
    bench, d = StepperBench(factory(), case), _directions(case)
    for k in range(case.items):
        weights = bench.part.momentum ** np.arange(k, -1, -1.0)
        expected = np.einsum("k,rkn->rn", weights, d[:, : k + 1])
        close(_feed(bench, k), expected, _bound(case, np.abs(d).sum(1)), f"d of step {k}")


@law(
    name="nesterov-look-ahead",
    number=14,
    statement="theta_k - sum d = w + mu v with v_{k+1} = mu v_k - H g, w_{k+1} = w_k + v_{k+1}",
    source="Nesterov 1983 in the form of NAQ, Ninomiya 2017",
    group=Group.REFERENCE,
    subject=Subject.STEPPER,
    tolerance="products",
    kills=("looks_behind",),
    needs=frozenset({Property.NESTEROV}),
    inputs=STEPS,
)
def nesterov_look_ahead(factory: Factory, case: ContractCase) -> None:
    """The parameters are the look-ahead points of the classical recursion."""
    bench, d = StepperBench(factory(), case), _directions(case)
    mu = bench.part.momentum
    size = 2 * case.items * np.abs(d).sum(1)  # every |v| is below sum |d|, and theta is a sum of so many d + mu v
    w, v, theta = (np.zeros((case.runs, case.n)) for _ in range(3))
    for k in range(case.items):
        theta = theta - _feed(bench, k)
        v = mu * v - d[:, k]
        w = w + v
        close(theta, w + mu * v, _bound(case, size), f"theta after step {k}")


@law(
    name="nesterov-rollback",
    number=13,
    statement="advance: velocity kept, mu <- min(grow mu, at_most); roll back: velocity as kept, mu <- shrink mu",
    source="aSNAQ, Indrapriyadarsini et al. 2020: the velocity is restored with the parameters.",
    group=Group.REFERENCE,
    subject=Subject.STEPPER,
    tolerance="products",
    kills=("velocity_survives_rollback", "momentum_never_shrinks", "momentum_grows_beyond", "every_run_grows"),
    needs=frozenset({Property.NESTEROV}),
    inputs=contract_cases(min_items=3),
)
def nesterov_rollback(factory: Factory, case: ContractCase) -> None:
    """Each run for itself: two advances, a roll-back, an advance, ..., a step after each."""
    bench, d = StepperBench(factory(), case), _directions(case)
    part, mu = bench.part, np.full((case.runs, 1), bench.part.momentum)
    u, kept = np.zeros((2, case.runs, case.n))
    for k in range(case.items):
        u = mu * u + d[:, k]
        close(_feed(bench, k), d[:, k] + mu * u, _bound(case, 2 * np.abs(d).sum(1)), f"d of step {k}")
        where = case.masks[k][:, None]
        if k % 3 == 2:
            part.rollback_(bench.state, bench.mask(case.masks[k]))
            u, mu = np.where(where, kept, u), np.where(where, part.shrink * mu, mu)
        else:
            part.advance_(bench.state, bench.mask(case.masks[k]))
            kept, mu = np.where(where, u, kept), np.where(where, np.minimum(part.grow * mu, part.at_most), mu)


@law(
    name="unit-direction",
    number=14,
    statement="|d| = 1 for every run, d = 0 where the gradient is",
    source="aSNAQ, Indrapriyadarsini et al. 2020",
    group=Group.MATHEMATICS,
    subject=Subject.STEPPER,
    tolerance="linear",
    kills=("normalises_runs_together", "normalises_zero"),
    needs=frozenset({Property.UNIT}),
    inputs=STEPS,
)
def unit_direction(factory: Factory, case: ContractCase) -> None:
    """lr is the length of the step."""
    bench = StepperBench(factory(), case)
    length = np.linalg.norm(_feed(bench, 0), axis=1)
    close(length, np.ones(case.runs), TOLERANCES["linear"](case.dtype, n=case.n), "|d|")
    nothing = StepperBench(factory(), case)
    zero = nothing.step(np.zeros_like(case.v), np.ones(case.runs, bool))
    close(nothing._direction(nothing.state, zero), np.zeros_like(case.v), 0.0, "d of a zero gradient")


LAWS = (difference_secant, heavy_ball, nesterov_look_ahead, nesterov_rollback, unit_direction)
