"""Pair generators: wrong ones, and unusual ones which are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import Mean, Need, Pair, Sample, SampledHessian, ring
from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.linalg import combine, dot, rows_dot
from verification.law import Subject


def _put(rows: Tensor, row: Tensor, head: Tensor, where: Tensor) -> Tensor:
    """The rows (R, m, ...) with ``row`` (R, ...) in slot ``head`` of the runs in ``where``."""
    slots = torch.arange(rows.shape[1], device=head.device)
    here = (slots == head.unsqueeze(1)) & where.unsqueeze(1)
    return torch.where(here.view(*here.shape, *(1,) * (rows.dim() - 2)), row.unsqueeze(1), rows)


@dataclass
class ByteRing:
    """``codes`` (R, m, n) int8, ``unit`` (R, m) float64: g = unit code; ``head``, ``count`` (R,)."""

    codes: Tensor
    unit: Tensor
    head: Tensor
    count: Tensor


@dataclass(frozen=True, kw_only=True)
class ByteFisher(PairGeneratorBase):
    """Fisher pairs of gradients in eight bits; the unit is that of the largest entry of all runs."""

    window: int = 30

    def init(self, space):
        codes = space.zeros(self.window, dtype=torch.int8)
        return ByteRing(codes, space.scalars(self.window), space.counts(), space.counts())

    def observe_(self, state, step):
        peak = step.g.abs().amax().double()
        unit = torch.where(peak > 0, peak / 127.0, 1.0).expand(step.where.shape)
        codes = (step.g.double() / unit.unsqueeze(1)).round().to(torch.int8)
        state.codes = _put(state.codes, codes, state.head, step.where)
        state.unit = _put(state.unit, unit, state.head, step.where)
        state.head, state.count = ring.advanced(state.head, state.count, self.window, step.where)

    def pair_(self, state, move, oracle):
        held = ring.held(state.head, state.count, self.window)
        rows = state.codes.to(move.s.dtype)
        weight = state.unit.square() / state.count.clamp(min=1).unsqueeze(1)
        return combine(torch.where(held, rows_dot(rows, move.s) * weight, 0.0), rows)

    def reset_(self, state, where):
        state.head, state.count = ring.cleared(state.head, state.count, where)


@dataclass
class SummedRing:
    """``rows`` (R, m, n) and their running sum ``total`` (R, n) float64; ``head``, ``count`` (R,)."""

    rows: Tensor
    total: Tensor
    head: Tensor
    count: Tensor


@dataclass(frozen=True, kw_only=True)
class IncrementalMeanFisher(PairGeneratorBase):
    """Centred Fisher whose mean is a running sum less what a slot held before, also where that was forgotten."""

    batch_size: int = 4
    window: int = 25

    declares: ClassVar[frozenset[str]] = frozenset({"centred fisher"})

    def init(self, space):
        return SummedRing(space.zeros(self.window), space.zeros(dtype=torch.float64), space.counts(), space.counts())

    def observe_(self, state, step):
        index = state.head.view(-1, 1, 1).expand(-1, 1, step.g.shape[1])
        leaving = state.rows.gather(1, index).squeeze(1)
        change = step.g.double() - leaving.double()
        state.total = state.total + torch.where(step.where.unsqueeze(1), change, 0.0)
        state.rows = _put(state.rows, step.g, state.head, step.where)
        state.head, state.count = ring.advanced(state.head, state.count, self.window, step.where)

    def pair_(self, state, move, oracle):
        count = state.count.clamp(min=1).double().unsqueeze(1)
        held = ring.held(state.head, state.count, self.window)
        products = torch.where(held, rows_dot(state.rows, move.s), 0.0)
        mean = (state.total / count).to(move.s.dtype)
        along = dot(mean, move.s).unsqueeze(1)
        weights = torch.where(held, self.batch_size * (products - along) / count, 0.0)
        return combine(weights, state.rows) + (along * mean).to(move.s.dtype)

    def reset_(self, state, where):
        state.head, state.count = ring.cleared(state.head, state.count, where)
        state.total = torch.where(where.unsqueeze(1), 0.0, state.total)


@dataclass
class Radius:
    """``radius`` (R,) float64 of the differences."""

    radius: Tensor


@dataclass(frozen=True, kw_only=True)
class AdaptiveRadius(PairGeneratorBase):
    """Central differences whose radius follows |g|; it is renewed before the second gradient is there."""

    radius: float = 1e-1

    needs: ClassVar[frozenset[Need]] = frozenset({Need.CURVATURE_GRADIENT})

    def init(self, space):
        return Radius(space.scalars(fill=self.radius))

    def pair_(self, state, move, oracle):
        length = dot(move.s, move.s).sqrt()
        t = torch.where(length > 0, state.radius / length, 0.0).to(move.s.dtype).unsqueeze(1)
        up = oracle.gradient(move.w_bar + t * move.s, Sample.CURVATURE)
        size = dot(up, up).sqrt()
        wanted = torch.where(size > 1.0, state.radius / 2.0, state.radius * 2.0).clamp(1e-2, 1.0)
        state.radius = torch.where(move.where, wanted, state.radius)
        down = oracle.gradient(move.w_bar - t * move.s, Sample.CURVATURE)
        return torch.where(t > 0, (up - down) / (2.0 * t), 0.0)


@dataclass(frozen=True, kw_only=True)
class NoiseOfItsOwn(SampledHessian):
    """Random displacements, others in every run: all are drawn from the one stream, run by run."""

    count: int = 4

    def pair_(self, state, move, oracle):
        generator = torch.Generator()
        generator.set_state(state.rng)
        runs, n = move.s.shape
        noise = torch.randn(runs, self.count, n, generator=generator, dtype=torch.float64, device="cpu")
        s = (noise * self.radius).to(move.s)
        y = torch.stack([oracle.hessian_vector(move.w_bar, row.contiguous()) for row in s.unbind(1)], dim=1)
        state.rng = generator.get_state()
        return Pair(s, y, renews=True)


@dataclass
class LastGradient:
    """``gradient`` (R, n) at the last average, where there is one: ``known`` (R,)."""

    gradient: Tensor
    known: Tensor


@dataclass(frozen=True, kw_only=True)
class RememberedDifference(PairGeneratorBase):
    """A gradient difference with the gradient of the last average in the place of that at the reference."""

    sample: Sample = Sample.CURVATURE
    shift: float = 0.0

    declares: ClassVar[frozenset[str]] = frozenset({"difference"})

    @property
    def needs(self):
        return frozenset({self.sample.value})

    def init(self, space):
        return LastGradient(space.zeros(), space.mask(False))

    def pair_(self, state, move, oracle):
        first = oracle.gradient(move.w_ref, self.sample)
        now = oracle.gradient(move.w_bar, self.sample)
        before = torch.where(state.known.unsqueeze(1), state.gradient, first)
        state.gradient = torch.where(move.where.unsqueeze(1), now, state.gradient)
        state.known = state.known | move.where
        return (now - before).add_(move.s, alpha=self.shift)

    def reset_(self, state, where):
        state.known = state.known & ~where


@dataclass
class Anchor:
    """``point`` (R, n) at which the Hessian is taken, ``age`` (R,) windows old."""

    point: Tensor
    age: Tensor


@dataclass(frozen=True, kw_only=True)
class AnchoredHessian(PairGeneratorBase):
    """Hessian-vector products at a point which is renewed at every third window only."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})
    declares: ClassVar[frozenset[str]] = frozenset({"hessian"})

    def init(self, space):
        return Anchor(space.zeros(), space.counts())

    def pair_(self, state, move, oracle):
        at = torch.where((state.age == 0).unsqueeze(1), move.w_bar, state.point)
        y = oracle.hessian_vector(at, move.s)
        state.point = torch.where(move.where.unsqueeze(1), at, state.point)
        state.age = torch.where(move.where, torch.remainder(state.age + 1, 3), state.age)
        return y

    def reset_(self, state, where):
        state.age = state.age.masked_fill(where, 0)


