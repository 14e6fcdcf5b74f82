"""Scalings of the family by their formulas, number by number."""

import types

import pytest
import torch

from adaqn_lab import BarzilaiBorweinMean, BiasCorrectedRMSProp, Space, Step


def numbers(*rows):
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999])
def test_the_mean_of_squares_without_its_bias(decay):
    """1 / sqrt(V / (1 - decay^t) + eps), t counts a run's own gradients; 1 / sqrt(eps) before the first."""
    part = BiasCorrectedRMSProp(decay=decay, eps=0.25)
    state, v, seen = part.init(Space(2, 2, torch.float64)), torch.ones(2, 2, dtype=torch.float64), [[], []]
    for k in range(1, 5):
        where = torch.tensor([k > 2, True])
        g = numbers([1.0 * k, 3.0], [0.5, -2.0 * k]) * where.unsqueeze(1)
        part.observe_(state, Step(k, g, where, None))
        for run in range(2):
            seen[run] += [g[run]] if where[run] else []
            t = len(seen[run])
            mean = sum(decay ** (t - i) * (1.0 - decay) * x**2 for i, x in enumerate(seen[run], 1))
            expected = (mean / (1.0 - decay**t) + 0.25) ** -0.5 if t else torch.full((2,), 2.0, dtype=torch.float64)
            torch.testing.assert_close(part.h0(state, None).apply_(v.clone())[run], expected, rtol=1e-10, atol=0.0)


def test_the_mean_over_the_pairs_held():
    """``initial`` without one, the ratio itself with one; slots that hold nothing have no say."""
    held = torch.tensor([[False, False], [True, False], [True, True]])
    s_y, y_y = numbers([9.0, 9.0], [3.0, 7.0], [3.0, 1.0]), numbers([1.0, 1.0], [4.0, 1.0], [4.0, 8.0])
    products = types.SimpleNamespace(products=lambda: (s_y, s_y, y_y, held))
    h0 = BarzilaiBorweinMean(initial=0.5).h0(None, products)
    assert h0.apply_(torch.ones(3, 1, dtype=torch.float64)).flatten().tolist() == [0.5, 0.75, (0.75 + 0.125) / 2]
