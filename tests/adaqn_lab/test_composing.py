"""Lengths of directions."""

from __future__ import annotations

import pytest
import torch

from adaqn_lab import ADAQN, Clipped, Decaying, Plain, Space, Step, WarmStart
from adaqn_lab.steppers.composing import length_of


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [1e-35, 1e-30, 1e-23, 1e-19, 1e-10, 1e-9, 1.0, 1e17])
def test_the_length_of_short_and_of_long_vectors(dtype, size):
    d = torch.linspace(0.5, 2.0, 1000, dtype=torch.float64) * size
    expected = torch.linalg.vector_norm(d)
    (length,) = length_of(d.to(dtype).unsqueeze(0)).double()
    assert abs(length / expected - 1) < 1e-6


def test_the_length_of_nothing_and_of_runs_apart():
    d = torch.tensor([[0.0, 0.0], [3e-30, 4e-30], [3.0, 4.0], [3e25, 4e25]])
    assert length_of(d).flatten().tolist() == pytest.approx([0.0, 5e-30, 5.0, float("inf")])


def test_the_stepper_inside_is_asked_about_the_recipe_it_is_in():
    asked = []

    class Asking(Plain):
        def check_recipe(self, recipe):
            asked.append(recipe)

    recipe = ADAQN.but(stepper=Decaying(of=Clipped(of=Asking())))
    assert asked[-1] is recipe


@pytest.mark.parametrize(("tau", "power"), [(1.0, 0.5), (4.0, 1.0), (4.0, 2.0)])
def test_steps_decay_as_the_formula_says(tau, power):
    part, g = Decaying(tau=tau, power=power), torch.tensor([[8.0, -2.0]], dtype=torch.float64)
    state = part.init(Space(1, 2, torch.float64))
    for k in (1, 2, 7):
        d = part.direction_(state, Step(k, g.clone(), torch.tensor([True]), None), Identical())
        torch.testing.assert_close(d, g * (tau / (tau + k - 1)) ** power, rtol=1e-15, atol=0.0)


class Identical:
    """H = I."""

    def __call__(self, v):
        return v.clone()

    def apply_(self, v):
        return v


def test_a_warm_start_goes_down_the_gradient_up_to_its_last_step():
    class Half(Plain):
        def direction_(self, state, step, operator):
            return step.g / 2

    g = torch.tensor([[8.0, -2.0]])
    for k, factor in ((1, 1.0), (3, 1.0), (4, 0.5)):
        d = WarmStart(steps=3, of=Half()).direction_(None, Step(k, g.clone(), torch.tensor([True]), None), Identical())
        assert torch.equal(d, g * factor)
