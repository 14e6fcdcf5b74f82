"""Lengths of directions."""

from __future__ import annotations

import pytest
import torch

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
