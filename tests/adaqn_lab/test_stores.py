"""Gradient stores and rings against plain lists, bit by bit; the sketch's signs against wrapping integers."""

from functools import partial

import pytest
import torch

from adaqn_lab import (
    CentredFisher,
    Displacement,
    EmpiricalFisher,
    HostFisher,
    Mean,
    MeanTimesBatch,
    SketchedFisher,
    Space,
    Step,
    Sum,
)
from adaqn_lab import ring as rings
from adaqn_lab.pairs.sketched_fisher import _sign

RUNS, N = 2, 5


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def wrapped(x):
    """An integer as int64 holds it."""
    return (x + 2**63) % 2**64 - 2**63


def sign(number, seed):
    """splitmix64's mixing of the number, shifted by the seed; its 41st bit."""
    x = wrapped((number + (seed + 1) * 0x632BE59BD9B4E019 % 2**31) * (0x9E3779B97F4A7C15 - 2**64))
    x = wrapped((x ^ (x >> 30)) * (0xBF58476D1CE4E5B9 - 2**64))
    x = wrapped((x ^ (x >> 27)) * (0x94D049BB133111EB - 2**64))
    return 1 - 2 * ((x >> 40) & 1)


@pytest.mark.parametrize("seed", [0, 1, 7, 10**9])
def test_signs_are_splitmix64_s_balanced_and_another_sequence_for_every_seed(seed):
    """A checkpoint continues with the signs it was made with only if the hash stays what it is."""
    got = _sign(torch.arange(4000), seed).tolist()
    assert got == [sign(k, seed) for k in range(4000)]
    assert set(got) == {-1, 1}
    assert abs(sum(got)) < 4 * 4000**0.5
    other = _sign(torch.arange(4000), seed + 1).tolist()
    assert abs(sum(a * b for a, b in zip(got, other, strict=True))) < 4 * 4000**0.5
    following = got[1:]
    assert abs(sum(a * b for a, b in zip(got, following, strict=False))) < 4 * 4000**0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("normalisation", [Mean(), Sum(), MeanTimesBatch(batch_size=3)])
def test_a_sketch_is_that_of_a_list_of_groups(normalisation, dtype):
    part = SketchedFisher(rows=3, group=2, normalisation=normalisation, seed=5)
    state, lists, seen = part.init(Space(RUNS, N, dtype)), [[], []], [0, 0]
    s, tolerance = random(RUNS, N, seed=99).to(dtype), 1e-12 if dtype == torch.float64 else 1e-5
    for k in range(20):
        g, where = random(RUNS, N, seed=k).to(dtype), torch.tensor([True, k % 3 != 1])
        if k == 11:
            part.reset_(state, torch.tensor([False, True]))
            lists[1] = []
        part.observe_(state, Step(k + 1, torch.where(where.unsqueeze(1), g, 0.0), where, lambda: s))
        for run in range(RUNS):
            if where[run]:
                signed = sign(seen[run], 5) * g[run]
                seen[run] += 1
                if lists[run] and len(lists[run][-1]) < 2:
                    lists[run][-1].append(signed)
                else:
                    lists[run] = [*lists[run], [signed]][-3:]
        y = part.pair_(state, Displacement(s, s, s, where), None)
        assert y.dtype == dtype
        for run in range(RUNS):
            expected, held = torch.zeros(N, dtype=torch.float64), sum(map(len, lists[run]))
            for group in lists[run]:
                z = sum(group).double()
                expected += z * (z @ s[run].double())
            factor = {Mean: 1.0 / max(held, 1), Sum: 1.0, MeanTimesBatch: 3.0 / max(held, 1)}[type(normalisation)]
            torch.testing.assert_close(y[run].double(), factor * expected, rtol=tolerance, atol=tolerance)
        assert state.seen.tolist() == seen


