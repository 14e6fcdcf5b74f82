"""Displacement aggregation beyond the law: float32 models, and what rounding must not spoil."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from adaqn_lab import Displacement, DisplacementAggregation, Space
from adaqn_lab.memory.aggregation import Frame
from verification.references import dense_bfgs

N, CAPACITY = 40, 6


def stream(count, seed=0):
    """Displacements in a space of 6 dimensions of 40, rounded to float32, with y = D s."""
    rng = np.random.default_rng(seed)
    base = np.linalg.qr(rng.standard_normal((N, CAPACITY)))[0]
    S = (rng.standard_normal((count, CAPACITY)) @ base.T).astype(np.float32)
    return S, (S * 2.0 ** rng.uniform(-1, 1, S.shape)).astype(np.float32)


def offer(memory, S, Y):
    """The state after all pairs, and H v for the unit vectors."""
    state = memory.init(Space(1, N))
    for s, y in zip(S, Y, strict=True):
        move = torch.from_numpy(s)[None]
        memory.admit_(
            state, Displacement(move, move, move, torch.ones(1, dtype=torch.bool)), torch.tensor(y)[None], None
        )
    columns = [memory.apply(state, torch.eye(N)[i][None], lambda u: u) for i in range(N)]
    assert all(column.dtype == torch.float32 for column in columns)
    return state, torch.cat(columns).T.double().numpy()


def test_displacements_rounded_to_float32_lie_in_a_span_within_the_tolerance():
    S, Y = stream(30)
    expected = dense_bfgs.inverse_hessian(S, Y, np.ones(N))
    state, got = offer(DisplacementAggregation(capacity=CAPACITY, tolerance=1e-4), S, Y)
    assert int(state.count) == CAPACITY
    assert np.abs(got - expected).max() < 1e-3 * np.abs(expected).max()
    # The same pairs are not found redundant below what rounding leaves, and evicting them loses curvature.
    _, evicted = offer(DisplacementAggregation(capacity=CAPACITY, tolerance=1e-12), S, Y)
    assert np.abs(evicted - expected).max() > 1e-2 * np.abs(expected).max()


@pytest.mark.parametrize("spoilt", [float("nan"), 1e6])
def test_what_rounding_spoils_is_not_taken_over(monkeypatch, spoilt):
    right = Frame.taken_over

    def wrong(frame, gone, h0):
        p, c = right(frame, gone, h0)
        return torch.where(gone.any(1).view(-1, 1, 1), -spoilt * torch.ones_like(p), p), c

    monkeypatch.setattr(Frame, "taken_over", wrong)
    S, Y = stream(CAPACITY + 1)
    state, _ = offer(DisplacementAggregation(capacity=CAPACITY, tolerance=1e-4), S, Y)
    kept_s, kept_y = state.pairs()
    assert len(kept_s) == CAPACITY
    for s, y in zip(kept_s, kept_y, strict=True):
        (place,) = np.flatnonzero((s.numpy() == S).all(1))
        assert (Y[place] == y.numpy()).all()
