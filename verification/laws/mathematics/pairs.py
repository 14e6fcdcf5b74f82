"""Identities of curvature pairs: products with the Fisher matrix, with a Hessian, with any matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from verification.benches import PairBench
from verification.compare import close, holds, same
from verification.law import Group, Property, Subject, law
from verification.strategies import Array, ContractCase, contract_cases
from verification.tolerances import TOLERANCES

Factory = Callable[[], Any]
PRODUCTS = TOLERANCES["products"]
LINEAR = frozenset({Property.LINEAR})
FISHER = frozenset({Property.FISHER})
SOURCE = "Keskar & Berahas 2016: y = F s with the accumulated empirical Fisher matrix. "


def _drive(factory: Factory, case: ContractCase) -> PairBench:
    """A bench that has seen every item; the items count for all runs."""
    bench = PairBench(factory(), case)
    for k in range(case.items):
        bench.feed(k, np.ones(case.runs, bool))
    return bench


def _y(bench: PairBench, s: Array) -> Array:
    """Return y (R, n) in float64."""
    result: Array = bench.pair(s.copy()).numpy().astype(np.float64)
    return result


def _factor(part: Any, held: int) -> float:
    """The part's normalisation for ``held`` gradients."""
    return float(part.normalisation.factor(torch.tensor([max(held, 1)]))[0])


@law(
    name="pairs-homogeneous",
    number=11,
    statement="y(-4s) = -4 y(s), bit for bit",
    source="y = A s; a power of two makes no rounding.",
    group=Group.INVARIANCE,
    subject=Subject.PAIRS,
    kills=("pair_of_squared_gradients", "normalises_s"),
    needs=LINEAR,
    inputs=contract_cases(),
)
def homogeneous(factory: Factory, case: ContractCase) -> None:
    """Twice the displacement, twice the change of gradient."""
    bench = _drive(factory, case)
    expected = -4 * _y(bench, case.v)
    same(_y(bench, -4 * case.v), expected, "y(-4s) against -4 y(s)")


@law(
    name="pairs-additive",
    number=11,
    statement="y(s + t) = y(s) + y(t)",
    source="y = A s.",
    group=Group.MATHEMATICS,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("pair_of_squared_gradients", "normalises_s"),
    needs=LINEAR,
    inputs=contract_cases(),
)
def additive(factory: Factory, case: ContractCase) -> None:
    """Pairs of a sum are the sum of the pairs."""
    bench = _drive(factory, case)
    s, t = case.v, case.partners
    got, expected = _y(bench, s + t), _y(bench, s) + _y(bench, t)
    for run in range(case.runs):
        close(got[run], expected[run], 4 * _atol(bench, run), f"y(s + t), run {run}")


def _atol(bench: PairBench, run: int) -> float:
    """Roundoff of one product with the case's vectors; raw sums and batch factors enlarge y, hence the factor."""
    held = bench.case.items
    factor = _factor(bench.part, held) if hasattr(bench.part, "normalisation") else 1.0
    partner = 1 + float(np.linalg.norm(bench.case.partners[run]) / np.linalg.norm(bench.case.v[run]))
    return bench.atol(run) * max(factor, 1.0) * partner


@law(
    name="pairs-symmetric",
    number=11,
    statement="t'y(s) = s'y(t)",
    source="A is symmetric, be it a Fisher matrix or a Hessian.",
    group=Group.MATHEMATICS,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("gradients_cross_products", "shifted_rows"),
    needs=LINEAR,
    inputs=contract_cases(),
)
def symmetric(factory: Factory, case: ContractCase) -> None:
    """Curvature along s seen from t is that along t seen from s."""
    bench = _drive(factory, case)
    s, t = case.v.astype(np.float64), case.partners.astype(np.float64)
    left, right = (t * _y(bench, case.v)).sum(1), (s * _y(bench, case.partners)).sum(1)
    for run in range(case.runs):
        atol = 2 * _atol(bench, run) * float(np.linalg.norm(t[run]) + np.linalg.norm(s[run]))
        close(left[run], right[run], atol, f"t'y(s) against s'y(t), run {run}")