def test_factors():
    count = torch.tensor([1, 2, 8])
    for normalisation, expected in (
        (Mean(), [1.0, 0.5, 0.125]),
        (Sum(), [1.0, 1.0, 1.0]),
        (MeanTimesBatch(batch_size=4), [4.0, 2.0, 0.5]),
    ):
        factor = normalisation.factor(count)
        assert factor.dtype == torch.float64
        assert factor.tolist() == expected
    assert count.tolist() == [1, 2, 8]


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_the_fisher_store_keeps_what_it_was_asked_to(dtype):
    part, space = EmpiricalFisher(window=3, dtype=dtype), Space(RUNS, N)
    state = part.init(space)
    assert state.gradients.dtype == (dtype or torch.float32)
    assert state.gradients.shape == (RUNS, 4, N)
    everyone, s = torch.ones(RUNS, dtype=torch.bool), random(RUNS, N).float()
    kept = []
    for k in range(5):
        g = random(RUNS, N, seed=k).float()
        part.observe_(state, Step(k + 1, g, everyone, lambda: s))
        kept = [*kept, g.to(dtype or torch.float32).double()][-3:]
    y = part.pair_(state, Displacement(s, s, s, everyone), None)
    assert y.dtype == torch.float32
    expected = sum(g * (g * s.double()).sum(1, keepdim=True) for g in kept) / 3
    torch.testing.assert_close(y.double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("wrong", [torch.float16, torch.float32, "bfloat16"])
@pytest.mark.parametrize("part", [EmpiricalFisher, HostFisher])
def test_another_storage_is_refused(part, wrong):
    assert part(dtype=torch.bfloat16).dtype == torch.bfloat16
    with pytest.raises(TypeError, match=rf"^{part.__name__}: dtype={wrong!r} cannot store vectors; pass "):
        part(dtype=wrong)


def test_mean_and_noise_of_the_gradients():
    part, s = CentredFisher(batch_size=7, window=4), random(RUNS, N, seed=50)
    state = part.init(Space(RUNS, N, torch.float64))
    assert state.gradients.dtype == torch.float64
    kept = [[], []]
    for k in range(9):
        g, where = random(RUNS, N, seed=k), torch.tensor([True, k % 2 == 0])
        part.observe_(state, Step(k + 1, torch.where(where.unsqueeze(1), g, 0.0), where, lambda: s))
        for run in range(RUNS):
            if where[run]:
                kept[run] = [*kept[run], g[run]][-4:]
        y = part.pair_(state, Displacement(s, s, s, where), None)
        for run in range(RUNS):
            G = torch.stack(kept[run]) if kept[run] else torch.zeros(1, N, dtype=torch.float64)
            m = G.mean(0)
            C = (G - m).T @ (G - m) / len(G)
            torch.testing.assert_close(y[run], 7.0 * C @ s[run] + m * (m @ s[run]), rtol=1e-11, atol=1e-12)
    part.reset_(state, torch.tensor([False, True]))
    assert state.count.tolist() == [4, 0]


def test_a_ring_s_head_is_one_of_its_slots():
    for m, head, right in ((0, 0, True), (1, 0, True), (1, 1, False), (3, 2, True), (3, 3, False), (3, -1, False)):
        fields = {"s": torch.zeros(1, m, 5), "head": torch.tensor([head]), "count": torch.tensor([0])}
        assert rings.possible(fields) is right


def test_a_ring_turns():
    head, count, everyone = torch.tensor([0, 2]), torch.tensor([0, 3]), torch.tensor([True, True])
    assert [x.tolist() for x in rings.advanced(head, count, 3, everyone)] == [[1, 0], [1, 3]]
    assert [x.tolist() for x in rings.advanced(head, count, 3, everyone, most=2)] == [[1, 0], [1, 2]]
    assert [x.tolist() for x in rings.advanced(head, count, 3, torch.tensor([False, True]))] == [[0, 0], [0, 3]]
    assert rings.age(head, 3).tolist() == [[0, 1, 2], [1, 2, 0]]
    assert rings.held(head, torch.tensor([1, 2]), 3).tolist() == [[False, False, True], [True, True, False]]
    assert [x.tolist() for x in rings.cleared(head, count, torch.tensor([False, True]))] == [[0, 0], [0, 0]]


@pytest.mark.parametrize("kind", [EmpiricalFisher, HostFisher, partial(HostFisher, every=2)])
def test_a_gradient_beyond_bfloat16_s_range_is_cut_to_it_and_poisons_nothing(kind):
    part = kind(window=2, dtype=torch.bfloat16)
    state, everyone = part.init(Space(1, 2, torch.float64)), torch.tensor([True])
    move = Displacement(*(torch.ones(1, 2, dtype=torch.float64) for _ in range(3)), everyone)
    largest = torch.finfo(torch.bfloat16).max
    for k, (g, expected) in enumerate([(1e150, largest**2 / 1), (1.0, largest**2 / 2), (1.0, 1.0)]):
        step = Step(k + 1, torch.tensor([[g, 0.0]], dtype=torch.float64), everyone, lambda: None, place=k % 2)
        part.observe_(state, step)
        assert part.pair_(state, move, None).tolist() == [[pytest.approx(expected), 0.0]]
