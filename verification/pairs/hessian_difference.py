"""y by a central difference of gradients along s."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Displacement, HessianDifference, Sample
from adaqn_lab.oracle import Oracle
from verification.benches import PairBench
from verification.compare import close, same
from verification.law import Factory, Group, Property, Subject, law
from verification.naming import by_name
from verification.pairs.making import bound_of, made, norms, times
from verification.specimen import Specimen
from verification.strategies import ContractCase, contract_cases

HESSIAN_DIFFERENCE = Property(
    "hessian difference",
    "y = (g(w_bar + t s) - g(w_bar - t s)) / (2 t) on the curvature batch, t = radius / |s|.",
    fields=("radius",),
)


@law(
    name="hessian-difference",
    statement="y = (A + diag(w_bar)) s on w'Aw / 2 + sum w^3 / 6, and y = 0 for s = 0",
    source="A central difference of gradients is exact for polynomials of degree three.",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("one_sided_difference", "difference_at_reference", "divides_by_the_radius", "divides_by_no_length"),
    needs=(HESSIAN_DIFFERENCE,),
    inputs=contract_cases(),
)
def hessian_difference(factory: Factory, case: ContractCase) -> None:
    """A third derivative makes the difference between one side and two."""
    bench = PairBench(factory(), case)
    w, A = bench.flat.parameters[0], bench.A

    def curvature() -> torch.Tensor:
        return torch.einsum("ri,rij,rj->r", w, A, w) / 2 + (w**3).sum(1) / 6

    bench.oracle = Oracle(bench.flat, curvature=curvature, maximize=False)
    w_bar, radius = case.partners, bench.part.radius
    _, s, y = made(bench, w_bar, w_bar - case.v)
    expected = times(case.hessians, s) + w_bar[:, None] * s
    # The gradients err by u times their size, which the division by 2 t = 2 radius / |s| magnifies.
    reach = norms(w_bar) + radius
    size = (norms(case.hessians) + reach) * reach * norms(s) / radius
    close(y, expected, bound_of(case) * size, "y against the Hessian at w_bar times s")
    _, _, nothing = made(bench, w_bar, w_bar)
    same(nothing, np.zeros_like(nothing), "y for s = 0")


class WrongHessianDifference(HessianDifference):
    """What the wrong differences share."""

    declares: ClassVar[tuple[str, ...]] = ("hessian difference",)


class OneSidedDifference(WrongHessianDifference):
    """(g(w_bar + t s) - g(w_bar)) / t."""

    def pair_(self, state: None, move: Displacement, oracle: Any) -> Tensor:
        length = torch.linalg.vector_norm(move.s, dim=1, keepdim=True)
        t = torch.where(length > 0, self.radius / length, 1.0)
        up = oracle.gradient(move.w_bar + t * move.s, Sample.CURVATURE)
        y: Tensor = (up - oracle.gradient(move.w_bar, Sample.CURVATURE)) / t
        return y


class DifferenceAtReference(WrongHessianDifference):
    """Around w_ref."""

    def pair_(self, state: None, move: Displacement, oracle: Any) -> Tensor:
        return super().pair_(state, replace(move, w_bar=move.w_ref), oracle)


class DividesByTheRadius(WrongHessianDifference):
    """By 2 radius for 2 t: a unit displacement's y."""

    def pair_(self, state: None, move: Displacement, oracle: Any) -> Tensor:
        length = torch.linalg.vector_norm(move.s, dim=1, keepdim=True)
        return super().pair_(state, move, oracle) / torch.where(length > 0, length, 1.0)


class DividesByNoLength(WrongHessianDifference):
    """0 / 0 where s = 0."""

    def pair_(self, state: None, move: Displacement, oracle: Any) -> Tensor:
        length = torch.linalg.vector_norm(move.s, dim=1, keepdim=True)
        y: Tensor = super().pair_(state, move, oracle) * (length / length)
        return y


SPECIMEN = Specimen(
    role=Subject.PAIRS,
    kind=HessianDifference,
    variations=(HessianDifference,),
    declares=frozenset({HESSIAN_DIFFERENCE}),
    laws=(hessian_difference,),
    mutants=by_name(OneSidedDifference, DifferenceAtReference, DividesByTheRadius, DividesByNoLength),
)
