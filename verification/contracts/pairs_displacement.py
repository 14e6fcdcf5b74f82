"""Which point and which vector a pair generator uses: no place of the space and no length of s is special."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Displacement, EmpiricalFisher, HessianVector, Need, Pair, Sample
from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.oracle import Oracle
from adaqn_lab.pairs.empirical_fisher import FisherStore
from adaqn_lab.protocols import OracleLike
from verification.benches import PairBench
from verification.compare import close
from verification.law import Group, Property, Subject, law
from verification.pairs.hessian_vector import HESSIAN
from verification.strategies import Array, ContractCase, contract_cases
from verification.tolerances import TOLERANCES

Factory = Callable[[], Any]
DIFFERENCES = TOLERANCES["differences"]
DIVIDING = frozenset(sample.value for sample in Sample)
"""What a generator asks for which takes differences of gradients itself."""
FACTORS = (2.0**-24, -1.0, 8.0, 1.0 + 2.0**-20)


def _moved(factory: Factory, case: ContractCase, c: Array) -> PairBench:
    """The case, moved by ``c`` (R, n): the points, the reference and the quadratic's centre."""
    bench = PairBench(factory(), case)
    bench.reference = case.references + c
    bench.centre, bench.quartic = bench.centre + torch.from_numpy(c), 1.0
    for k in range(case.items):
        bench.observe(case.points[:, k] + c, case.rows[:, k], case.masks[k])
    return bench


@law(
    name="pairs-translation",
    statement="f(w) -> f(w - c), with every point and gradient at its new place: y is unchanged",
    source="Curvature is a property of the function, and y one of s: not of where the origin lies.",
    group=Group.INVARIANCE,
    subject=Subject.PAIRS,
    tolerance="differences",
    kills=("average_for_s", "reference_enters_y", "shrinks_the_reference", "from_the_origin"),
    inputs=contract_cases(),
)
def translation(factory: Factory, case: ContractCase) -> None:
    """Move the whole problem."""
    c = 2 * case.h0
    there, here = _moved(factory, case, c), _moved(factory, case, np.zeros_like(c))
    got, expected = there.read(), here.read()
    for run in range(case.runs):
        atol = DIFFERENCES(case.dtype) * (there.size(run) + here.size(run))
        close(got[run], expected[run], atol, f"y of run {run} of the problem moved by {c[run].tolist()}, against y")


@law(
    name="pairs-any-length",
    statement="w_ref = 0 on w'Aw / 2: y(t s) = t y(s) for t = 2^-24, -1, 8, 1 + 2^-20, unless y is not that of s",
    source="y is the change of the gradient along s, linear on a quadratic; an absolute threshold or eps is not.",
    group=Group.INVARIANCE,
    subject=Subject.PAIRS,
    tolerance="differences",
    kills=("s_in_float32", "nothing_for_a_short_s", "eps_beside_the_length", "length_of_s_forgotten"),
    inputs=contract_cases(),
)
def any_length(factory: Factory, case: ContractCase) -> None:
    """A generator with displacements of its own, or with differences of what it observed, answers what it likes."""
    bench = PairBench(factory(), case)
    bench.feed_all()
    bench.reference = np.zeros_like(case.references)
    s = case.v
    divided = bool(bench.part.needs & DIVIDING)
    made, back = (bench.make(copy.deepcopy(bench.state), x) for x in (s, -s))
    if isinstance(made, Pair) or isinstance(back, Pair) or torch.equal(made, back):
        return
    for t in FACTORS:
        got = bench.make(copy.deepcopy(bench.state), (t * s).astype(case.dtype))
        assert isinstance(got, Tensor)
        for run in range(case.runs):
            atol = abs(t) * (DIFFERENCES(case.dtype) * bench.size(run) if divided else bench.atol(run))
            close(got[run], t * made[run], atol, f"y({t:g} s) of run {run} against {t:g} y(s)")


