"""Pair generators of the family on a quadratic, whose products are known."""

import types

import pytest
import torch

from adaqn_lab import Displacement, HessianDifference, SampledHessian, Space

BOTH = torch.tensor([True, True])
CURVATURES = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
QUADRATIC = types.SimpleNamespace(gradient=lambda w, sample: CURVATURES * w, hessian_vector=lambda w, v: CURVATURES * v)


@pytest.mark.parametrize("radius", [0.01, 1.0, 30.0])
def test_sampled_displacements_have_the_length_that_was_asked_for(radius):
    """s ~ radius N(0, I), the same for every run; y = the Hessian times s."""
    part, w = SampledHessian(count=200, radius=radius), torch.zeros(2, 3, dtype=torch.float64)
    pair = part.pair_(part.init(Space(2, 3, torch.float64)), Displacement(w, w, w, BOTH), QUADRATIC)
    assert (pair.s / radius).square().mean().item() == pytest.approx(1.0, abs=0.3)  # of 600 numbers
    assert torch.equal(pair.s[0], pair.s[1])
    torch.testing.assert_close(pair.y, CURVATURES * pair.s)


@pytest.mark.parametrize("length", [0.0, 1e-6, 0.5, 100.0])
def test_central_differences_give_the_hessian_times_a_displacement_of_any_length(length):
    s = length * torch.tensor([[0.6, 0.0, 0.8], [0.0, 1.0, 0.0]], dtype=torch.float64)
    w = torch.ones(2, 3, dtype=torch.float64)
    y = HessianDifference(radius=0.5).pair_(None, Displacement(s, w, w - s, BOTH), QUADRATIC)
    torch.testing.assert_close(y, CURVATURES * s, rtol=1e-10, atol=1e-12 * length)
