"""At the edges of the floating-point numbers: where squares are about to overflow or to vanish, and past them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

import adaqn_lab as lab
from verification import Subject, by_name
from verification.adapters import adaqn_two_loop
from verification.benches import MemoryBench, PairBench, ScalingBench, StepperBench
from verification.catalogue import MUTANTS
from verification.compare import holds, same
from verification.held_out.first.memory import HONEST
from verification.memory_streams import MemoryStream
from verification.parts import memory_direction
from verification.strategies import ContractCase, OperatorCase

EDGE = {"float32": 60, "float64": 500}
"""2^k: squares times 2^(2k) are finite, and at 2^(-2k) still normal numbers."""
PAST = {"float32": 80, "float64": 600}
"""2^k: squares times 2^(2k) are infinite, and at 2^(-2k) zero."""
DIRECTIONS = {
    "two_loop": adaqn_two_loop.direction,
    "Window": memory_direction(partial(lab.Window, test=lab.CautiousCosine())),
    "Dense": memory_direction(lab.Dense),
}
MEMORIES = [
    lab.Window,
    partial(lab.Window, test=lab.CautiousSS()),
    partial(lab.Window, test=lab.CautiousCosine()),
    lab.Dense,
    lab.RegularisedDense,
    lab.SoftWindow,
    lab.ShiftedWindow,
    lab.AggregatedWindow,
    lab.BlockDiagonal,
    *(
        partial(lab.Repaired, by=by)
        for by in (lab.PowellB(), lab.PowellH(), lab.PowellScaled(), lab.LevenbergDamping(), lab.TauDamping())
    ),
]
SCALINGS = [lab.AdaGrad, lab.RMSProp, lab.BiasCorrectedRMSProp]


@pytest.mark.parametrize("dtype", EDGE)
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("name", DIRECTIONS)
def test_pairs_of_any_length_make_the_same_operator(name, sign, dtype):
    """(s, y) -> 2^k (s, y) changes no bit of H v up to the edge."""
    case = OperatorCase(5, (0.7, 0.3, 1.0), ((0, 0), (1, -1), (-1, 1)), 2, 11, dtype)
    t = np.ldexp(np.ones(1, dtype), sign * (EDGE[dtype] - 4))
    expected = DIRECTIONS[name](case.S, case.Y, case.h0, case.v)
    same(DIRECTIONS[name](t * case.S, t * case.Y, case.h0, case.v), expected, f"H v of pairs times 2^{sign}k")


@pytest.mark.parametrize("dtype", PAST)
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("factory", MEMORIES, ids=lambda factory: repr(factory()))
def test_a_pair_whose_products_overflow_or_vanish_is_harmless(factory, sign, dtype):
    """Whatever the verdict is: H v stays finite, and is as it was if the pair was refused."""
    case = ContractCase(runs=2, n=4, items=2, has_pair=False, seed=5, dtype=dtype)
    bench, everyone = MemoryBench(factory(), case), np.ones(2, bool)
    bench.feed(0, everyone)
    before = bench.read()
    t = np.ldexp(np.ones(1, dtype), sign * PAST[dtype])
    s, y = (t * x[:, 1] for x in case.pairs)
    admitted = bench.admit(s, y, everyone).admitted
    after = bench.read()
    holds(after.isfinite().all(), f"H v after the pair: {after.tolist()}")
    same(after[~admitted], before[~admitted], "H v of the runs which refused the pair")


@pytest.mark.parametrize("dtype", EDGE)
@pytest.mark.parametrize("factory", SCALINGS)
def test_the_smallest_and_largest_gradients_leave_h0_positive_and_finite(factory, dtype):
    """Subnormal gradients vanish beside eps; the largest with a finite square still leave 1 / sqrt(G) above zero."""
    info = np.finfo(dtype)
    for size in (info.smallest_subnormal, info.tiny, np.sqrt(info.max) / 4):
        case = ContractCase(runs=1, n=3, items=0, has_pair=False, seed=1, dtype=dtype)
        bench = ScalingBench(factory(), case)
        for _ in range(3):
            bench.part.observe_(bench.state, bench.step(np.full((1, 3), size, dtype), np.ones(1, bool)))
        H0 = bench.apply(np.ones((1, 3), dtype))
        holds((H0 > 0).all() and H0.isfinite().all(), f"H0 after gradients of {size}: {H0.tolist()}")


@pytest.mark.parametrize("dtype", EDGE)
@pytest.mark.parametrize("factory", [lab.Momentum, lab.Nesterov])
def test_a_velocity_which_would_overflow_stays_and_the_other_runs_go_on(factory, dtype):
    """The direction of that step is of no use to the optimizer; the velocity must be of use at the next."""
    case = ContractCase(runs=3, n=2, items=2, has_pair=False, seed=4, dtype=dtype)
    rows, everyone = case.rows.copy(), np.ones(3, bool)
    bench = StepperBench(factory(), case)
    bench.feed(0, everyone)
    before = bench.state.velocity.clone()
    rows[1, 1] = np.ldexp(rows[1, 1], PAST[dtype])
    step = bench.step(rows[:, 1], everyone)
    bench._direction(bench.state, step)
    moved = (bench.state.velocity != before).any(1).tolist()
    holds(moved == [True, False, True], f"runs whose velocity moved: {moved}")


class Losses:
    """An oracle with the same losses everywhere."""

    def __init__(self, *losses):
        self.losses = torch.tensor(losses, dtype=torch.float64)

    def loss(self, w):
        return self.losses


def test_a_reference_loss_which_is_not_finite_bounds_nothing():
    """It may be that of the initial point; before the first average nothing is known."""
    guard, space = lab.MonitorIncrease(), lab.Space(4, 1)
    state, nothing = guard.init(space), space.zeros()
    move = lab.Displacement(nothing, nothing, nothing, torch.tensor([True, True, True, False]))
    for unknown in (state.loss, state.reference):
        same(unknown, torch.full((4,), np.nan, dtype=torch.float64), "losses before the first average")
    state.reference = torch.tensor([np.nan, np.inf, 1.0, 1.0], dtype=torch.float64)
    keep = guard.judge_(state, move, Losses(5.0, 5.0, 5.0, 5.0)).tolist()
    holds(keep == [True, True, False, True], f"kept with references nan, inf, 1 and none yet: {keep}")


def test_a_pair_at_a_right_angle_is_damped():
    """s'y = 0 and not below: no division by it."""
    s, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    same(lab.PowellScaled(delta=0.25, floor=2.0).repair(s, y, None)[1], torch.tensor([[0.5, 1.5]]), "y")