@law(
    name="hessian-at-average",
    statement="y = (A + diag(w_bar w_bar)) s on w'Aw / 2 + sum w^4 / 12, wherever the reference is",
    source="Byrd, Hansen, Nocedal & Singer 2016: y = Hessian(w_bar) s. On a quadratic every point would do.",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("hessian_at_reference", "hessian_half_way", "hessian_times_average"),
    needs=frozenset({HESSIAN}),
    inputs=contract_cases(),
)
def hessian_at_average(factory: Factory, case: ContractCase) -> None:
    """A third derivative tells the points apart."""
    bench = PairBench(factory(), case)
    w, A = bench.flat.parameters[0], bench.A

    def curvature() -> Tensor:
        return torch.einsum("ri,rij,rj->r", w, A, w) / 2 + (w**4).sum(1) / 12

    bench.oracle = Oracle(bench.flat, curvature=curvature, maximize=False)
    y = bench.pair(case.v).numpy()
    for run in range(case.runs):
        s, w_bar = case.v[run].astype(np.float64), (case.references + case.v)[run].astype(np.float64)
        matrix = case.hessians[run].astype(np.float64) + np.diag(w_bar**2)
        atol = TOLERANCES["products"](case.dtype, n=case.n) * np.linalg.norm(matrix) * np.linalg.norm(s)
        close(y[run], matrix @ s, 2 * atol, f"y of run {run} against the Hessian at w_bar times s")


LAWS = (translation, any_length, hessian_at_average)


class _AverageForS(EmpiricalFisher):
    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        return super().pair_(state, Displacement(move.w_bar, move.w_bar, move.w_ref, move.where), oracle)


class _ReferenceEntersY(EmpiricalFisher):
    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        return super().pair_(state, move, oracle) + 0.1 * move.w_ref


class _FromTheOrigin(PairGeneratorBase):
    needs: ClassVar[frozenset[Need]] = frozenset({Need.CURVATURE_GRADIENT})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        start = oracle.gradient(torch.zeros_like(move.s), Sample.CURVATURE)
        y: Tensor = oracle.gradient(move.s.clone(), Sample.CURVATURE) - start
        return y


class _ShrinksTheReference(PairGeneratorBase):
    needs: ClassVar[frozenset[Need]] = frozenset({Need.CURVATURE_GRADIENT})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        old = oracle.gradient(0.5 * move.w_ref, Sample.CURVATURE)
        y: Tensor = oracle.gradient(move.w_bar, Sample.CURVATURE) - old
        return y


class _SInFloat32(PairGeneratorBase):
    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        return oracle.hessian_vector(move.w_bar, move.s.float().to(move.s.dtype))


class _NothingForAShortS(EmpiricalFisher):
    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        long = move.s.norm(dim=1, keepdim=True) > 1e-4
        return torch.where(long, super().pair_(state, move, oracle), 0.0)


@dataclass(frozen=True)
class _OfUnitS(PairGeneratorBase):
    """A Hessian-vector product with s / (|s| + eps), multiplied by |s| unless that is ``forgotten``."""

    eps: float = 0.0
    forgotten: bool = False
    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        length = move.s.norm(dim=1, keepdim=True)
        y = oracle.hessian_vector(move.w_bar, move.s / (length + self.eps))
        return y if self.forgotten else y * length


class _HessianAt(HessianVector):
    declares: ClassVar[frozenset[Property]] = frozenset({HESSIAN})
    place: ClassVar[float] = 1.0

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        return oracle.hessian_vector(move.w_ref + self.place * move.s, move.s)


class _HessianAtReference(_HessianAt):
    place = 0.0


class _HessianHalfWay(_HessianAt):
    place = 0.5


class _HessianTimesAverage(_HessianAt):
    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        return oracle.hessian_vector(move.w_bar, move.w_bar)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {
        "average_for_s": _AverageForS,
        "reference_enters_y": _ReferenceEntersY,
        "shrinks_the_reference": _ShrinksTheReference,
        "from_the_origin": _FromTheOrigin,
        "s_in_float32": _SInFloat32,
        "nothing_for_a_short_s": _NothingForAShortS,
        "eps_beside_the_length": lambda: _OfUnitS(eps=1e-5),
        "length_of_s_forgotten": lambda: _OfUnitS(forgotten=True),
        "hessian_at_reference": _HessianAtReference,
        "hessian_half_way": _HessianHalfWay,
        "hessian_times_average": _HessianTimesAverage,
    }
}