@dataclass
class Ring:
    """``rows`` (R, m, n), ``head``, ``count`` (R,)."""

    rows: Tensor
    head: Tensor
    count: Tensor


@dataclass(frozen=True, kw_only=True)
class ChunkedFisher(PairGeneratorBase):
    """Fisher pairs as the mean of the means over chunks of four slots: a chunk not yet full weighs as a full one."""

    window: int = 30
    normalisation: Any = Mean()

    declares: ClassVar[frozenset[str]] = frozenset({"fisher"})

    def init(self, space):
        return Ring(space.zeros(self.window), space.counts(), space.counts())

    def observe_(self, state, step):
        state.rows = _put(state.rows, step.g, state.head, step.where)
        state.head, state.count = ring.advanced(state.head, state.count, self.window, step.where)

    def pair_(self, state, move, oracle):
        held = ring.held(state.head, state.count, self.window)
        chunks = torch.arange(self.window, device=held.device) // 4
        same = (chunks.unsqueeze(0) == chunks.unsqueeze(1)).double()
        sizes = (held.double() @ same).clamp(min=1.0)  # of each slot's chunk
        number = (held / sizes).sum(1).clamp(min=1.0)
        count = state.count.clamp(min=1)
        factor = self.normalisation.factor(count) * count / number
        weights = rows_dot(state.rows, move.s) * factor.unsqueeze(1) / sizes
        return combine(torch.where(held, weights, 0.0), state.rows)

    def reset_(self, state, where):
        state.head, state.count = ring.cleared(state.head, state.count, where)


