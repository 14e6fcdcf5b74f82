"""SOAP for R runs: each run as the package's, bases as their moments say."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import Optimizer

from studies.baselines.soap import SOAP, Side, SOAPOptimizer
from tests.studies.baselines.moving import (
    RATES,
    apart,
    assert_a_struck_run_harms_no_other,
    assert_one_steps_as_a_row_of_many,
    assert_rates_are_read_at_every_step,
    calls,
    parameters,
    together,
)

EVERY = 10
TURNS = 2
STEPS = EVERY * TURNS + 5
"""Two turns of the bases, after steps 11 and 21, and steps in them."""


class Float64Torch:
    """torch, but float32 is float64."""

    float32 = torch.float64

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The package, with its QR, which it takes in float32 whatever the parameters are, in float64."""
    package = pytest.importorskip("pytorch_optimizer")
    monkeypatch.setattr("pytorch_optimizer.optimizer.soap.torch", Float64Torch())
    return package


def stepped(package: Any, shapes: Sequence[tuple[int, ...]], steps: int, **options: Any) -> list[Tensor]:
    def make(params: list[Tensor], lr: float) -> list[Optimizer]:
        return [package.SOAP(params, lr=lr, weight_decay=0.0, **options)]

    return apart(make, parameters(shapes), steps)


SHAPES = (5, 4), (6, 6), (3, 4), (6,), (1, 2), (2,)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        (SOAP(), {}),
        (SOAP(beta1=0.8, beta2=0.9), {"betas": (0.8, 0.9)}),
        (SOAP(shampoo_beta=0.7, eps=1e-3), {"shampoo_beta": 0.7, "eps": 1e-3}),
        (SOAP(precondition_frequency=1), {"precondition_frequency": 1}),
        (SOAP(largest=4), {"max_precondition_dim": 4}),
    ],
    ids=str,
)
def test_each_run_steps_as_the_packages(package: Any, method: SOAP, options: dict[str, Any]) -> None:
    """The bases of exact moments are LAPACK's in both, so what remains are roundings of float64 in the steps.

    A rounding in the moments turns a basis by itself over the distance of two eigenvalues, at 25 steps at most some
    1e3 roundings.
    """
    found, wanted = together(method, parameters(SHAPES), STEPS), stepped(package, SHAPES, STEPS, **options)
    for mine, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-11, atol=1e-11)


def test_float32_is_the_packages_to_its_rounding() -> None:
    package = pytest.importorskip("pytorch_optimizer")
    shapes = (6, 6), (4, 4), (6,)  # square: no null space in which rounding would choose the basis
    found = together(SOAP(), parameters(shapes, dtype=torch.float32), 15, (0.003, 0.01, 0.03))
    wanted = apart(
        lambda params, lr: [package.SOAP(params, lr=lr, weight_decay=0.0)],
        parameters(shapes, dtype=torch.float32), 15, (0.003, 0.01, 0.03),
    )  # fmt: skip
    for mine, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_the_first_gradient_makes_no_step() -> None:
    for found, start in zip(together(SOAP(), parameters(), 1), parameters(), strict=True):
        assert torch.equal(found, start.detach())


@pytest.mark.parametrize("axis", [1, 2])
def test_a_side_starts_at_the_eigenvectors_and_a_turn_goes_nearer(axis: int) -> None:
    generator = torch.Generator().manual_seed(2)
    g = torch.randn(3, 5, 5, generator=generator, dtype=torch.float64)
    side = Side(axis, torch.zeros_like(g), torch.zeros_like(g))
    side.moments.copy_(side.product(g))
    side.start()

    def told() -> Tensor:
        return side.basis.mT @ side.moments @ side.basis

    torch.testing.assert_close(told(), torch.diag_embed(told().diagonal(dim1=1, dim2=2)))
    assert (told().diagonal(dim1=1, dim2=2).diff(dim=1) <= 0).all()
    eye = torch.eye(5, dtype=torch.float64)
    side.basis.copy_(torch.linalg.qr(eye + 0.05 * torch.randn(5, 5, generator=generator, dtype=torch.float64))[0])
    off = [(told() - torch.diag_embed(told().diagonal(dim1=1, dim2=2))).norm()]
    for _ in range(8):
        side.turn(torch.ones_like(g))
        torch.testing.assert_close(side.basis.mT @ side.basis, eye.expand(3, 5, 5))
        off.append((told() - torch.diag_embed(told().diagonal(dim1=1, dim2=2))).norm())
    assert off[-1] < 0.3 * off[0]


@pytest.mark.parametrize("axis", [1, 2])
def test_what_is_told_in_a_basis_follows_the_order_of_its_columns(axis: int) -> None:
    """Columns in the wrong order are sorted, and each square keeps its column."""
    eigenvalues = torch.tensor([[1.0, 3.0, 2.0], [5.0, 4.0, 6.0]])
    side = Side(axis, torch.diag_embed(eigenvalues), torch.eye(3).repeat(2, 1, 1))
    v = eigenvalues.unsqueeze(3 - axis).expand(2, 3, 3).contiguous()
    turned = side.turn(v)
    assert torch.equal(turned.select(3 - axis, 0), torch.tensor([[3.0, 2.0, 1.0], [6.0, 5.0, 4.0]]))


def test_one_run_is_a_row_of_many() -> None:
    assert_one_steps_as_a_row_of_many(SOAP(), STEPS, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("strike", [torch.nan, torch.inf, 1e200])
@pytest.mark.parametrize("at", [0, 3])
def test_a_run_that_is_not_finite_keeps_it_to_itself(strike: float, at: int) -> None:
    assert_a_struck_run_harms_no_other(SOAP(), strike, at, STEPS)


def test_operators_do_not_grow_with_the_runs_and_the_host_reads_nothing() -> None:
    assert calls(SOAP(), runs=2, steps=12) == calls(SOAP(), runs=7, steps=12)


@pytest.mark.parametrize("steps", [3, 12])
def test_rates_are_read_at_every_step(steps: int) -> None:
    assert_rates_are_read_at_every_step(SOAP(), steps)


def test_state_stays_where_it_is() -> None:
    params = parameters()
    optimizer = SOAP().build(params, RATES, {})
    assert isinstance(optimizer, SOAPOptimizer)
    assert optimizer.capturable is False
    state = [*optimizer._m, *optimizer._v, *(side.basis for bases in optimizer._bases for side in bases.sides)]
    places = [each.data_ptr() for each in state]
    for p in params:
        p.grad = torch.ones_like(p)
    for _ in range(12):
        optimizer.step()
    after = [*optimizer._m, *optimizer._v, *(side.basis for bases in optimizer._bases for side in bases.sides)]
    assert [each.data_ptr() for each in after] == places


def test_tensors_of_more_axes_are_refused() -> None:
    with pytest.raises(ValueError, match="more than two axes"):
        SOAP().build(parameters(((2, 3, 4),)), RATES, {})
