"""Memories around memories: what they forward, and blocks against one memory for each block by hand."""

import math

import pytest
import torch

from adaqn_lab import (
    ADAQN,
    BlockDiagonal,
    Dense,
    Diagonal,
    Displacement,
    Need,
    PowellH,
    Repaired,
    SoftWindow,
    Space,
    Verdict,
    Window,
)
from adaqn_lab.diagonal import Entries
from adaqn_lab.memory.block_diagonal import Blocks
from adaqn_lab.memory.curvature_tests import CautiousCosine, CautiousSS, CautiousYY

SIZES, RUNS = (3, 1, 4), 2
SPACE = Space(RUNS, 8, torch.float64, torch.device("cpu"), ((3,), (), (2, 2)))
EVERYONE = torch.ones(RUNS, dtype=torch.bool)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Inner(Window):
    """A window which notes what it is told."""

    def __init__(self, told, **options):
        super().__init__(**options)
        object.__setattr__(self, "told", told)

    def check_recipe(self, recipe):
        self.told.append(("recipe", recipe))

    def init(self, space):
        self.told.append(("space", space))
        return super().init(space)

    def admit_(self, state, move, y, operator):
        self.told.append(("admit", move, y, operator))
        return super().admit_(state, move, y, operator)


@pytest.mark.parametrize("part", [BlockDiagonal, Repaired])
def test_the_memory_inside_is_asked_about_recipe_and_space(part):
    told = []
    memory = part(of=Inner(told)) if part is BlockDiagonal else Repaired(by=PowellH(), of=Inner(told))
    recipe = ADAQN.but(guard=None, memory=memory)
    assert told == [("recipe", recipe)]
    memory.init(SPACE)
    blocks = [Space(RUNS, math.prod(shape), torch.float64, shapes=(shape,)) for shape in SPACE.shapes]
    assert told[1:] == [("space", space) for space in (blocks if part is BlockDiagonal else [SPACE])]
    # What the one inside refuses, the one around refuses.
    with pytest.raises(ValueError, match=r"^Dense: [48] parameters .* limit=3; "):
        part(of=Dense(limit=3)).init(SPACE)


@pytest.mark.parametrize("part", [BlockDiagonal, lambda of: Repaired(by=PowellH(), of=of)])
def test_what_the_memory_inside_has_the_one_around_has(part):
    class Needing(SoftWindow):
        """A memory which asks for something."""

        needs = frozenset({Need.BATCH_GRADIENT})

    assert part(of=Window()).invertible is True
    assert part(of=Window()).needs == frozenset()
    around, v = part(of=Needing()), torch.ones(RUNS, 8, dtype=torch.float64)
    assert around.invertible is False
    assert around.needs == {Need.BATCH_GRADIENT}
    with pytest.raises(TypeError, match=r"forms no products with B"):
        around.solve_(around.init(SPACE), v, Diagonal())


def filled(pairs=3, told=None):
    """A block-diagonal memory and windows of the blocks by hand, after so many pairs; run 1 misses the second."""
    memory = BlockDiagonal(of=Inner([] if told is None else told, capacity=2))
    state, windows = memory.init(SPACE), [Window(capacity=2) for _ in SIZES]
    states = [w.init(Space(RUNS, n, torch.float64)) for w, n in zip(windows, SIZES, strict=True)]
    for k in range(pairs):
        s, where = random(RUNS, 8, seed=k), torch.tensor([True, k != 1])
        y = s * torch.linspace(0.5, 2.0, 8, dtype=torch.float64)
        if k == 2:
            y[:, :3] *= -1.0  # the first block refuses the third
        verdict = memory.admit_(state, Displacement(s, 2.0 * s, 3.0 * s, where), y, None)
        assert torch.equal(verdict.admitted, where)
        for name, (a, b) in {"s_y": (s, y), "s_s": (s, s), "y_y": (y, y)}.items():
            torch.testing.assert_close(getattr(verdict, name), (a * b).sum(1), rtol=1e-14, atol=0.0)
        parts = (torch.split(x, SIZES, 1) for x in (s, y))
        for window, of, a, b in zip(windows, states, *parts, strict=True):
            a, b = a.contiguous(), b.contiguous()
            window.admit_(of, Displacement(a, a, a, where), b, None)
    return memory, state, windows, states


H0 = torch.linspace(1.0, 3.0, 8, dtype=torch.float64)


