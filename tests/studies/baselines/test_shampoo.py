"""Shampoo for R runs: each run as the package's, roots as they are defined."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import Optimizer

from studies.baselines.shampoo import Shampoo, inverse_root, sides
from tests.studies.baselines.moving import (
    RATES,
    apart,
    assert_a_struck_run_harms_no_other,
    assert_one_steps_as_a_row_of_many,
    assert_rates_are_read_at_every_step,
    calls,
    parameters,
    push,
    together,
)

SHAPES = (5, 4), (6, 4), (6, 3), (6,), (2, 3), (2,), (12, 4), (5, 5), (10, 5), (3, 4, 5)
"""With blocks of 5: whole, square and cut ones, a vector that is cut, merged axes, and some too small for roots."""
SMALL = Shampoo(block_size=5)
STEPS = 25
ITERATION = 1e-3
"""At what residual the package's iteration for the roots stops."""


def stepped(package: Any, shapes: Sequence[tuple[int, ...]], steps: int, **options: Any) -> list[Tensor]:
    fixed = {"preconditioning_compute_steps": 10, "start_preconditioning_step": 10, "graft_type": 2} | options

    def make(params: list[Tensor], lr: float) -> list[Optimizer]:
        return [package.ScalableShampoo(params, lr=lr, **fixed)]

    return apart(make, parameters(shapes), steps)


def exact_root(mat_g: Tensor, p: int, ridge_epsilon: float) -> Tensor:
    """What the package's iteration tends to."""
    values, vectors = torch.linalg.eigh(mat_g)
    values = values.clamp(min=0.0)
    return vectors @ torch.diag((values + ridge_epsilon * values.max()) ** (-1.0 / p)) @ vectors.mT


@pytest.mark.parametrize(
    ("method", "options"),
    [
        (SMALL, {}),
        (Shampoo(block_size=5, beta1=0.5, beta2=0.9), {"betas": (0.5, 0.9)}),
        (Shampoo(block_size=7, precondition_frequency=3, start=7),
         {"preconditioning_compute_steps": 3, "start_preconditioning_step": 7}),
        (Shampoo(block_size=5, largest=5), {"no_preconditioning_for_layers_with_dim_gt": 5}),
        (Shampoo(block_size=5, matrix_eps=1e-3, diagonal_eps=1e-2), {"matrix_eps": 1e-3, "diagonal_eps": 1e-2}),
    ],
    ids=str,
)  # fmt: skip
def test_with_exact_roots_each_run_steps_as_the_packages(
    monkeypatch: pytest.MonkeyPatch, method: Shampoo, options: dict[str, Any]
) -> None:
    """Roots of moments that are singular but for a ridge of 1e-6: a rounding of 1e-16 counts for 1e-10 there."""
    package = pytest.importorskip("pytorch_optimizer")
    monkeypatch.setattr("pytorch_optimizer.optimizer.utils.preconditioner.compute_power_schur_newton", exact_root)
    found = together(method, parameters(SHAPES), STEPS)
    wanted = stepped(package, SHAPES, STEPS, **{"block_size": method.block_size} | options)
    for mine, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-8)


def test_each_run_steps_as_the_packages_to_the_residual_of_its_roots() -> None:
    package = pytest.importorskip("pytorch_optimizer")
    torch.manual_seed(0)  # the package estimates the largest eigenvalue from a random start
    found, wanted = together(SMALL, parameters(SHAPES), STEPS), stepped(package, SHAPES, STEPS, block_size=5)
    for mine, theirs, start in zip(found, wanted, parameters(SHAPES), strict=True):
        moved = (theirs - start.detach()).flatten(1).norm(dim=1)
        assert ((mine - theirs).flatten(1).norm(dim=1) <= ITERATION * moved).all()


@pytest.mark.parametrize("order", [2, 4, 6])
def test_a_root_to_its_order_undoes_the_moments(order: int) -> None:
    g = torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    moments = g @ g.mT  # of rank 4
    found = inverse_root(moments, order, 1e-3)
    largest = torch.linalg.eigvalsh(moments)[:, -1].view(-1, 1, 1)
    ridged = moments + 1e-3 * largest * torch.eye(6, dtype=torch.float64)
    eye = torch.eye(6, dtype=torch.float64).expand(3, 6, 6)
    torch.testing.assert_close(torch.linalg.matrix_power(found, order) @ ridged, eye, rtol=1e-9, atol=1e-9)


def test_a_root_in_float32_has_its_accuracy() -> None:
    """The eigenvalues below 1e-7 of the largest would be lost to float32, and the ridge of 1e-6 with them."""
    g = torch.randn(1, 200, 20, generator=torch.Generator().manual_seed(1))
    moments = torch.bmm(g, g.mT)
    exact = inverse_root(moments.double(), 4, 1e-6)
    found = inverse_root(moments, 4, 1e-6)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "merged"),
    [((65, 64), (65, 64)), ((256, 64), (256, 64)), ((600, 32), (1, 600, 32)), ((1024,), (1, 1024)), ((256,), ()),
     ((16, 8), ()), ((1, 2, 512, 1, 2048, 1, 3, 4), (1024, 2048, 12)), ((), ())],
)  # fmt: skip
def test_sides_are_the_packages(shape: tuple[int, ...], merged: tuple[int, ...]) -> None:
    most = 1024 if len(shape) == 8 else 512
    assert sides(shape, most) == merged
    module = pytest.importorskip("pytorch_optimizer.optimizer.utils.shape")
    theirs = module.merge_small_dims(list(shape), most)
    assert list(merged) == (theirs if len(theirs) > 1 else [])


def test_one_run_is_a_row_of_many() -> None:
    assert_one_steps_as_a_row_of_many(SMALL, STEPS, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("strike", [torch.nan, torch.inf, 1e200])
def test_a_run_that_is_not_finite_keeps_it_to_itself(strike: float) -> None:
    assert_a_struck_run_harms_no_other(Shampoo(block_size=5), strike, at=2, steps=12)


def test_operators_do_not_grow_with_the_runs_and_the_host_reads_nothing() -> None:
    assert calls(SMALL, runs=2, steps=11) == calls(SMALL, runs=7, steps=11)


@pytest.mark.parametrize("steps", [3, 12])
def test_rates_are_read_at_every_step(steps: int) -> None:
    assert_rates_are_read_at_every_step(SMALL, steps)


def test_gradients_may_lie_in_any_order_in_memory() -> None:
    shapes = (5, 4), (2, 2, 4)
    found, wanted = parameters(shapes), parameters(shapes)
    for params in (found, wanted):
        optimizer = SMALL.build(params, RATES, {})
        for step in range(12):
            push(params, step)
            if params is found:
                for p in params:
                    p.grad = p.grad.transpose(1, -1).contiguous().transpose(1, -1)  # type: ignore[union-attr]
            optimizer.step()
    for mine, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-8)


def test_it_is_not_captured_as_steps_differ() -> None:
    assert SMALL.build(parameters(), RATES, {}).capturable is False  # type: ignore[attr-defined]
