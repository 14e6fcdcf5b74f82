"""y = A s with a symmetric A which is positive semidefinite: what follows, whatever A is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Displacement
from adaqn_lab.linalg import combine
from adaqn_lab.pairs.empirical_fisher import FisherStore
from adaqn_lab.protocols import OracleLike
from verification.benches import PairBench
from verification.compare import close, holds, same
from verification.contracts.mutants_of_pairs import Fisher
from verification.law import Factory, Group, Property, Subject, law
from verification.naming import by_name
from verification.strategies import Array, ContractCase, contract_cases
from verification.tolerances import TOLERANCES

LINEAR_PAIRS = Property(
    "linear pairs", "y = A s with a symmetric A >= 0 which depends on the observed gradients and on w_bar only."
)


PRODUCTS = TOLERANCES["products"]


SOURCE = "Keskar & Berahas 2016: y = F s with the accumulated empirical Fisher matrix. "


def driven_by(factory: Factory, case: ContractCase) -> PairBench:
    """A bench that has seen every item; the items count for all runs."""
    bench = PairBench(factory(), case)
    for k in range(case.items):
        bench.feed(k, np.ones(case.runs, bool))
    return bench


def y_for(bench: PairBench, s: Array) -> Array:
    """Return y (R, n) in float64."""
    result: Array = bench.pair(s.copy()).numpy().astype(np.float64)
    return result


def factor_of(part: Any, held: int) -> float:
    """The part's normalisation for ``held`` gradients."""
    return float(part.normalisation.factor(torch.tensor([max(held, 1)]))[0])


@law(
    name="pairs-homogeneous",
    statement="y(-4s) = -4 y(s), bit for bit",
    source="y = A s; a power of two makes no rounding.",
    group=Group.INVARIANCE,
    subject=Subject.PAIRS,
    kills=("pair_of_squared_gradients", "normalises_s"),
    needs=(LINEAR_PAIRS,),
    inputs=contract_cases(),
)
def homogeneous(factory: Factory, case: ContractCase) -> None:
    """Twice the displacement, twice the change of gradient."""
    bench = driven_by(factory, case)
    expected = -4 * y_for(bench, case.v)
    same(y_for(bench, -4 * case.v), expected, "y(-4s) against -4 y(s)")


@law(
    name="pairs-additive",
    statement="y(s + t) = y(s) + y(t)",
    source="y = A s.",
    group=Group.MATHEMATICS,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("pair_of_squared_gradients", "normalises_s"),
    needs=(LINEAR_PAIRS,),
    inputs=contract_cases(),
)
def additive(factory: Factory, case: ContractCase) -> None:
    """Pairs of a sum are the sum of the pairs."""
    bench = driven_by(factory, case)
    s, t = case.v, case.partners
    got, expected = y_for(bench, s + t), y_for(bench, s) + y_for(bench, t)
    for run in range(case.runs):
        close(got[run], expected[run], 4 * atol_of(bench, run), f"y(s + t), run {run}")


def atol_of(bench: PairBench, run: int) -> float:
    """Roundoff of one product with the case's vectors; raw sums and batch factors enlarge y, hence the factor."""
    held = bench.case.items
    factor = factor_of(bench.part, held) if hasattr(bench.part, "normalisation") else 1.0
    partner = 1 + float(np.linalg.norm(bench.case.partners[run]) / np.linalg.norm(bench.case.v[run]))
    return bench.atol(run) * max(factor, 1.0) * partner


@law(
    name="pairs-symmetric",
    statement="t'y(s) = s'y(t)",
    source="A is symmetric, be it a Fisher matrix or a Hessian.",
    group=Group.MATHEMATICS,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("gradients_cross_products", "shifted_rows"),
    needs=(LINEAR_PAIRS,),
    inputs=contract_cases(),
)
def symmetric(factory: Factory, case: ContractCase) -> None:
    """Curvature along s seen from t is that along t seen from s."""
    bench = driven_by(factory, case)
    s, t = case.v.astype(np.float64), case.partners.astype(np.float64)
    left, right = (t * y_for(bench, case.v)).sum(1), (s * y_for(bench, case.partners)).sum(1)
    for run in range(case.runs):
        atol = 2 * atol_of(bench, run) * float(np.linalg.norm(t[run]) + np.linalg.norm(s[run]))
        close(left[run], right[run], atol, f"t'y(s) against s'y(t), run {run}")


@law(
    name="pairs-curvature",
    statement="s'y >= 0",
    source="A >= 0: a Fisher matrix always, a Hessian where the loss is convex, as here.",
    group=Group.MATHEMATICS,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("negative_curvature", "gradients_cross_products"),
    needs=(LINEAR_PAIRS,),
    inputs=contract_cases(),
)
def curvature(factory: Factory, case: ContractCase) -> None:
    """No negative curvature beyond rounding."""
    bench = driven_by(factory, case)
    s_y = (case.v * y_for(bench, case.v)).sum(1)
    for run in range(case.runs):
        atol = atol_of(bench, run) * float(np.linalg.norm(case.v[run]))
        holds(s_y[run] >= -atol, f"s'y of run {run}: got {s_y[run]:.6g}, at least 0 expected, allowed {atol:.3g}")


class GradientsCrossProducts(Fisher):
    """sum g_i (g_{i+1}'s): the ring of products has slipped by one."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        products = self.products(state, move.s).roll(1, dims=1)
        return combine(products / state.count.clamp(min=1).unsqueeze(1), state.gradients)


class NegativeCurvature(Fisher):
    """-y: the sign of a difference taken the wrong way round."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        return -super().pair_(state, move, oracle)


class NormalisesS(Fisher):
    """F s / |s|."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        length = move.s.norm(dim=1, keepdim=True).clamp(min=1e-30)
        return super().pair_(state, replace(move, s=move.s / length), oracle)


class PairOfSquaredGradients(Fisher):
    """sum g (g's)^2."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        return combine(self.products(state, move.s).square(), state.gradients)


LAWS = (homogeneous, additive, symmetric, curvature)
MUTANTS = {
    Subject.PAIRS: by_name(GradientsCrossProducts, NegativeCurvature, NormalisesS, PairOfSquaredGradients, window=3)
}