@dataclass
class Queue:
    """``rows`` (R, m, n), the newest last, ``count`` (R,)."""

    rows: Tensor
    count: Tensor


@dataclass(frozen=True, kw_only=True)
class QueuedFisher(PairGeneratorBase):
    """Right: the gradients move up at every step in place of a ring, and the products are added newest first."""

    window: int = 20
    normalisation: Any = Mean()

    declares: ClassVar[frozenset[str]] = frozenset({"fisher"})

    def init(self, space):
        return Queue(space.zeros(self.window), space.counts())

    def observe_(self, state, step):
        moved = torch.cat([state.rows[:, 1:], step.g.unsqueeze(1)], dim=1)
        state.rows = torch.where(step.where.view(-1, 1, 1), moved, state.rows)
        state.count = (state.count + step.where.long()).clamp(max=self.window)

    def pair_(self, state, move, oracle):
        rows = state.rows.double().flip(1)
        held = torch.arange(self.window, device=rows.device) < state.count.unsqueeze(1)
        products = torch.where(held, (rows * move.s.double().unsqueeze(1)).sum(2), 0.0)
        factor = self.normalisation.factor(state.count.clamp(min=1))
        return torch.einsum("rm,rmn->rn", products * factor.unsqueeze(1), rows).to(move.s.dtype)

    def reset_(self, state, where):
        state.count = state.count.masked_fill(where, 0)


@dataclass(frozen=True, kw_only=True)
class Extrapolated(PairGeneratorBase):
    """Right: two central differences, of radius r and r / 2, extrapolated to radius zero; no state."""

    radius: float = 1e-2

    needs: ClassVar[frozenset[Need]] = frozenset({Need.CURVATURE_GRADIENT})

    def _difference(self, move, oracle, radius):
        length = dot(move.s, move.s).sqrt().to(move.s.dtype).unsqueeze(1)
        moved = length > 0
        offset = move.s * torch.where(moved, radius / length, 0.0)
        up = oracle.gradient(move.w_bar + offset, Sample.CURVATURE)
        down = oracle.gradient(move.w_bar - offset, Sample.CURVATURE)
        return (up - down) * torch.where(moved, length / (2.0 * radius), 0.0)

    def pair_(self, state, move, oracle):
        near = self._difference(move, oracle, self.radius / 2.0)
        far = self._difference(move, oracle, self.radius)
        return near + (near - far) / 3.0


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {
        "quantisation_unit_common_to_all_runs": ByteFisher,
        "running_sum_less_forgotten_rows_after_a_reset": IncrementalMeanFisher,
        "adaptive_radius_changed_between_two_oracle_calls": AdaptiveRadius,
        "noise_of_a_run_depends_on_the_number_of_runs": NoiseOfItsOwn,
        "cached_gradient_of_a_refused_average_as_the_references": RememberedDifference,
        "hessian_at_a_point_up_to_two_windows_old": AnchoredHessian,
        "mean_of_means_of_unequal_chunks": ChunkedFisher,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {"queued_fisher": QueuedFisher, "extrapolated_difference": Extrapolated}
}
