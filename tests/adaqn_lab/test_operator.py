"""H and B as one object: of the states as they are, inverse to each other, and in one sentence where B cannot be."""

import dataclasses

import pytest
import torch

from adaqn_lab import AdaGrad, BarzilaiBorwein, Constant, Displacement, Identity, Space, Step, Window, two_loop
from adaqn_lab.diagonal import Diagonal
from adaqn_lab.operator import InitialMatrix, InverseHessian, require_inverse, says_diagonal

N = 5
SCALINGS = [AdaGrad(eps=0.5), BarzilaiBorwein(), Constant(value=0.3), Identity()]
ids = [type(scaling).__name__ for scaling in SCALINGS]


def operator(scaling, runs=2, pairs=3, memory=None, **options):
    """An operator after one gradient and so many pairs."""
    memory = memory or Window(capacity=3)
    g = torch.Generator().manual_seed(3)

    def random():
        return torch.randn(runs, N, generator=g, dtype=torch.float64)

    space, where = Space(runs, N, torch.float64), torch.ones(runs, dtype=torch.bool)
    states = {"scaling": scaling.init(space), "memory": memory.init(space)}
    scaling.observe_(states["scaling"], Step(1, random(), where, lambda: space.zeros()))
    for _ in range(pairs):
        s = random()
        memory.admit_(
            states["memory"], Displacement(s, s, space.zeros(), where), 2.0 * s + 0.3 * random().abs() * s, None
        )
    return InverseHessian(scaling, memory, states, **options), random()


def h0(found, v):
    """H0 v from the scaling alone."""
    return found.scaling.apply_(found.states["scaling"], found.states["memory"], v.clone())


@pytest.mark.parametrize("scaling", SCALINGS, ids=ids)
@pytest.mark.parametrize("pairs", [0, 3])
def test_is_the_two_loop_form_on_the_states_as_they_are(scaling, pairs):
    h, v = operator(scaling, pairs=pairs)
    kept = v.clone()
    got = h(v)
    assert torch.equal(v, kept)
    for run in range(2):
        s, y = h.states["memory"].pairs(run)
        # One run's H0 is made from the others' states too, so that it is applied to all and one is taken.
        expected = two_loop(s, y, v[run], lambda u, run=run: h0(h, u.expand(2, N).contiguous())[run])
        torch.testing.assert_close(got[run], expected, rtol=1e-12, atol=0.0)
    over = kept.clone()
    assert h.over_(over) is over
    torch.testing.assert_close(over, got, rtol=1e-14, atol=0.0)


@pytest.mark.parametrize("scaling", SCALINGS, ids=ids)
@pytest.mark.parametrize("pairs", [0, 3])
def test_inverse_is_inverse(scaling, pairs):
    h, v = operator(scaling, pairs=pairs)
    kept = v.clone()
    torch.testing.assert_close(h(h.inverse(v)), v, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(h.inverse(h(v)), v, rtol=1e-10, atol=1e-12)
    assert torch.equal(v, kept)


@pytest.mark.parametrize("scaling", SCALINGS, ids=ids)
def test_without_pairs_h_is_h0_whatever_the_memory_holds(scaling):
    h, v = operator(scaling, without_pairs=True)
    expected, kept = h0(h, v), v.clone()
    assert torch.equal(h(v), expected)
    assert torch.equal(v, kept)
    assert h.over_(v) is v
    assert torch.equal(v, expected)


class Fresh(Window):
    """A memory which has ``apply`` alone."""

    apply_ = None


def test_over_where_the_memory_cannot_write_in_place():
    h, v = operator(AdaGrad(), memory=Fresh(capacity=3))
    kept = v.clone()
    torch.testing.assert_close(h.over_(v), operator(AdaGrad())[0](kept), rtol=1e-12, atol=0.0)
    assert torch.equal(v, kept)


class NoInverse:
    """A scaling which cannot say H0^-1."""

    def __repr__(self):
        return "NoInverse()"


def test_refuses_in_one_sentence_what_has_no_inverse():
    memory, scaling = Window(), AdaGrad()
    require_inverse("Powell()", memory, scaling)
    with pytest.raises(TypeError, match=r"^Powell\(\) needs B .* scaling=NoInverse\(\) has no apply_inverse_;"):
        require_inverse("Powell()", memory, NoInverse())
    with pytest.raises(TypeError, match=r"^Powell\(\) needs B .* memory=NoInverse\(\) has no apply_inverse;"):
        require_inverse("Powell()", NoInverse(), scaling)
    h, v = operator(AdaGrad())
    for role, name in (("memory", "apply_inverse"), ("scaling", "apply_inverse_")):
        with pytest.raises(TypeError, match=rf"^operator\.inverse needs .* {role}=NoInverse\(\) has no {name};"):
            dataclasses.replace(h, **{role: NoInverse()}).inverse(v)


class Overwritten(AdaGrad):
    """Its ``apply_`` is its own, so that the inherited ``diagonal`` says nothing of it."""

    def apply_(self, state, history, v):
        return v.mul_(2.0)


class Both(AdaGrad):
    """Writes both anew."""

    def apply_(self, state, history, v):
        return v.mul_(2.0)

    def diagonal(self, state, history):
        return Diagonal(gamma=torch.full_like(history.newest()[0], 2.0))


class Inherits(Overwritten):
    """Adds nothing."""


class DiagonalAlone(Overwritten):
    """Its ``diagonal`` is younger than its ``apply_``."""

    diagonal = Both.diagonal


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [
        (AdaGrad(), True),
        (Constant(), False),
        (Overwritten(), False),
        (Inherits(), False),
        (Both(), True),
        (DiagonalAlone(), True),
        (NoInverse(), False),
    ],
    ids=repr,
)
def test_a_scaling_says_its_h0_as_data_unless_its_apply_was_written_over(scaling, expected):
    assert says_diagonal(scaling) is expected
    if isinstance(scaling, AdaGrad):
        h, v = operator(scaling)
        assert (InitialMatrix(scaling, h.states, says_diagonal(scaling)).diagonal is not None) is expected
        assert torch.allclose(h(v), h.memory.apply(h.states["memory"], v, lambda u: h0(h, u)), rtol=1e-12)
