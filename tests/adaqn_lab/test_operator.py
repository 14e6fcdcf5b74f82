"""H and B as one object: of the states as they are, inverse to each other, and in one sentence where B cannot be."""

import dataclasses

import pytest
import torch

from adaqn_lab import AdaGrad, BarzilaiBorwein, Constant, Displacement, Identity, Space, Step, Window, two_loop
from adaqn_lab.bases import MemoryBase
from adaqn_lab.operator import InverseHessian, require_inverse

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
    return found.scaling.h0(found.states["scaling"], found.states["memory"]).apply_(v.clone())


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
    assert h.apply_(over) is over
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
    assert h.apply_(v) is v
    assert torch.equal(v, expected)


class Fresh(Window):
    """A memory which writes into nothing."""

    def apply_(self, state, v, h0):
        return super().apply_(state, v.clone(), h0)


def test_what_the_memory_returns_counts_not_what_lies_in_v():
    h, v = operator(AdaGrad(), memory=Fresh(capacity=3))
    kept = v.clone()
    torch.testing.assert_close(h.apply_(v), operator(AdaGrad())[0](kept), rtol=1e-12, atol=0.0)
    assert torch.equal(v, kept)


class NoInverse(MemoryBase):
    """A memory which has no products with B."""

    def __repr__(self):
        return "NoInverse()"


def test_refuses_in_one_sentence_what_has_no_inverse():
    require_inverse("Powell()", Window())
    with pytest.raises(TypeError, match=r"^Powell\(\) needs B = H\^-1 but memory=NoInverse\(\) has no .*; pass .*\.$"):
        require_inverse("Powell()", NoInverse())
    h, v = operator(AdaGrad())
    with pytest.raises(TypeError, match=r"^operator\.inverse needs B = H\^-1 but memory=NoInverse\(\) has no .*\.$"):
        dataclasses.replace(h, memory=NoInverse()).inverse(v)
    with pytest.raises(TypeError, match=r"^NoInverse\(\) forms no products with B = H\^-1; choose .*\.$"):
        NoInverse().solve_(None, v, h.h0)


@dataclasses.dataclass
class OwnH0:
    """No Diagonal: a symmetric matrix; by turns in place and fresh, for what is returned counts."""

    matrix: torch.Tensor
    fresh: bool

    def given(self, v, product):
        return product if self.fresh else v.copy_(product)

    def apply_(self, v):
        return self.given(v, v @ self.matrix)

    def solve_(self, v):
        return self.given(v, v @ torch.linalg.inv(self.matrix))


class Dense0(AdaGrad):
    """An H0 with entries beside the diagonal; AdaGrad's is the one it writes over."""

    fresh = False

    def h0(self, state, curvature):
        return OwnH0(torch.eye(N, dtype=torch.float64) * 2.0 + 0.1, self.fresh)


class FreshDense0(Dense0):
    """The same, never in place."""

    fresh = True


@pytest.mark.parametrize("scaling", [Dense0(), FreshDense0()], ids=["in place", "fresh"])
@pytest.mark.parametrize("options", [{}, {"without_pairs": True}, {"memory": Window(capacity=0)}], ids=str)
def test_an_h0_of_any_kind_will_do(scaling, options):
    h, v = operator(scaling, **options)
    matrix = h.h0.matrix
    assert h(v).data_ptr() != v.data_ptr()
    got, pairs = h(v), options == {}
    for run in range(2):
        s, y = h.states["memory"].pairs(run) if pairs else (torch.zeros(0, N), torch.zeros(0, N))
        torch.testing.assert_close(got[run], two_loop(s, y, v[run], lambda u: u @ matrix), rtol=1e-12, atol=0.0)
    torch.testing.assert_close(h.inverse(got), v, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(h.apply_(v.clone()), got, rtol=1e-14, atol=0.0)
