"""Memories one by one: what is never admitted, bounds of the dampings, dense matrices in both dtypes."""

import pytest
import torch

from adaqn_lab import (
    ADAQN,
    AggregatedWindow,
    BlockDiagonal,
    CautiousSS,
    Dense,
    Diagonal,
    Displacement,
    DisplacementAggregation,
    LevenbergDamping,
    PowellB,
    PowellH,
    PowellScaled,
    RegularisedDense,
    Repaired,
    ShiftedWindow,
    SoftWindow,
    Space,
    TauDamping,
    Verdict,
    Window,
)
from adaqn_lab.memory.admission import judge

EVERYONE = torch.tensor([True, True])


def vectors(*rows, dtype=torch.float64):
    return torch.tensor(rows, dtype=dtype)


def move(s, where=EVERYONE):
    return Displacement(s, s, s, where)


INF, NAN, HUGE = float("inf"), float("nan"), 1e200
UNSOUND = {
    "s is not finite": ([INF, 1.0], [1.0, 1.0]),
    "y is not finite": ([1.0, 1.0], [1.0, INF]),
    "NaN": ([NAN, 1.0], [1.0, 1.0]),
    "s's overflows": ([HUGE, 0.0], [1.0, 1.0]),
    "y'y overflows": ([1.0, 0.0], [1.0, HUGE]),
    "s'y = 0": ([1.0, 0.0], [0.0, 1.0]),
    "s'y < 0": ([1.0, 0.0], [-1.0, 1.0]),
    "s = 0": ([0.0, 0.0], [1.0, 1.0]),
}


class Always:
    """Accepts whatever it is asked about."""

    def accept(self, s_y, s_s, y_y):
        return torch.ones_like(s_y, dtype=torch.bool)


ADMITTING = [
    *(part(test=Always()) for part in (AggregatedWindow, Dense, DisplacementAggregation, RegularisedDense)),
    *(part(test=Always()) for part in (ShiftedWindow, Window)),
    SoftWindow(test=Always(), softness=1e-30),  # lost in the s'y of the pair below
]


@pytest.mark.parametrize(("s", "y"), UNSOUND.values(), ids=UNSOUND)
@pytest.mark.parametrize("memory", ADMITTING, ids=lambda memory: type(memory).__name__)
def test_what_is_not_sound_is_never_admitted_whatever_the_test_says(memory, s, y):
    state = memory.init(Space(2, 2, torch.float64))
    s, y = vectors(s, [1.0, 2.0]), vectors(y, [2.0, 1.0])
    verdict = memory.admit_(state, move(s), y, Operator())
    assert verdict.admitted.tolist() == [False, True]
    v, fresh = vectors([1.0, 2.0], [1.0, 2.0]), memory.init(Space(2, 2, torch.float64))
    before = memory.apply_(fresh, v.clone(), Diagonal())[0]
    assert isinstance(memory, ShiftedWindow) or torch.equal(before, vectors(1.0, 2.0))
    assert torch.equal(memory.apply_(state, v, Diagonal())[0], before)
    assert [float(x[0]) for x in state.newest()] == [1.0, 1.0, 1.0, 0.0]
    assert [float(x[1]) for x in state.newest()] == [4.0, 5.0, 5.0, 1.0]
    assert memory.admit_(state, move(s, ~EVERYONE), y, Operator()).admitted.tolist() == [False, False]


def test_a_verdict_is_the_test_s_where_the_pair_is_sound():
    s, y = vectors([1.0, 1.0], [1.0, 1.0]), vectors([1.0, 0.0], [4.0, 4.0])
    verdict = judge(move(s), y, CautiousSS(eps=0.6))
    assert verdict.admitted.tolist() == [False, True]
    assert (verdict.s_y.tolist(), verdict.s_s.tolist(), verdict.y_y.tolist()) == ([1.0, 8.0], [2.0, 2.0], [1.0, 32.0])


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_a_window_stores_what_it_was_asked_to(dtype):
    state = Window(capacity=2, dtype=dtype).init(Space(1, 3))
    assert state.s.dtype == state.y.dtype == (dtype or torch.float32)
    with pytest.raises((TypeError, ValueError), match=r"^Window: dtype="):
        Window(dtype=torch.float16)


