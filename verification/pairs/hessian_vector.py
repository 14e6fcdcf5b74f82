"""y = (Hessian of the curvature loss) s."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from torch import Tensor

from adaqn_lab import Displacement, HessianVector
from adaqn_lab.protocols import OracleLike
from verification.compare import close
from verification.contracts.linear_pairs import LINEAR_PAIRS, atol_of, driven_by, y_for
from verification.law import Factory, Group, Property, Subject, law
from verification.naming import by_name
from verification.specimen import Specimen
from verification.strategies import ContractCase, contract_cases

HESSIAN = Property("hessian", "y = (Hessian of the curvature loss at w_bar) s.")


@law(
    name="hessian-equals-matrix",
    statement="y = A s for the curvature loss w'Aw / 2",
    source="Byrd, Hansen, Nocedal & Singer 2016: y = Hessian(w_bar) s.",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("gauss_newton_of_gradient", "half_hessian", "hessian_runs_leak"),
    needs=(HESSIAN,),
    inputs=contract_cases(),
)
def hessian_equals_matrix(factory: Factory, case: ContractCase) -> None:
    """On a quadratic the Hessian-vector product is a matrix-vector product."""
    bench = driven_by(factory, case)
    y = y_for(bench, case.v)
    for run in range(case.runs):
        expected = case.hessians[run].astype(np.float64) @ case.v[run].astype(np.float64)
        close(y[run], expected, atol_of(bench, run), f"y of run {run} against A s")


class Hessian(HessianVector):
    """What the wrong Hessian pairs share."""

    declares: ClassVar[tuple[str, ...]] = ("linear pairs", "hessian")


class HalfHessian(Hessian):
    """y = A s / 2: the factor of the quadratic, forgotten."""

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        return super().pair_(state, move, oracle) / 2


class GaussNewtonOfGradient(Hessian):
    """y = g (g's) with g the gradient at w_bar (on the quadratic of the laws, g = A w_bar)."""

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        g = oracle.hessian_vector(move.w_bar, move.w_bar)
        return g * (g * move.s).sum(1, keepdim=True)


class HessianRunsLeak(Hessian):
    """The mean of the runs' products for every run."""

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        y = super().pair_(state, move, oracle)
        return y.mean(0, keepdim=True).expand_as(y).contiguous()


SPECIMEN = Specimen(
    role=Subject.PAIRS,
    kind=HessianVector,
    variations=(HessianVector,),
    declares=frozenset({LINEAR_PAIRS, HESSIAN}),
    laws=(hessian_equals_matrix,),
    mutants=by_name(HalfHessian, GaussNewtonOfGradient, HessianRunsLeak),
)
