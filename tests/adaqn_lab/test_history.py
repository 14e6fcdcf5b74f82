"""The history of pairs, R runs at once, against one plain list of pairs a run."""

import pytest
import torch

from adaqn_lab import Diagonal, History, Space, kernels, two_loop
from adaqn_lab import ring as rings
from adaqn_lab.diagonal import Entries
from adaqn_lab.sizes import BLOCK

RUNS, N = 3, 7
CAPACITIES = [0, 1, 2, 4]
H0 = torch.linspace(0.5, 2.0, N, dtype=torch.float64)
INITIAL = {"entries": Entries(entries=H0), "diagonal": Diagonal(squares=(H0**-2).expand(RUNS, N).contiguous(), eps=0.0)}


def random(g, *shape, dtype=torch.float64):
    return torch.randn(*shape, generator=g, dtype=torch.float64).to(dtype)


def some(g):
    return torch.rand(RUNS, generator=g) < 0.7


def pair(g, dtype):
    """Pairs of every run with s'y well above zero."""
    s = random(g, RUNS, N, dtype=dtype)
    return s, 1.5 * s + 0.3 * random(g, RUNS, N, dtype=dtype)


def acts(capacity, dtype=torch.float64, acts=30, seed=0):
    """Yield (history, one list of pairs a run) after every random act: mostly pushes, pops, rarely a clear."""
    g = torch.Generator().manual_seed(seed)
    history = History.empty(Space(RUNS, N, dtype), capacity)
    lists = [[] for _ in range(RUNS)]
    yield history, lists
    for _ in range(acts):
        where, act = some(g), float(torch.rand((), generator=g))
        if act < 0.6:
            s, y = pair(g, dtype)
            history.push_(s, y, where)
        elif act < 0.9:
            history.pop_(where)
        else:
            history.clear_(where)
        for run in where.nonzero().flatten().tolist():
            if act < 0.6:
                lists[run] = [*lists[run], (s[run], y[run])][-capacity:] if capacity else []
            else:
                lists[run] = lists[run][:-1] if act < 0.9 else []
        yield history, lists


