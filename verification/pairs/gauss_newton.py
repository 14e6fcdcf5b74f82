"""y = J'BJ s."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Displacement, GaussNewton
from adaqn_lab.oracle import Oracle
from verification.benches import PairBench
from verification.compare import close, holds
from verification.contracts.linear_pairs import LINEAR_PAIRS
from verification.law import Factory, Group, Property, Subject, law
from verification.naming import by_name
from verification.pairs.making import bound_of, made, norms, times
from verification.parts import tensor
from verification.specimen import Specimen
from verification.strategies import ContractCase, contract_cases

GAUSS_NEWTON = Property("gauss-newton", "y = J'BJ s, J of the outputs and B of the loss in them.")


@law(
    name="gauss-newton-product",
    statement="y = J'BJ s with J = J_0 + diag(w_bar) and s'y >= 0, on z'Bz / 2 with z = J_0 w + w w / 2",
    source="Schraudolph 2002: the Hessian without the outputs' own curvature diag(B z).",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("hessian_for_gauss_newton", "gauss_newton_at_reference"),
    needs=(GAUSS_NEWTON,),
    inputs=contract_cases(),
)
def gauss_newton_product(factory: Factory, case: ContractCase) -> None:
    """Outputs which are not linear make the difference."""
    bench = PairBench(factory(), case)
    w, B, J0 = bench.flat.parameters[0], bench.A, tensor(case.jacobians)

    def curvature() -> tuple[torch.Tensor, torch.Tensor]:
        z = torch.einsum("rij,rj->ri", J0, w) + w * w / 2
        return torch.einsum("ri,rij,rj->r", z, B, z) / 2, z

    bench.oracle = Oracle(bench.flat, curvature=curvature, maximize=False)
    _, s, y = made(bench, case.partners, case.partners - case.v)
    J = case.jacobians.astype(np.float64) + np.einsum("ri,ij->rij", case.partners.astype(np.float64), np.eye(case.n))
    atol = bound_of(case) * norms(J) ** 2 * norms(case.hessians) * norms(s)
    close(y, times(J.transpose(0, 2, 1), times(case.hessians, times(J, s))), atol, "y against J'BJ s")
    holds(bool(((s * y).sum(2) >= -(atol * norms(s))[:, 0]).all()), f"s'y: got {(s * y).sum(2)}, at least 0 expected")


class WrongGaussNewton(GaussNewton):
    """What the wrong Gauss-Newton products share."""

    declares: ClassVar[tuple[str, ...]] = ("gauss-newton",)


class HessianForGaussNewton(WrongGaussNewton):
    """y = (Hessian) s: with the outputs' own curvature, and s'y of any sign."""

    def pair_(self, state: None, move: Displacement, oracle: Any) -> Tensor:
        y: Tensor = oracle.hessian_vector(move.w_bar, move.s)
        return y


class GaussNewtonAtReference(WrongGaussNewton):
    """At w_ref for w_bar."""

    def pair_(self, state: None, move: Displacement, oracle: Any) -> Tensor:
        return super().pair_(state, replace(move, w_bar=move.w_ref), oracle)


SPECIMEN = Specimen(
    role=Subject.PAIRS,
    kind=GaussNewton,
    variations=(GaussNewton,),
    declares=frozenset({LINEAR_PAIRS, GAUSS_NEWTON}),
    laws=(gauss_newton_product,),
    mutants=by_name(HessianForGaussNewton, GaussNewtonAtReference),
)
