"""Every H0 is linear, positive definite, and solves what it applies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from adaqn_lab import AdaGrad, Diagonal
from adaqn_lab.protocols import Curvature, InitialMatrix
from verification.benches import ScalingBench, is_diagonal
from verification.compare import close, holds
from verification.law import Factory, Group, Subject, law
from verification.matrices import Product
from verification.naming import by_name
from verification.strategies import ContractCase, StreamCase, contract_cases, stream_cases
from verification.tolerances import TOLERANCES

LINEAR = TOLERANCES["linear"]


@law(
    name="scaling-linear",
    statement="H0(2u - 4v) = 2 H0 u - 4 H0 v, H0 0 = 0 = H0^-1 0, and H0 is symmetric",
    source="H0 is a symmetric matrix. stochQN's H0, which multiplies by the gradient it is applied to, is none.",
    group=Group.MATHEMATICS,
    subject=Subject.SCALING,
    tolerance="linear",
    kills=(
        *("gradient_as_scaling", "sign_of_gradient", "normalises_direction"),
        *("applies_to_a_unit_vector", "solves_for_a_unit_vector"),
    ),
    inputs=contract_cases(),
)
def scaling_linear(factory: Factory, case: ContractCase) -> None:
    """H0 is linear and symmetric."""
    bench = ScalingBench(factory(), case)
    bench.feed_all()
    u, v = case.v, case.partners
    H0u, H0v = (bench.apply(x).numpy().astype(np.float64) for x in (u, v))
    atol = LINEAR(case.dtype, n=case.n) * (2 * np.abs(H0u) + 4 * np.abs(H0v)).max(axis=1, keepdims=True)
    close(bench.apply(2 * u - 4 * v), 2 * H0u - 4 * H0v, atol, "H0(2u - 4v) against 2 H0 u - 4 H0 v")
    for name, product in (("H0 0", bench.apply), ("H0^-1 0", bench.solve)):
        close(product(0 * v), 0 * v, 0.0, name)
    H0 = bench.matrices()
    atol = LINEAR(case.dtype, n=case.n) * np.abs(H0).max(axis=(1, 2), keepdims=True)
    close(H0, H0.transpose(0, 2, 1), atol, "H0 against its transpose")


@law(
    name="scaling-inverse",
    statement="H0^-1 (H0 v) = v",
    source="What needs B = H^-1 asks H0 for H0^-1.",
    group=Group.MATHEMATICS,
    subject=Subject.SCALING,
    tolerance="linear",
    kills=("inverse_is_h0", "inverse_of_initial_h0"),
    inputs=contract_cases(),
)
def scaling_inverse(factory: Factory, case: ContractCase) -> None:
    """There and back."""
    bench = ScalingBench(factory(), case)
    bench.feed_all()
    back = bench.solve(bench.apply(case.v))
    atol = LINEAR(case.dtype, n=case.n) * bench.condition() * np.abs(case.v).max(axis=1, keepdims=True)
    close(back, case.v, atol, "H0^-1 H0 v")


@law(
    name="scaling-positive",
    statement="lambda_min(H0) > 0, also after zero, tiny and huge gradients",
    source="H is positive definite iff H0 is and every s'y > 0; Nocedal & Wright 2006, section 6.1.",
    group=Group.MATHEMATICS,
    subject=Subject.SCALING,
    tolerance="exact",
    kills=("gradient_as_scaling", "eps_forgotten", "sign_of_gradient"),
    inputs=stream_cases(kinds=("normal", "zero", "tiny", "huge")),
)
def scaling_positive(factory: Factory, case: StreamCase) -> None:
    """H0 is positive definite and finite whatever finite gradients came."""
    shell = ContractCase(1, case.n, 0, False, case.seed, case.dtype)
    bench = ScalingBench(factory(), shell)
    for g in case.gradients:
        bench.part.observe_(bench.state, bench.step(g[None], np.ones(1, bool)))
    H0 = bench.matrices()[0]
    holds(bool(np.isfinite(H0).all()), f"H0 is not finite: {H0.tolist()}")
    least = float(np.linalg.eigvalsh((H0 + H0.T) / 2)[0])
    # What is not diagonal has rounding errors of the largest entry's size in every other.
    lost = 0.0 if is_diagonal(H0) else LINEAR(case.dtype, n=case.n) * float(np.abs(H0).max())
    holds(least > -lost, f"lambda_min(H0): got {least:.6g}, more than 0 expected")
    for v in (case.s, -case.s):  # basis vectors alone do not see an H0 that depends on the signs of its argument
        slope = float(v.astype(np.float64) @ bench.apply(v[None])[0].numpy().astype(np.float64))
        holds(slope > -lost * float(v @ v), f"v'H0v: got {slope:.6g}, more than 0 expected, v = {v.tolist()}")


class _Swapped:
    """H0 in both directions."""

    def __init__(self, right: InitialMatrix) -> None:
        self._right = right

    def apply_(self, v: Tensor) -> Tensor:
        """Return H0 v."""
        return self._right.apply_(v)

    def solve_(self, v: Tensor) -> Tensor:
        """Return H0 v again."""
        return self._right.apply_(v)


class InverseIsH0(AdaGrad):
    """H0 v where H0^-1 v belongs."""

    def h0(self, state: Any, curvature: Curvature) -> Any:
        return _Swapped(super().h0(state, curvature))


@dataclass(frozen=True)
class _ByLength:
    """``right`` by way of v / |v|; ``apply`` says of which product."""

    right: InitialMatrix
    apply: bool

    def apply_(self, v: Tensor) -> Tensor:
        """Return H0 v."""
        length = v.norm(dim=1, keepdim=True)
        return self.right.apply_(v / length) * length if self.apply else self.right.apply_(v)

    def solve_(self, v: Tensor) -> Tensor:
        """Return H0^-1 v."""
        length = v.norm(dim=1, keepdim=True)
        return self.right.solve_(v) if self.apply else self.right.solve_(v / length) * length


class AppliesToAUnitVector(AdaGrad):
    """H0 (v / |v|) |v|: NaN for v = 0."""

    def h0(self, state: Any, curvature: Curvature) -> Any:
        return _ByLength(super().h0(state, curvature), True)


class SolvesForAUnitVector(AdaGrad):
    """H0^-1 (v / |v|) |v|: NaN for v = 0."""

    def h0(self, state: Any, curvature: Curvature) -> Any:
        return _ByLength(super().h0(state, curvature), False)


class InverseOfInitialH0(AdaGrad):
    """The inverse of the H0 before any gradient."""

    def h0(self, state: Any, curvature: Curvature) -> Any:
        right = super().h0(state, curvature)
        return Product(right.apply_, Diagonal(gamma=self.eps**-0.5))


LAWS = (scaling_linear, scaling_inverse, scaling_positive)
MUTANTS = {Subject.SCALING: by_name(InverseIsH0, InverseOfInitialH0, AppliesToAUnitVector, SolvesForAUnitVector)}