@pytest.mark.parametrize("dtype", EDGE)
@pytest.mark.parametrize("factory", [lab.EmpiricalFisher, partial(lab.SketchedFisher, rows=2, group=2)])
def test_tiny_gradients_make_a_tiny_y_and_no_nan(factory, dtype):
    """y = F s underflows to zero before anything else happens."""
    case = ContractCase(runs=2, n=3, items=3, has_pair=False, seed=2, dtype=dtype)
    bench = PairBench(factory(), case)
    small = np.finfo(dtype).tiny
    for k in range(3):
        bench.observe(case.points[:, k], small * case.rows[:, k], np.ones(2, bool))
    y = bench.pair(case.v)
    holds((y.abs() <= small).all(), f"y: {y.tolist()}")


def test_a_memory_may_lose_the_digits_that_float32_products_lose():
    """s'y = 2^-140 has nine binary digits in float32, and r'y of a symmetric update of rank one fewer still."""
    law, case = by_name("memory-pair-scale"), MemoryStream(2, 4, 9, 2, 26890, "float32")
    law(HONEST[Subject.MEMORY]["positive_rank_one"], case)
    with pytest.raises(AssertionError, match=r"2\^-60 times as long, all admitted"):
        law(MUTANTS[Subject.MEMORY]["clamps_the_curvature"], replace(case, seed=26891))