def stacked(pairs, dtype=torch.float64):
    """S, Y (count, n), oldest first."""
    empty = torch.zeros(0, N, dtype=dtype)
    return tuple(torch.stack([p[i] for p in pairs]) if pairs else empty for i in range(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("capacity", CAPACITIES)
def test_it_holds_the_pairs_of_the_list_bit_for_bit(capacity, dtype):
    for history, lists in acts(capacity, dtype):
        assert history.count.tolist() == [len(pairs) for pairs in lists]
        for run, pairs in enumerate(lists):
            for got, expected in zip(history.pairs(run), stacked(pairs, dtype), strict=True):
                assert got.dtype == dtype
                assert torch.equal(got, expected)
            if pairs and capacity:
                assert torch.equal(history.latest()[run], pairs[-1][0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("capacity", CAPACITIES[1:])
def test_the_matrix_is_the_inverse_of_triu_of_s_y_in_time(capacity, dtype):
    """On the slots which hold a pair, in float64 whatever the rows' dtype; s'y is the diagonal of what it inverts."""
    rtol = 1e-12 if dtype == torch.float64 else 1e-5
    for history, lists in acts(capacity, dtype):
        order = rings.age(history.head, capacity).argsort(dim=1)
        for run, pairs in enumerate(lists):
            s, y = (rows.double() for rows in stacked(pairs, dtype))
            slots = order[run][capacity - len(pairs) :]
            assert history.held[run].nonzero().flatten().tolist() == sorted(slots.tolist())
            upper, inverse = torch.triu(s @ y.T), history.inverse[run][slots][:, slots]
            torch.testing.assert_close(history.s_y[run][slots], upper.diagonal(), rtol=rtol, atol=rtol)
            eye = torch.eye(len(pairs), dtype=torch.float64)
            torch.testing.assert_close(inverse @ upper, eye, rtol=rtol, atol=10 * rtol)
            assert torch.equal(inverse, inverse.triu())


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_products_are_those_of_the_pairs_held_and_ones_elsewhere(capacity):
    for history, lists in acts(capacity):
        order = rings.age(history.head, capacity).argsort(dim=1)
        s_y, s_s, y_y, held = (x.take_along_dim(order, 1) for x in history.products())
        *newest, exists = history.newest()
        for run, pairs in enumerate(lists):
            s, y = stacked(pairs)
            k = capacity - len(pairs)
            assert held[run].tolist() == [False] * k + [True] * len(pairs)
            for got, last, (a, b) in zip((s_y, s_s, y_y), newest, ((s, y), (s, s), (y, y)), strict=True):
                assert (got[run, :k] == 1).all()
                torch.testing.assert_close(got[run, k:], (a * b).sum(1))
                assert last.dtype == torch.float64
                assert float(last[run]) == (float(got[run, -1]) if pairs else 1.0)
            assert bool(exists[run]) == bool(pairs)


@pytest.mark.parametrize("h0", INITIAL.values(), ids=INITIAL)
@pytest.mark.parametrize("capacity", CAPACITIES)
def test_h_is_the_two_loop_and_b_its_inverse(capacity, h0):
    g = torch.Generator().manual_seed(9)
    for history, lists in acts(capacity):
        v = random(g, RUNS, N)
        over = v.clone()
        h_v = history.apply_(over, h0)
        assert h_v is over
        again = history.solve_(h_v.clone(), h0)
        torch.testing.assert_close(again, v, rtol=1e-8, atol=1e-8)
        for run, pairs in enumerate(lists):
            torch.testing.assert_close(h_v[run], two_loop(*stacked(pairs), v[run], lambda q: H0 * q))


@pytest.mark.parametrize("capacity", CAPACITIES[1:])
def test_the_compact_form_is_b(capacity):
    """B0 - W' M^-1 W with W zero on empty slots and M symmetric, the identity on them."""
    b0 = (1 / H0).diag()
    for history, lists in acts(capacity):
        w, middle = history.compact(Entries(entries=H0))
        assert w.dtype == middle.dtype == torch.float64
        assert torch.equal(middle, middle.mT)
        b = b0 - w.mT @ torch.linalg.solve(middle, w)
        columns = torch.eye(N, dtype=torch.float64)
        for run, pairs in enumerate(lists):
            s, y = stacked(pairs)
            h = torch.stack([two_loop(s, y, e, lambda q: H0 * q) for e in columns], dim=1)
            torch.testing.assert_close(b[run] @ h, columns, rtol=1e-8, atol=1e-8)
            empty = capacity - len(pairs)
            assert int((w[run] == 0).all(1).sum()) == 2 * empty
            assert int((middle[run, :capacity, :capacity].diagonal() == 1).sum()) >= empty


def test_a_soft_pair_counts_with_the_softened_rho():
    """H v by the two loops with rho = 1 / (s'y + c), the c of each pair its own."""
    g = torch.Generator().manual_seed(3)
    history = History.empty(Space(RUNS, N, torch.float64), 3)
    pairs = []
    for _ in range(5):
        (s, y), c = pair(g, torch.float64), torch.rand(RUNS, generator=g, dtype=torch.float64)
        history.push_(s, y, torch.tensor([True, True, False]), soften=c)
        pairs = [*pairs, (s, y, c)][-3:]
    v = random(g, RUNS, N)
    got = history.apply_(v.clone(), Entries(entries=H0))
    torch.testing.assert_close(got[2], H0 * v[2])
    for run in range(2):
        q, alphas = v[run], []
        for s, y, c in reversed(pairs):
            alphas.append(s[run] @ q / (s[run] @ y[run] + c[run]))
            q = q - alphas[-1] * y[run]
        r = H0 * q
        for (s, y, c), alpha in zip(pairs, reversed(alphas), strict=True):
            r = r + (alpha - y[run] @ r / (s[run] @ y[run] + c[run])) * s[run]
        torch.testing.assert_close(got[run], r)


@pytest.mark.parametrize("act", ["push_", "pop_", "clear_"])
def test_the_other_runs_keep_every_bit(act):
    *_, (history, _) = acts(4, acts=20, seed=2)
    where = torch.tensor([True, False, False])
    names = ("s", "y", "inverse", "s_y", "s_s", "y_y", "held", "head", "count")
    before = {name: getattr(history, name).clone() for name in names}
    rows = pair(torch.Generator().manual_seed(5), torch.float64)
    getattr(history, act)(*(rows if act == "push_" else ()), where)
    for name in names:
        assert torch.equal(getattr(history, name)[1:], before[name][1:])


def test_a_run_without_pairs_has_none_to_pop():
    history = History.empty(Space(RUNS, N), 2)
    history.pop_(torch.ones(RUNS, dtype=torch.bool))
    assert history.count.tolist() == history.head.tolist() == [0] * RUNS


def test_all_of_it_lives_on_the_space_device():
    history = History.empty(Space(RUNS, N, device=torch.device("meta")), 3)
    rows, where = torch.zeros(RUNS, N, device="meta"), torch.ones(RUNS, dtype=torch.bool, device="meta")
    history.push_(rows, rows, where, soften=torch.zeros(RUNS, dtype=torch.float64, device="meta"))
    history.pop_(where)
    history.clear_(where)
    assert history.latest().shape == rows.shape
    for h0 in (Diagonal(gamma=0.5), Entries(entries=torch.ones(N, device="meta"))):
        assert history.apply_(rows, h0).device == rows.device
        assert {x.device.type for x in (*history.products(), *history.newest(), *history.compact(h0))} == {"meta"}


def test_the_two_loop_refuses_an_s_without_its_y():
    s, y = torch.randn(3, N), torch.randn(3, N)
    with pytest.raises(ValueError, match="shorter"):
        two_loop(s, y[1:], s[0], lambda q: q)


class H0AsData(Diagonal):
    """A Diagonal which may not be asked for its own product."""

    def apply_(self, v):
        raise AssertionError("H0 was applied to a whole vector although it is known as data")


def test_h0_as_data_is_applied_in_the_blocks_of_y():
    """One run beyond one block, so that products with Y are sums over the blocks."""
    g, n = torch.Generator().manual_seed(0), BLOCK + 9
    history = History.empty(Space(1, n, torch.float64), 2)
    for _ in range(2):
        s = torch.randn(1, n, generator=g, dtype=torch.float64)
        history.push_(s, s * torch.linspace(0.5, 2.0, n, dtype=torch.float64), torch.tensor([True]))
    v = torch.randn(1, n, generator=g, dtype=torch.float64)
    with kernels.disabled():
        got = history.apply_(v.clone(), H0AsData(squares=torch.full((1, n), 3.0, dtype=torch.float64), eps=1.0))
    expected = two_loop(*history.pairs(), v[0], lambda u: u / 2.0)
    torch.testing.assert_close(got[0], expected, rtol=1e-10, atol=1e-10)


def test_the_compact_form_of_rounded_pairs_is_float32():
    history, s = History.empty(Space(1, 3), 2, torch.bfloat16), torch.tensor([[1.0, 0.1, 0.0]])
    history.push_(s, 2.0 * s, torch.tensor([True]))
    factors, middle = history.compact(Diagonal(gamma=1.0 / 1.1))
    assert (factors.dtype, middle.dtype) == (torch.float32, torch.float64)
    rounded = s.bfloat16().float()
    assert torch.equal(factors[:, [0, 2]], torch.cat([rounded * 1.1, 2.0 * rounded]).unsqueeze(0))


class Fresh:
    """An H0 which returns another tensor than it was given."""

    def apply_(self, v):
        return 2.0 * v

    def solve_(self, v):
        return v / 2.0


@pytest.mark.parametrize("capacity", [0, 2])
@pytest.mark.parametrize("pushes", [0, 1])
def test_what_h0_returns_counts_not_what_lies_in_v(capacity, pushes):
    histories = [History.empty(Space(1, 3), capacity) for _ in range(2)]
    v = torch.tensor([[1.0, 2.0, -1.0]])
    for history in histories:
        for _ in range(pushes):
            history.push_(v, torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([True]))
    for act in ("apply_", "solve_"):
        fresh, known = (
            getattr(history, act)(v.clone(), h0)
            for history, h0 in zip(histories, (Fresh(), Diagonal(gamma=2.0)), strict=True)
        )
        torch.testing.assert_close(fresh, known, rtol=1e-6, atol=1e-6)


def test_the_textbook_recursion_wants_as_many_changes_as_displacements():
    s, y = torch.eye(3)[:2], torch.eye(3)[:1]
    for pairs in ((s, y), (y, s)):
        with pytest.raises(ValueError, match="zip"):
            two_loop(*pairs, torch.ones(3), lambda q: q)
