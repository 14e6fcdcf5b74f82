"""y = (Hessian of the curvature loss) s."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Displacement, HessianVector, Space
from adaqn_lab.protocols import OracleLike
from verification.compare import close
from verification.contracts.linear_pairs import LINEAR_PAIRS, atol_of, driven_by, y_for
from verification.law import Factory, Group, Property, Subject, law
from verification.naming import by_name
from verification.parts import tensor
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


class _Cubic:
    """An oracle for sum_i w_i^3 / 6: its Hessian diag(w) is another one at every point."""

    def hessian_vector(self, w: Tensor, v: Tensor) -> Tensor:
        """diag(w) v."""
        return w * v

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"it asked the oracle for {name}; it declares that y is the Hessian at w_bar times s")


@law(
    name="hessian-of-each-window",
    statement="seven windows of the loss sum_i w_i^3 / 6: y = diag(w_bar) s, with the w_bar of its own window",
    source="Byrd, Hansen, Nocedal & Singer 2016: y = Hessian(w_bar) s.",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("hessian_of_the_window_before", "hessian_renewed_at_every_third"),
    needs=(HESSIAN,),
    inputs=contract_cases(),
)
def hessian_of_each_window(factory: Factory, case: ContractCase) -> None:
    """Between refused windows too, which keep the reference."""
    bench, rng = driven_by(factory, case), np.random.default_rng(case.seed)
    w_ref, s = tensor(case.v), tensor(case.v)
    for window in range(7):
        where = torch.from_numpy(rng.random(case.runs) < 0.75)
        w_bar = tensor(rng.uniform(0.5, 2.0, (case.runs, case.n)).astype(case.dtype))
        y = bench.part.pair_(bench.state, Displacement(s.clone(), w_bar.clone(), w_ref.clone(), where), _Cubic())
        for run in np.flatnonzero(where.numpy()):
            expected = (w_bar[run].double() * s[run].double()).numpy()
            close(y[run], expected, atol_of(bench, int(run)), f"y of run {run} at window {window + 1}")


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


@dataclass
class _Anchor:
    point: Tensor
    age: Tensor


class HessianRenewedAtEveryThird(Hessian):
    """At the average of the last window whose number is divisible by three."""

    def init(self, space: Space) -> Any:
        return _Anchor(space.zeros(), space.counts())

    def pair_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        renew = state.age % 3 == 0
        state.point = torch.where(renew.unsqueeze(1), move.w_bar, state.point)
        state.age = state.age + 1
        return oracle.hessian_vector(state.point, move.s)


class HessianOfTheWindowBefore(HessianRenewedAtEveryThird):
    """At the average of the window before, except for the first."""

    def pair_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        at = torch.where((state.age > 0).unsqueeze(1), state.point, move.w_bar)
        state.point, state.age = move.w_bar.clone(), state.age + 1
        return oracle.hessian_vector(at, move.s)


SPECIMEN = Specimen(
    role=Subject.PAIRS,
    kind=HessianVector,
    variations=(HessianVector,),
    declares=frozenset({LINEAR_PAIRS, HESSIAN}),
    laws=(hessian_equals_matrix, hessian_of_each_window),
    mutants=by_name(
        *(HalfHessian, GaussNewtonOfGradient, HessianRunsLeak),
        *(HessianOfTheWindowBefore, HessianRenewedAtEveryThird),
    ),
)
