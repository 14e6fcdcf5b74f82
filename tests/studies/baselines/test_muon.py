"""Muon and AdamW for R runs: each run as torch's own optimizers, and the orthogonalisation as its polynomial."""

import pytest
import torch
from torch import Tensor
from torch.optim import Optimizer

from studies.baselines.muon import MuonWithAdamW, orthogonalised
from tests.studies.baselines.moving import (
    RATES,
    apart,
    assert_a_replay_is_the_steps,
    assert_a_struck_run_harms_no_other,
    assert_one_steps_as_a_row_of_many,
    assert_rates_are_read_at_every_step,
    calls,
    parameters,
    together,
)

BFLOAT16 = 2.0**-8
"""Half the distance of neighbours among bfloat16 numbers, relative."""
LONG_AND_WIDE = (5, 4), (9, 4), (4, 9), (6,), (7, 7), (2, 2), (2, 3), (2,)
"""More runs than the smallest has rows: the runs are no side of a matrix."""


def by_torch(params: list[Tensor], lr: float, momentum: float = 0.95) -> list[Optimizer]:
    hidden = [p for p in params if p.dim() == 2][1:-1]
    others = [p for p in params if all(p is not q for q in hidden)]
    muon = torch.optim.Muon(hidden, lr=lr, weight_decay=0.0, momentum=momentum, adjust_lr_fn="match_rms_adamw")
    return [muon, torch.optim.AdamW(others, lr=lr, weight_decay=0.0)]


@pytest.mark.parametrize("momentum", [0.95, 0.6])
def test_each_run_steps_as_torchs_own(momentum: float) -> None:
    found = together(MuonWithAdamW(momentum=momentum), parameters(LONG_AND_WIDE), steps=12)
    wanted = apart(lambda params, lr: by_torch(params, lr, momentum), parameters(LONG_AND_WIDE), steps=12)
    hidden = {1, 2, 4, 5}
    for index, (mine, theirs, start) in enumerate(zip(found, wanted, parameters(LONG_AND_WIDE), strict=True)):
        if index in hidden:  # every step may differ by some roundings of bfloat16, relative to the way gone
            moved = (theirs - start.detach()).flatten(1).norm(dim=1)
            assert ((mine - theirs).flatten(1).norm(dim=1) <= 8 * BFLOAT16 * moved).all()
        else:
            torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-13)


def test_without_matrices_between_adamw_steps_all() -> None:
    shapes = (5, 4), (6,), (2, 3)
    found = together(MuonWithAdamW(), parameters(shapes), steps=5)
    wanted = apart(lambda params, lr: [torch.optim.AdamW(params, lr=lr, weight_decay=0.0)], parameters(shapes), 5)
    for mine, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (5, 5)])
def test_orthogonalisation_is_its_polynomial_of_the_singular_values(shape: tuple[int, int]) -> None:
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    u, s, vh = torch.linalg.svd(x, full_matrices=False)
    s = s / s.norm(dim=1, keepdim=True)
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    wanted = u @ torch.diag_embed(s) @ vh
    torch.testing.assert_close(orthogonalised(x, torch.float64), wanted, rtol=1e-10, atol=1e-10)
    assert (orthogonalised(x).double() - wanted).norm() <= 8 * BFLOAT16 * wanted.norm()


def test_no_gradient_no_direction() -> None:
    assert torch.equal(orthogonalised(torch.zeros(2, 3, 4)), torch.zeros(2, 3, 4, dtype=torch.bfloat16))


def test_one_run_is_a_row_of_many() -> None:
    assert_one_steps_as_a_row_of_many(MuonWithAdamW(), steps=12, rtol=8 * BFLOAT16, atol=8 * BFLOAT16 * RATES[0])


@pytest.mark.parametrize("strike", [torch.nan, torch.inf, 1e200])
def test_a_run_that_is_not_finite_keeps_it_to_itself(strike: float) -> None:
    assert_a_struck_run_harms_no_other(MuonWithAdamW(), strike, at=1, steps=4)


def test_operators_do_not_grow_with_the_runs_and_the_host_reads_nothing() -> None:
    few, many = calls(MuonWithAdamW(), runs=2, steps=3), calls(MuonWithAdamW(), runs=7, steps=3)
    assert few == many
    assert len(set(few)) == 1  # every step is the same: what a graph can replay


def test_rates_are_read_at_every_step() -> None:
    assert_rates_are_read_at_every_step(MuonWithAdamW(), steps=3)


def test_a_parameter_without_gradient_is_refused() -> None:
    optimizer = MuonWithAdamW().build(parameters(), RATES, {})
    with pytest.raises(ValueError, match="2 of 2 parameters have no gradient"):
        optimizer.step()


def test_it_may_be_captured() -> None:
    assert_a_replay_is_the_steps(MuonWithAdamW())
    assert MuonWithAdamW().build(parameters(), RATES, {}).capturable is True  # type: ignore[attr-defined]
