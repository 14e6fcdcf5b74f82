"""H0 as a linear, symmetric, positive definite operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from verification.benches import ScalingBench, is_diagonal
from verification.compare import close, holds, same
from verification.law import Group, Property, Subject, law
from verification.strategies import ContractCase, StreamCase, contract_cases, stream_cases
from verification.tolerances import TOLERANCES

Factory = Callable[[], Any]
LINEAR = TOLERANCES["linear"]


@law(
    name="scaling-linear",
    number=2,
    statement="H0(2u - 4v) = 2 H0 u - 4 H0 v, and H0 is symmetric",
    source="H0 is a symmetric matrix. stochQN's H0, which multiplies by the gradient it is applied to, is none.",
    group=Group.MATHEMATICS,
    subject=Subject.SCALING,
    tolerance="linear",
    kills=("gradient_as_scaling", "sign_of_gradient", "normalises_direction"),
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
    H0 = bench.matrices()
    atol = LINEAR(case.dtype, n=case.n) * np.abs(H0).max(axis=(1, 2), keepdims=True)
    close(H0, H0.transpose(0, 2, 1), atol, "H0 against its transpose")


@law(
    name="scaling-inverse",
    number=5,
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
    number=3,
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


@law(
    name="scaling-loss-scale",
    number=7,
    statement="g -> 4g and eps -> 16 eps: H0 -> H0 / 4, bit for bit",
    source="H0 is inverse to the root of the mean or sum of squared gradients, eps inside the root.",
    group=Group.INVARIANCE,
    subject=Subject.SCALING,
    kills=("eps_outside_root", "missing_root"),
    inputs=contract_cases(),
)
def scaling_loss_scale(factory: Factory, case: ContractCase) -> None:
    """AdaGrad-like scalings go inversely with the loss, if eps goes with its square."""
    part = factory()
    small, large = ScalingBench(part, case), ScalingBench(replace(part, eps=16 * part.eps), case)
    for k in range(case.items):
        for bench, scale in ((small, 1), (large, 4)):
            bench.part.observe_(bench.state, bench.step(scale * case.rows[:, k], case.masks[k]))
    same(large.read(), small.read() / 4, "H0 v from gradients 4g against H0 v / 4")


adagrad_loss_scale = replace(scaling_loss_scale, name="adagrad-loss-scale", needs=frozenset({Property.ADAGRAD}))
rmsprop_loss_scale = replace(
    scaling_loss_scale,
    name="rmsprop-loss-scale",
    needs=frozenset({Property.RMSPROP}),
    kills=("rmsprop_eps_outside_root", "rmsprop_missing_root"),
)
LAWS = (scaling_linear, scaling_inverse, scaling_positive, adagrad_loss_scale, rmsprop_loss_scale)
