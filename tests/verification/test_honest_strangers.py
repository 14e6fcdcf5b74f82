"""Parts which nobody here wrote for the laws, of kinds that adaqn_lab does not have, and which are right: no alarm."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from adaqn_lab import ADAQN, BlockDiagonal, Cadence, Diagonal, MonitorIncrease, Need, Nesterov, Pair, Sample
from adaqn_lab.bases import PairGeneratorBase, ScalingBase
from verification import verify
from verification.methods import Method
from verification.optimizer.loop import step_options
from verification.profiles import FAST, fitted
from verification.shrinking import shrunk
from verification.trainings import Training


@dataclass
class Matrix:
    F: Tensor


@dataclass
class Means:
    total: Tensor
    count: Tensor
    old: Tensor
    known: Tensor


class DecayingFisher(PairGeneratorBase):
    factor = 1.0

    def init(self, space):
        return Matrix(space.scalars(space.size, space.size))

    def observe_(self, state, step):
        g = step.g.double()
        new = 0.9 * state.F + 0.1 * g[:, :, None] * g[:, None]
        state.F = torch.where(step.where[:, None, None], new, state.F)

    def pair_(self, state, move, oracle):
        return self.factor * torch.einsum("rij,rj->ri", state.F, move.s.double()).to(move.s.dtype)

    def reset_(self, state, where):
        state.F = state.F.masked_fill(where[:, None, None], 0)


class LargeBatches(DecayingFisher):
    factor = 4096.0


class OneSided(PairGeneratorBase):
    needs = frozenset({Need.CURVATURE_GRADIENT})

    def pair_(self, state, move, oracle):
        length = move.s.norm(dim=1, keepdim=True).clamp(min=1e-30)
        there = oracle.gradient(move.w_bar + 1e-3 * move.s / length, Sample.CURVATURE)
        return (there - oracle.gradient(move.w_bar, Sample.CURVATURE)) * length / 1e-3


class MeanGradients(PairGeneratorBase):
    """The change of the windows' mean gradients, which are not of the displacement asked about but of its window."""

    def init(self, space):
        return Means(space.zeros(), space.counts(), space.zeros(), space.mask(False))

    def observe_(self, state, step):
        state.total, state.count = state.total + step.g, state.count + step.where.long()

    def pair_(self, state, move, oracle):
        mean = state.total / state.count.clamp(min=1)[:, None]
        y = torch.where(state.known[:, None], mean - state.old, 0.0)
        state.old, state.known = mean, torch.ones_like(state.known)
        state.total, state.count = torch.zeros_like(state.total), torch.zeros_like(state.count)
        return y

    def reset_(self, state, where):
        state.known, state.count = state.known & ~where, state.count.masked_fill(where, 0)
        state.total = state.total.masked_fill(where[:, None], 0)


class Krylov(PairGeneratorBase):
    needs = frozenset({Need.HESSIAN_VECTOR_PRODUCT})

    def pair_(self, state, move, oracle):
        once = oracle.hessian_vector(move.w_bar, move.s)
        twice = oracle.hessian_vector(move.w_bar, once)
        return Pair(torch.stack([move.s, once], 1), torch.stack([once, twice], 1))


class Entries:
    def __init__(self, d, Q=None):
        self.d, self.Q = d, Q

    def _in_its_axes(self, v, d):
        if self.Q is None:
            return v * d
        return torch.einsum("rij,rj->ri", self.Q, d * torch.einsum("rji,rj->ri", self.Q, v))

    def apply_(self, v):
        return self._in_its_axes(v, self.d)

    def solve_(self, v):
        return self._in_its_axes(v, 1 / self.d)


class FullAdaGrad(ScalingBase):
    def init(self, space):
        return Matrix(space.zeros(space.size))

    def observe_(self, state, step):
        state.F = state.F + step.g[:, :, None] * step.g[:, None]

    def h0(self, state, curvature):
        values, Q = torch.linalg.eigh(state.F + 1e-2 * torch.eye(state.F.shape[-1], dtype=state.F.dtype))
        return Entries(values.clamp(min=5e-3).rsqrt(), Q)


class StepOfTheLastLength(ScalingBase):
    def init(self, space):
        return Means(space.zeros(), space.counts(), space.zeros(), space.mask(False))

    def observe_(self, state, step):
        state.total = state.total + step.g**2

    def h0(self, state, curvature):
        _, s_s, _, exists = curvature.newest()
        g = state.total.double().sum(1).sqrt()
        return Diagonal(gamma=torch.where(exists & (g > 0), s_s.sqrt() / g.clamp(min=1e-300), 1.0))


class FirstBarzilaiBorwein(ScalingBase):
    def h0(self, state, curvature):
        s_y, s_s, _, exists = curvature.newest()
        return Diagonal(gamma=torch.where(exists, s_s / s_y, 1.0))


HONEST = (
    *(DecayingFisher, LargeBatches, OneSided, MeanGradients, Krylov),
    *(FullAdaGrad, StepOfTheLastLength, FirstBarzilaiBorwein),
)


@pytest.mark.parametrize("kind", HONEST)
def test_no_alarm(kind):
    report = verify(kind, profile=FAST)
    assert report, str(report)


@dataclass(frozen=True)
class Store:
    window: int = 100
    every: int = 20
    rows: float = 7.0


@dataclass(frozen=True)
class Strict(Store):
    def __post_init__(self):
        if self.window < 50:
            raise ValueError


def test_a_smaller_store_is_the_same_part_with_smaller_fields_where_it_takes_them():
    assert shrunk(Store(), 3) == Store(window=3)
    assert shrunk(Store(window=2), 3, every=1) == Store(window=2, every=1)
    assert shrunk(Strict(), 3) == Strict()
    assert shrunk("no dataclass", 3) == "no dataclass"


def test_a_rich_law_gets_its_share_of_the_cases():
    from verification import by_name

    law = replace(by_name("pairs-shape"), share=0.4)
    assert fitted(law, FAST).max_examples == round(0.4 * FAST.max_examples)


def test_a_tensor_that_stands_still_makes_pairs_of_rounding_and_no_alarm():
    """Its block of H is whatever the order of a sum makes of w_bar - w_ref, and says nothing of the method."""
    recipe = ADAQN.but(
        memory=BlockDiagonal(),
        stepper=Nesterov(momentum=0.5),
        guard=MonitorIncrease(reevaluate=True),
        cadence=Cadence(every=5, after_step=True),
    )
    case = Training(runs=1, every=1, windows=2, rest=0, seed=2, layout=1, convex=False, groups=2, missing=True)
    step_options.check(Method(recipe), case)
