"""adaQN's guard by its formula, loss by loss."""

import types

import pytest
import torch

from adaqn_lab import Displacement, MonitorIncrease, Space


def kept(guard, reference, loss):
    """Whether the guard keeps a window which leads from one loss to another."""
    oracle = types.SimpleNamespace(loss=lambda w: w[:, 0].double())
    state, everyone = guard.init(Space(1, 1, torch.float64)), torch.tensor([True])
    w_ref, w_bar = (torch.tensor([[value]], dtype=torch.float64) for value in (reference, loss))
    guard.judge_(state, Displacement(w_ref, w_ref, w_ref, everyone), oracle)
    guard.advance_(state, everyone)
    return guard.judge_(state, Displacement(w_bar - w_ref, w_bar, w_ref, everyone), oracle).item()


@pytest.mark.parametrize("reference", [4.0, 0.25, 0.0, -4.0])
@pytest.mark.parametrize(("at_most", "slack"), [(1.0, 0.0), (1.25, 0.0), (1.0, 0.5), (1.25, 0.5)])
def test_a_window_is_kept_up_to_the_bound_and_no_further(at_most, slack, reference):
    """f <= f_ref + (at_most - 1) |f_ref| + slack; all these numbers are exact."""
    guard = MonitorIncrease(at_most=at_most, slack=slack)
    bound = reference + (at_most - 1.0) * abs(reference) + slack
    assert kept(guard, reference, bound)
    assert kept(guard, reference, bound - 1.0)
    assert not kept(guard, reference, bound + 2.0**-30)
