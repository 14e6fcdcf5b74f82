"""Nesterov's pairs beyond the laws: a run that stands still beside one that moves, and recipes which do not fit."""

import types

import pytest
import torch

from adaqn_lab import Cadence, Displacement, GradientDifference, LookAheadDifference, Nesterov, Plain, Space, Step
from adaqn_lab.recipes import ALL

(OLNAQ,) = (named.recipe for named in ALL if named.name == "OLNAQ")
MU, BOTH = 0.5, torch.ones(2, dtype=torch.bool)


def random(seed):
    return torch.randn(2, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("shift", [0.0, 0.25, -2.0])
def test_the_shift_is_added_times_s(shift):
    """y = g(w') - g(w) + shift s, here with g(w) = 3 w."""
    oracle = types.SimpleNamespace(gradient=lambda w, sample: 3.0 * w)
    w_ref, w_bar = random(0), random(1)
    move = Displacement(w_bar - w_ref, w_bar, w_ref, BOTH)
    y = GradientDifference(shift=shift).pair_(None, move, oracle)
    torch.testing.assert_close(y, (3.0 + shift) * move.s, rtol=1e-14, atol=1e-14)
    part = LookAheadDifference(momentum=MU, shift=shift)
    pair = part.pair_(part.init(Space(2, 3, torch.float64)), move, oracle)
    torch.testing.assert_close(pair.y, (3.0 + shift) * pair.s, rtol=1e-14, atol=1e-14)


def test_the_iterate_of_a_run_which_stands_still_stays():
    part = LookAheadDifference(momentum=MU)
    state, first, second, third = part.init(Space(2, 3, torch.float64)), *map(random, range(3))
    for k, theta in enumerate((first, second), 1):
        part.observe_(state, Step(k, torch.zeros_like(theta), BOTH, lambda theta=theta: theta))
    iterate = (second + MU * first) / (1.0 + MU)
    torch.testing.assert_close(state.w, iterate, rtol=1e-15, atol=1e-15)
    third[0] = second[0]
    oracle = types.SimpleNamespace(gradient=lambda w, sample: w.clone())
    pair = part.pair_(state, Displacement(third - second, third, second, BOTH), oracle)
    following = (third + MU * iterate) / (1.0 + MU)
    expected = torch.stack([iterate[0], following[1]]) - second
    torch.testing.assert_close(pair.s, expected, rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(pair.y, expected, rtol=1e-14, atol=1e-14)


def test_a_stepper_without_momentum_is_refused_whatever_the_pairs_have():
    for momentum in (0.0, 0.9):
        with pytest.raises(ValueError, match="is not that of stepper=Plain"):
            OLNAQ.but(pairs=LookAheadDifference(momentum=momentum), stepper=Plain())


@pytest.mark.parametrize(("momentum", "far"), [(0.5, ""), (0.99, ""), (0.995, ", at_most=0.995")])
def test_the_stepper_which_is_asked_for_has_the_pairs_momentum(momentum, far):
    """And a bound above it, where Nesterov's own is below."""
    pairs = LookAheadDifference(momentum=momentum)
    with pytest.raises(ValueError, match="is not that of stepper=") as caught:
        OLNAQ.but(pairs=pairs, stepper=Nesterov(momentum=0.25))
    told = str(caught.value).rpartition("; pass ")[2]
    assert told == f"stepper=Nesterov(momentum={momentum}{far})."
    assert eval(f"OLNAQ.but(pairs=pairs, {told[:-1]})", globals() | {"pairs": pairs}).stepper.momentum == momentum


@pytest.mark.parametrize(
    "wrong", [{"every": 2}, {"after_step": False}, {"from_start": False}, {"always_advance": False}], ids=str
)
def test_every_field_of_the_cadence_must_fit(wrong):
    right = {"every": 1, "after_step": True, "from_start": True, "always_advance": True}
    assert OLNAQ.but(cadence=Cadence(**right)).cadence == Cadence(**right)
    with pytest.raises(ValueError, match=r"pairs one step at a time.* does not; pass Cadence"):
        OLNAQ.but(cadence=Cadence(**{**right, **wrong}))
