"""Displacement aggregation beyond the law: its algebra, float32 models, and what rounding must not spoil."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from adaqn_lab import ADAQN, Constant, Diagonal, Displacement, DisplacementAggregation, Identity, Space
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
    columns = [memory.apply_(state, torch.eye(N)[i][None], Diagonal()) for i in range(N)]
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


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_a_redundant_pair_leaves_a_memory_with_room_and_h_stays_what_it_was(scale):
    """A fourth displacement in the span of two newer ones, in units of any size."""
    S, Y = stream(3)
    S, Y = (scale * np.concatenate([A, (0.5 * A[1] - 2.0 * A[2])[None]]) for A in (S, Y))
    expected = dense_bfgs.inverse_hessian(S, Y, np.ones(N))
    state, got = offer(DisplacementAggregation(capacity=CAPACITY, tolerance=1e-4), S, Y)
    assert int(state.count) == 3
    assert np.abs(got - expected).max() < 1e-3 * np.abs(expected).max()


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


@pytest.mark.parametrize("spoilt", [float("nan"), 1e6])
def test_what_is_spoilt_in_one_run_is_taken_over_in_another(monkeypatch, spoilt):
    S, Y = stream(CAPACITY + 1)
    memory = DisplacementAggregation(capacity=CAPACITY, tolerance=1e-4)
    alone, _ = offer(memory, S, Y)
    right = Frame.taken_over

    def wrong(frame, gone, h0):
        p, c = right(frame, gone, h0)
        p[0] = torch.where(gone[0].any(), -spoilt * torch.ones_like(p[0]), p[0])
        return p, c

    monkeypatch.setattr(Frame, "taken_over", wrong)
    state = memory.init(Space(2, N))
    for s, y in zip(torch.from_numpy(S), torch.from_numpy(Y), strict=True):
        move = s.expand(2, -1)
        memory.admit_(state, Displacement(move, move, move, torch.ones(2, dtype=torch.bool)), y.expand(2, -1), None)
    for mine, theirs in zip(alone.pairs(), state.pairs(1), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12)
    assert not torch.equal(state.pairs(0)[1], state.pairs(1)[1])


RUNS, M, SMALL = 3, 6, 9


def frames(h0=1.0, seed=0):
    """S, Y (3, 6, 9) with y = D s, which rows are held, and which to leave out: s_j in the span of the newer ones.

    Run 0 holds all and j is in the middle; run 1 holds the last four, j the oldest; run 2 has nothing redundant.
    """
    rng = np.random.default_rng(seed)
    S = rng.standard_normal((RUNS, M, SMALL))
    held = np.ones((RUNS, M), bool)
    held[1, :2] = False
    gone = np.zeros((RUNS, M), bool)
    for run, j in ((0, 2), (1, 2)):
        gone[run, j] = True
        S[run, j] = rng.standard_normal(M - j - 1) @ S[run, j + 1 :]
    S[~held] = 0.0
    return tuple(map(torch.from_numpy, (S, S * 2.0 ** rng.uniform(-1, 1, SMALL), held, gone)))


def test_the_frame_is_orthonormal_and_triangular_newest_first():
    s, y, held, _ = frames()
    frame = Frame.of(s, y, held)
    torch.testing.assert_close(frame.r.mT @ frame.basis, s, rtol=0.0, atol=1e-14)
    torch.testing.assert_close(frame.y_q, y @ frame.basis.mT, rtol=0.0, atol=1e-14)
    assert torch.equal(frame.r, frame.r.tril())
    identity = torch.eye(M, dtype=torch.float64)
    torch.testing.assert_close(frame.basis[0] @ frame.basis[0].T, identity, rtol=0.0, atol=1e-14)
    assert frame.held is held


def test_more_displacements_than_dimensions_have_a_frame_too():
    s, y, held, _ = frames()
    s, y = s[..., :4].contiguous(), y[..., :4].contiguous()
    frame = Frame.of(s, y, held)
    assert frame.basis.shape == (RUNS, M, 4)
    assert frame.r.shape == (RUNS, M, M)
    torch.testing.assert_close(frame.r.mT @ frame.basis, s, rtol=0.0, atol=1e-14)
    assert not frame.basis[:, : M - 4].any()
    assert not frame.r[:, : M - 4].any()


def test_redundant_is_the_newest_in_the_span_of_newer_ones():
    s, y, held, gone = frames()
    frame = Frame.of(s, y, held)
    assert torch.equal(frame.redundant(1e-10), gone)
    # Everything is near for a tolerance of one: the newest of all leaves; and nothing is, for one of zero.
    newest = torch.arange(M) == M - 1
    assert torch.equal(frame.redundant(1.0), newest.expand(RUNS, M))
    assert torch.equal(Frame.of(1e6 * s, y, held).redundant(1e-10), gone)  # of the length of s_j, whatever it is
    assert torch.equal(Frame.of(1e-6 * s, y, held).redundant(1e-10), gone)
    s[0, 0] *= 1e12  # an older one which is long makes none of the others near
    assert torch.equal(Frame.of(s, y, held).redundant(1e-10), gone)


@pytest.mark.parametrize("h0", [0.25, 1.0, 3.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_others_take_over_the_matrix_does_not_change(h0, seed):
    s, y, held, gone = frames(seed=seed)
    frame = Frame.of(s, y, held)
    p, c = frame.taken_over(gone, h0)
    changed = c @ y + p @ frame.basis
    assert (p.dtype, c.dtype) == (torch.float64, torch.float64)
    for run in range(RUNS):
        kept, before = held[run] & ~gone[run], held[run]
        expected = dense_bfgs.inverse_hessian(s[run][before].numpy(), y[run][before].numpy(), np.full(SMALL, h0))
        got = dense_bfgs.inverse_hessian(s[run][kept].numpy(), changed[run][kept].numpy(), np.full(SMALL, h0))
        assert np.abs(got - expected).max() < 1e-8 * np.abs(expected).max()
        newer = kept & (torch.arange(M) > 2)
        torch.testing.assert_close(changed[run][kept & ~newer], y[run][kept & ~newer], rtol=1e-13, atol=1e-13)
        # triu(S'Y) does not change, and with it no s'y.
        triangle = (s[run][newer] @ changed[run][newer].T).triu()
        torch.testing.assert_close(triangle, (s[run][newer] @ y[run][newer].T).triu(), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(changed[2], y[2], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("seed", range(8))
def test_where_nothing_is_to_be_taken_over_y_moves_the_least(seed):
    """s_j = a s_(j+1) with y_j = a y_(j+1): the newer pair already says all, and no y changes."""
    s, y, held, gone = frames(seed=seed)
    s[0, 2], y[0, 2] = 2.0 * s[0, 3], 2.0 * y[0, 3]
    frame = Frame.of(s, y, held)
    p, c = frame.taken_over(gone, 1.0)
    changed = c @ y + p @ frame.basis
    newer = torch.arange(M) > 2
    torch.testing.assert_close(changed[0][newer], y[0][newer], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("capacity", [1, 2, 4])
def test_runs_together_are_runs_alone_whoever_admits(capacity):
    memory = DisplacementAggregation(capacity=capacity, h0=2.0, tolerance=1e-6)
    rng = np.random.default_rng(7)
    together, alone = memory.init(Space(2, 4, torch.float64)), [memory.init(Space(1, 4, torch.float64)) for _ in "ab"]
    assert together.s.shape == (2, capacity + 1, 4)
    scale = 2.0 ** rng.uniform(-1, 1, 4)
    for k in range(14):
        s = torch.from_numpy(rng.standard_normal((2, 4)) @ np.diag([1.0, 1.0, 1.0, k % 2]))
        y, where = s * torch.from_numpy(scale), torch.tensor([k % 3 != 1, k % 4 != 2])
        verdict = memory.admit_(together, Displacement(s, s, s, where), y, None)
        assert torch.equal(verdict.admitted, where)
        for run, state in enumerate(alone):
            one = s[run : run + 1]
            memory.admit_(state, Displacement(one, one, one, where[run : run + 1]), y[run : run + 1], None)
            assert int(state.count) == int(together.count[run]) <= capacity
            for mine, theirs in zip(state.pairs(), together.pairs(run), strict=True):
                torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12)
            if int(state.count) and where[run]:
                assert torch.equal(state.latest()[0], one[0])


def test_a_full_run_lets_its_oldest_go_beside_one_with_a_redundant_pair():
    memory, rng = DisplacementAggregation(capacity=4, tolerance=1e-6), np.random.default_rng(11)
    together, alone = memory.init(Space(2, 8, torch.float64)), memory.init(Space(1, 8, torch.float64))
    for _ in range(9):
        s = torch.from_numpy(rng.standard_normal((2, 8)))
        s[0, 2:] = 0.0  # a plane: every third displacement is redundant
        memory.admit_(together, Displacement(s, s, s, torch.ones(2, dtype=torch.bool)), 2.0 * s, None)
        memory.admit_(alone, Displacement(s[1:], s[1:], s[1:], torch.ones(1, dtype=torch.bool)), 2.0 * s[1:], None)
        assert together.count.tolist()[1] == int(alone.count) <= 4
        for mine, theirs in zip(alone.pairs(), together.pairs(1), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12)
    assert together.count.tolist() == [2, 4]


def test_without_redundance_it_is_a_window():
    """Tolerance below what random displacements come near: the oldest leaves, the last ``capacity`` stay."""
    memory = DisplacementAggregation(capacity=3, tolerance=1e-12)
    rng, state = np.random.default_rng(3), memory.init(Space(1, 8, torch.float64))
    S = torch.from_numpy(rng.standard_normal((7, 1, 8)))
    for k, s in enumerate(S):
        memory.admit_(state, Displacement(s, s, s, torch.ones(1, dtype=torch.bool)), 3.0 * s, None)
        kept_s, kept_y = state.pairs()
        assert torch.equal(kept_s, S[max(0, k - 2) : k + 1, 0])
        assert torch.equal(kept_y, 3.0 * kept_s)


@pytest.mark.parametrize(("h0", "fits", "does_not"), [(1.0, Identity(), Constant(value=2.0)), (2.0, None, Identity())])
def test_h0_must_be_the_one_that_was_said(h0, fits, does_not):
    memory = DisplacementAggregation(h0=h0)
    recipe = ADAQN.but(guard=None, memory=memory, scaling=Constant(value=h0))
    if fits is not None:
        assert recipe.but(scaling=fits).scaling == fits
    with pytest.raises(ValueError, match=rf"^DisplacementAggregation\(h0={h0}\) changes y"):
        recipe.but(scaling=does_not)


def test_b_comes_in_the_vector_s_dtype():
    memory, v = DisplacementAggregation(capacity=2), torch.ones(1, N)
    for h0 in (Diagonal(), Diagonal(gamma=2.0)):
        assert memory.solve_(memory.init(Space(1, N)), v, h0).dtype == torch.float32