def test_every_block_is_a_memory_of_its_own():
    memory, state, windows, states = filled()
    assert state.lengths == SIZES
    v = random(RUNS, 8, seed=9)
    for name in ("apply_", "solve_"):
        got = getattr(memory, name)(state, v.clone(), Entries(entries=H0))
        blocks = zip(windows, states, torch.split(v, SIZES, 1), torch.split(H0, SIZES), strict=True)
        expected = [getattr(w, name)(of, u.clone(), Entries(entries=d)) for w, of, u, d in blocks]
        torch.testing.assert_close(got, torch.cat(expected, 1), rtol=1e-13, atol=0.0)
    memory.reset_(state, torch.tensor([False, True]))
    assert [of.count.tolist() for of in state.states] == [[2, 0], [2, 0], [2, 0]]


def test_without_blocks_there_is_one():
    state = BlockDiagonal().init(Space(RUNS, 8, torch.float64))
    assert state.lengths == (8,)
    assert len(state.states) == 1


def test_newest_is_the_sum_over_the_blocks_which_hold_a_pair():
    class Of:
        def __init__(self, *values):
            self.values = [torch.tensor(v) for v in values]

        def newest(self):
            return tuple(self.values)

    first = Of([2.0, 9.0, 9.0], [3.0, 9.0, 9.0], [4.0, 9.0, 9.0], [True, False, False])
    second = Of([5.0, 6.0, 9.0], [7.0, 8.0, 9.0], [1.0, 2.0, 9.0], [True, True, False])
    s_y, s_s, y_y, some = Blocks((first, second), (1, 1)).newest()
    assert some.tolist() == [True, True, False]
    assert s_y.tolist() == [7.0, 6.0, 1.0]
    assert s_s.tolist() == [10.0, 8.0, 1.0]
    assert y_y.tolist() == [5.0, 2.0, 1.0]


def test_a_block_is_told_its_own_part_and_its_own_operator():
    told = []
    memory = BlockDiagonal(of=Inner(told))
    state, s, y = memory.init(SPACE), random(RUNS, 8), random(RUNS, 8, seed=1)
    told.clear()
    matrix = random(8, 8, seed=2)

    class Whole:
        """Any matrix; its inverse is three times it."""

        def __call__(self, v):
            return v @ matrix

        def inverse(self, v):
            return 3.0 * v @ matrix

    memory.admit_(state, Displacement(s, 2.0 * s, 3.0 * s, EVERYONE), y, Whole())
    start = 0
    for (_, move, part, operator), n in zip(told, SIZES, strict=True):
        own = slice(start, start + n)
        start += n
        for got, expected in ((move.s, s), (move.w_bar, 2.0 * s), (move.w_ref, 3.0 * s), (part, y)):
            assert torch.equal(got, expected[:, own])
            assert got.is_contiguous()
        assert torch.equal(move.where, EVERYONE)
        u = random(RUNS, n, seed=3)
        expected = u @ matrix[own, own]
        for got in (operator(u), operator.apply_(u.clone()), operator.inverse(u) / 3.0):
            torch.testing.assert_close(got, expected, rtol=1e-13, atol=1e-14)
            assert got.is_contiguous()


def test_a_window_counts_as_admitted_if_a_block_admitted_its_part():
    class Says(Window):
        """Admits in the blocks of three."""

        def admit_(self, state, move, y, operator):
            yes = torch.full_like(move.where, y.shape[1] == 3)
            return Verdict(yes, *[torch.zeros(RUNS, dtype=torch.float64)] * 3)

    memory, s = BlockDiagonal(of=Says()), random(RUNS, 8)
    verdict = memory.admit_(memory.init(SPACE), Displacement(s, s, s, EVERYONE), s, None)
    assert verdict.admitted.tolist() == [True, True]


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_curvature_tests_at_and_beside_their_bounds():
    s_y, s_s, y_y = numbers(1.9, 2.0, 2.1), numbers(4.0, 4.0, 4.0), numbers(4.0, 4.0, 4.0)
    for test in (CautiousSS(eps=0.5), CautiousYY(eps=0.5), CautiousCosine(eps=0.5)):
        assert test.accept(s_y, s_s, y_y).tolist() == [False, False, True]
    assert CautiousSS(eps=0.5).accept(numbers(1.0), numbers(1.0), numbers(100.0)).tolist() == [True]
    assert CautiousYY(eps=0.5).accept(numbers(1.0), numbers(100.0), numbers(1.0)).tolist() == [True]
    assert CautiousCosine(eps=0.5).accept(numbers(3.1, 2.9), numbers(4.0, 4.0), numbers(9.0, 9.0)).tolist() == [
        True,
        False,
    ]