@pytest.mark.parametrize("memory", [Dense(), RegularisedDense()], ids=["Dense", "RegularisedDense"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dense_matrices_are_float64_and_their_products_the_vector_s_dtype(memory, dtype):
    state = memory.init(Space(2, 3, dtype))
    assert [x.tolist() for x in state.newest()] == [[1.0, 1.0]] * 3 + [[False, False]]
    s = vectors([1.0, 0.0, 1.0], [0.0, 1.0, 2.0], dtype=dtype)
    memory.admit_(state, move(s, torch.tensor([True, False])), 2.0 * s, Operator())
    assert [x.tolist() for x in state.newest()] == [[4.0, 1.0], [2.0, 1.0], [8.0, 1.0], [True, False]]
    v = vectors([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], dtype=dtype)
    h0 = Noting()
    h, b = memory.apply_(state, v.clone(), h0), memory.solve_(state, v.clone(), h0)
    assert h.dtype == b.dtype == dtype
    back = memory.apply_(state, b, h0)
    torch.testing.assert_close(back, v, rtol=1e-5, atol=1e-5)
    assert set(h0.seen) <= {dtype}
    memory.reset_(state, torch.tensor([True, False]))
    assert [x.dtype for x in vars(state).values() if x.dim() == 3] == [torch.float64] * sum(
        x.dim() == 3 for x in vars(state).values()
    )
    assert state.newest()[3].tolist() == [False, False]


class Noting:
    """H0 = 2 I, fresh, which notes the dtypes of what it is given."""

    def __init__(self):
        self.seen = []

    def apply_(self, v):
        self.seen.append(v.dtype)
        return 2.0 * v

    def solve_(self, v):
        self.seen.append(v.dtype)
        return v / 2.0


class Operator:
    """H = 2 I."""

    def __call__(self, v):
        return 2.0 * v

    def inverse(self, v):
        return v / 2.0


def blended(s_y, **sizes):
    """s = (1, 0), y with that s'y and 1 across, or what ``sizes`` says."""
    return vectors(sizes.get("s", [1.0, 0.0])), vectors(sizes.get("y", [s_y, 1.0]))


@pytest.mark.parametrize("s_y", [-3.0, 0.0, 0.05, 0.0999])
def test_powell_s_damping_sets_the_curvature_where_it_is_too_small(s_y):
    s, y = blended(s_y)  # s'Bs = 1/2, so that the bound is 0.1
    got, damped = PowellB(delta=0.2).repair(s, y, Operator())
    assert torch.equal(got, s)
    assert float((got * damped).sum()) == pytest.approx(0.1, rel=1e-12)
    theta = 0.8 * 0.5 / (0.5 - s_y)
    torch.testing.assert_close(damped, theta * y + (1.0 - theta) * s / 2.0, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("s_y", [0.1001, 0.5, 3.0])
def test_and_leaves_the_others_every_bit(s_y):
    s, y = blended(s_y)
    assert torch.equal(PowellB(delta=0.2).repair(s, y, Operator())[1], y)
    assert torch.equal(LevenbergDamping(mu=0.1).repair(s, y, Operator())[1], y)


def test_a_pair_without_a_length_to_divide_by_comes_back_as_it_went_in():
    s, y = blended(0.5)
    zero = torch.zeros_like(s)
    for repair in (PowellB(), PowellScaled(), LevenbergDamping(), TauDamping()):
        assert torch.equal(torch.cat(repair.repair(zero, y, Operator())), torch.cat([zero, y]))
    assert torch.equal(torch.cat(PowellH().repair(s, zero, Operator())), torch.cat([s, zero]))


def test_levenberg_s_damping_applies_at_its_bound_too():
    for s_y in (-2.0, 0.0, 0.25):
        s, y = blended(s_y)
        theta = 0.75 / (1.0 - s_y)
        damped = LevenbergDamping(mu=0.25).repair(s, y, Operator())[1]
        torch.testing.assert_close(damped, theta * y + (1.0 - theta) * s, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("mu", "expected"),
    [
        (-3.0, 0.2),
        (0.0, 0.8),
        (0.1, 0.8),
        (0.2, 0.8),
        (0.2001, 0.95),
        (1.0, 0.95),
        (3.99, 0.95),
        (4.0, 0.95),
        (5.0, 0.75),
    ],
)
def test_tau_damping_holds_the_curvature_between_its_bounds(mu, expected):
    """lower = 0.2, upper = 4, tau_0 = 0.95: tau = 0.8 / (1 - mu), 3 / (mu - 1) or tau_0, at most tau_0."""
    expected = {-3.0: 0.2, 0.0: 0.8, 0.1: 0.8 / 0.9, 0.2: 0.95}.get(mu, expected)
    s, y = blended(mu)
    got = TauDamping(lower=0.2, upper=4.0, tau=0.95).repair(s, y, Operator())[1]
    torch.testing.assert_close(got, expected * y + (1.0 - expected) * s, rtol=1e-12, atol=1e-14)
    if mu < 0.2 or mu > 4.0:
        assert 0.2 - 1e-12 <= float((s * got).sum()) <= 4.0 + 1e-12


def test_tau_damping_leaves_what_is_not_finite_for_the_test_to_refuse():
    s, y = blended(0.0, y=[INF, 1.0])
    assert torch.equal(TauDamping().repair(s, y, Operator())[1], y)


class Told(Window):
    """Notes what it is asked to admit."""

    def admit_(self, state, move, y, operator):
        state.append((move, y, operator))
        return Verdict(move.where, *[torch.zeros(1, dtype=torch.float64)] * 3)


def test_the_memory_inside_is_offered_the_repaired_pair_and_the_operator():
    s, y = blended(-1.0)
    told, operator = [], Operator()
    Repaired(by=PowellH(), of=Told()).admit_(told, move(s), y, operator)
    ((offered, changed, given),) = told
    expected_s, expected_y = PowellH().repair(s, y, operator)
    assert not torch.equal(expected_s, s)
    assert torch.equal(offered.s, expected_s)
    assert torch.equal(changed, expected_y)
    assert offered.w_bar is s
    assert given is operator
    # A damping with B asks the whole recipe, a memory's own question is passed on.
    asked = []

    class Asks(Window):
        def check_recipe(self, recipe):
            asked.append(recipe)

    recipe = ADAQN.but(guard=None, memory=Repaired(by=PowellB(), of=Asks()))
    assert asked == [recipe]


@pytest.mark.parametrize("bad", [NAN, INF, HUGE])
@pytest.mark.parametrize("spoilt", ["s", "y"])
def test_a_pair_that_is_not_finite_in_one_block_is_refused_by_all(spoilt, bad):
    memory = BlockDiagonal(of=Window(capacity=3))
    state = memory.init(Space(2, 3, torch.float64, shapes=((1,), (2,))))
    pair = {"s": vectors([1, 1, 1], [1, 1, 1]), "y": vectors([1, 1, 1], [1, 1, 1])}
    pair[spoilt][0, 0] = bad
    verdict = memory.admit_(state, move(pair["s"]), pair["y"], None)
    assert verdict.admitted.tolist() == [False, True]
    assert [block.newest()[3].tolist() for block in state.states] == [[False, True], [False, True]]
    assert verdict.s_y[1] == 3.0


def test_a_shifted_window_is_a_window_with_its_capacity_and_test():
    memory = ShiftedWindow(capacity=2, test=CautiousSS(eps=0.5))
    state = memory.init(Space(1, 2, torch.float64))
    for k in range(1, 5):
        s = vectors([float(k), 0.0])
        memory.admit_(state, move(s, EVERYONE[:1]), s, None)
    assert state.s.shape[1] == 2
    assert int(state.count) == 2
    assert state.pairs()[0].tolist() == [[3.0, 0.0], [4.0, 0.0]]
    s = vectors([1.0, 0.0])
    assert not memory.admit_(state, move(s, EVERYONE[:1]), 0.25 * s, None).admitted.any()


@pytest.mark.parametrize("y", [(0.5, 0.25), (0.5, 3.0), (2.0, 5.0), (-1.0, 1.0), (0.9, 0.0)])
@pytest.mark.parametrize(("delta", "floor"), [(0.25, 1.0), (0.5, 8.0), (0.9, 0.125)])
def test_powell_s_damping_with_a_scaled_identity_is_its_formula(y, delta, floor):
    """gamma = max(y'y / s'y, floor), or the floor where s'y <= 0; theta as with B = gamma I."""
    s, y = vectors([0.5, 0.0]), vectors(y)
    s_y, s_s, y_y = float((s * y).sum()), 0.25, float((y * y).sum())
    gamma = max(y_y / s_y if s_y > 0 else floor, floor)
    theta = (1.0 - delta) * gamma * s_s / (gamma * s_s - s_y) if s_y < delta * gamma * s_s else 1.0
    damped = PowellScaled(delta=delta, floor=floor).repair(s, y, Operator())[1]
    torch.testing.assert_close(damped, theta * y + (1.0 - theta) * gamma * s, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("length", [0.25, 1.0, 4.0])
@pytest.mark.parametrize("ratio", [-1.0, 0.2, 0.26, 3.0])
def test_levenberg_s_damping_is_its_formula_for_any_length(length, ratio):
    s, y = vectors([length, 0.0]), vectors([ratio * length, 1.0])
    theta = 0.75 / (1.0 - ratio) if ratio <= 0.25 else 1.0
    damped = LevenbergDamping(mu=0.25).repair(s, y, Operator())[1]
    torch.testing.assert_close(damped, theta * y + (1.0 - theta) * s, rtol=1e-12, atol=1e-14)


def test_parallel_displacements_all_stay_where_only_more_than_parallel_ones_are_replaced():
    for parallel, count in ((1.0, 2), (0.99, 1)):
        memory = AggregatedWindow(parallel=parallel, test=CautiousSS(eps=0.0))
        state, s = memory.init(Space(1, 2, torch.float64)), vectors([1.0, 0.0])
        for _ in range(2):
            memory.admit_(state, move(s, EVERYONE[:1]), s, Operator())
        assert state.count.tolist() == [count]