@law(
    name="pairs-curvature",
    number=11,
    statement="s'y >= 0",
    source="A >= 0: a Fisher matrix always, a Hessian where the loss is convex, as here.",
    group=Group.MATHEMATICS,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("negative_curvature", "gradients_cross_products"),
    needs=LINEAR,
    inputs=contract_cases(),
)
def curvature(factory: Factory, case: ContractCase) -> None:
    """No negative curvature beyond rounding."""
    bench = _drive(factory, case)
    s_y = (case.v * _y(bench, case.v)).sum(1)
    for run in range(case.runs):
        atol = _atol(bench, run) * float(np.linalg.norm(case.v[run]))
        holds(s_y[run] >= -atol, f"s'y of run {run}: got {s_y[run]:.6g}, at least 0 expected, allowed {atol:.3g}")


def _held(part: Any, case: ContractCase, run: int) -> Array:
    """The last ``window`` gradients of one run, float64."""
    result: Array = case.rows[run, max(0, case.items - part.window) :].astype(np.float64)
    return result


@law(
    name="fisher-identity",
    number=11,
    statement="s'y = factor sum_i (g_i's)^2 and y'y <= factor sum_i |g_i|^2 s'y",
    source=SOURCE + "s'y is a sum of squares; y'y <= lambda_max s'y and the trace bounds lambda_max.",
    group=Group.MATHEMATICS,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("missing_mean", "stale_normaliser", "window_off_by_one"),
    needs=FISHER,
    inputs=contract_cases(),
)
def fisher_identity(factory: Factory, case: ContractCase) -> None:
    """The curvature along s is the mean squared slope along s."""
    bench = _drive(factory, case)
    y = _y(bench, case.v)
    for run in range(case.runs):
        F, s = _held(bench.part, case, run), case.v[run].astype(np.float64)
        factor = _factor(bench.part, len(F))
        atol = _atol(bench, run) * float(np.linalg.norm(s))
        close(s @ y[run], factor * ((F @ s) ** 2).sum(), atol, f"s'y of run {run} against sum (g's)^2")
        bound = factor * float((F**2).sum()) * float(s @ y[run])
        got, slack = float(y[run] @ y[run]), atol * (1 + factor * float((F**2).sum()))
        holds(got <= bound + slack, f"y'y of run {run}: got {got:.6g}, at most {bound:.6g} expected")


@law(
    name="fisher-span",
    number=11,
    statement="y lies in the span of the stored gradients; y = 0 without any",
    source=SOURCE,
    group=Group.MATHEMATICS,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("adds_damping_to_y", "window_off_by_one", "y_aliases_s"),
    needs=FISHER,
    inputs=contract_cases(min_size=4),  # in fewer dimensions a few gradients span everything
)
def fisher_span(factory: Factory, case: ContractCase) -> None:
    """Nothing but the held gradients makes up y."""
    bench = _drive(factory, case)
    y = _y(bench, case.v)
    for run in range(case.runs):
        Q, _ = np.linalg.qr(_held(bench.part, case, run).T)
        # The projection is float64: its own error is nothing beside the part's for well-separated gradients.
        close(y[run] - Q @ (Q.T @ y[run]), np.zeros(case.n), _atol(bench, run), f"y off the gradients' span, run {run}")


@law(
    name="fisher-gradient-scale",
    number=7,
    statement="g -> 4g: y -> 16 y, bit for bit",
    source="Fisher curvature goes with the square of the loss, a Hessian with the loss itself: adaQN is not "
    "equivariant under scaling of the loss, by design.",
    group=Group.INVARIANCE,
    subject=Subject.PAIRS,
    kills=("adds_damping_to_y", "absolute_threshold_on_gradients"),
    needs=FISHER,
    inputs=contract_cases(),
)
def fisher_gradient_scale(factory: Factory, case: ContractCase) -> None:
    """Four times the loss, sixteen times the Fisher curvature."""
    small, large = PairBench(factory(), case), PairBench(factory(), case)
    for k in range(case.items):
        for bench, scale in ((small, 1), (large, 4)):
            step = bench.step(scale * case.rows[:, k], np.ones(case.runs, bool))
            bench.part.observe_(bench.state, step)
    same(_y(large, case.v), 16 * _y(small, case.v), "y from gradients 4g against 16 y")


LAWS = (homogeneous, additive, symmetric, curvature, fisher_identity, fisher_span, fisher_gradient_scale)
