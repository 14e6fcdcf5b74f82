"""Pair generators as a port leaves them: seven wrong, two right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import AveragedDifference
from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.linalg import combine, dot, rows_dot
from adaqn_lab.pairs import Mean
from adaqn_lab.pairs.normalisation import Normalisation
from adaqn_lab.protocols import Displacement, Need, OracleLike, Sample, Step
from adaqn_lab.space import Space
from verification.law import Subject


def _column(x: Tensor, like: Tensor) -> Tensor:
    return x.to(like.dtype).unsqueeze(1)


@dataclass
class Gradients:
    """``rows`` (R, m, n), ``head`` and ``count`` (R,)."""

    rows: Tensor
    head: Tensor
    count: Tensor


def _write(rows: Tensor, g: Tensor, head: Tensor, where: Tensor) -> Tensor:
    slots = torch.arange(rows.shape[1], device=head.device)
    here = (slots == head.unsqueeze(1)) & where.unsqueeze(1)
    return torch.where(here.unsqueeze(2), g.unsqueeze(1), rows)


@dataclass(frozen=True, kw_only=True)
class FisherOverAttempts(PairGeneratorBase):
    """Once full, a skipped gradient still moves the ring on: the oldest leaves, a stale row counts as the newest."""

    window: int = 12
    normalisation: Normalisation = Mean()

    def init(self, space: Space) -> Gradients:
        return Gradients(space.zeros(self.window), space.counts(), space.counts())

    def observe_(self, state: Gradients, step: Step) -> None:
        state.rows = _write(state.rows, step.g, state.head, torch.ones_like(step.where))
        state.head = torch.remainder(state.head + (step.where | (state.count == self.window)), self.window)
        state.count = (state.count + step.where.long()).clamp(max=self.window)

    def pair_(self, state: Gradients, move: Displacement, oracle: OracleLike) -> Tensor:
        held = torch.arange(self.window, device=state.count.device) < state.count.unsqueeze(1)
        products = torch.where(held, rows_dot(state.rows, move.s), 0.0)
        factor = self.normalisation.factor(state.count.clamp(min=1))
        return combine(products * factor.unsqueeze(1), state.rows)

    def reset_(self, state: Gradients, where: Tensor) -> None:
        state.head = torch.where(where, 0, state.head)
        state.count = torch.where(where, 0, state.count)


@dataclass(frozen=True, kw_only=True)
class RingNotRewound(PairGeneratorBase):
    """A reset clears the count and leaves the head, while the first ``count`` slots are read as the rows held."""

    window: int = 8

    def init(self, space: Space) -> Gradients:
        return Gradients(space.zeros(self.window), space.counts(), space.counts())

    def observe_(self, state: Gradients, step: Step) -> None:
        state.rows = _write(state.rows, step.g, state.head, step.where)
        state.head = torch.remainder(state.head + step.where.long(), self.window)
        state.count = (state.count + step.where.long()).clamp(max=self.window)

    def pair_(self, state: Gradients, move: Displacement, oracle: OracleLike) -> Tensor:
        held = torch.arange(self.window, device=state.count.device) < state.count.unsqueeze(1)
        products = torch.where(held, rows_dot(state.rows, move.s), 0.0)
        return combine(products / state.count.clamp(min=1).unsqueeze(1), state.rows)

    def reset_(self, state: Gradients, where: Tensor) -> None:
        state.count = torch.where(where, 0, state.count)


@dataclass
class LastGradient:
    """``g`` (R, n): the gradient at the last average; ``known`` (R,)."""

    g: Tensor
    known: Tensor


@dataclass(frozen=True, kw_only=True)
class ReusedGradient(PairGeneratorBase):
    """Saves the gradient at w_ref by that of the last average, which a refused pair does not make the reference."""

    declares: ClassVar[frozenset[str]] = frozenset({"difference"})
    needs: ClassVar[frozenset[Need]] = frozenset({Need.CURVATURE_GRADIENT})
    sample: ClassVar[Sample] = Sample.CURVATURE
    shift: ClassVar[float] = 0.0

    def init(self, space: Space) -> LastGradient:
        return LastGradient(space.zeros(), space.mask(False))

    def pair_(self, state: LastGradient, move: Displacement, oracle: OracleLike) -> Tensor:
        at_bar = oracle.gradient(move.w_bar, self.sample)
        at_ref = oracle.gradient(move.w_ref, self.sample)
        at_ref = torch.where(state.known.unsqueeze(1), state.g, at_ref)
        state.g = torch.where(move.where.unsqueeze(1), at_bar, state.g)
        state.known = state.known | move.where
        return at_bar - at_ref

    def reset_(self, state: LastGradient, where: Tensor) -> None:
        state.known = state.known & ~where


@dataclass
class Smoothed:
    """``length`` (R,) float64: the decaying mean of |s|."""

    length: Tensor


@dataclass(frozen=True, kw_only=True)
class ShiftMovedFirst(PairGeneratorBase):
    """y = (Hessian) s + shift s, the shift a moving mean of |s| which is moved before the oracle may raise."""

    decay: float = 0.9

    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})

    def init(self, space: Space) -> Smoothed:
        return Smoothed(space.scalars())

    def pair_(self, state: Smoothed, move: Displacement, oracle: OracleLike) -> Tensor:
        length = dot(move.s, move.s).sqrt()
        moved = self.decay * state.length + (1.0 - self.decay) * length
        state.length = torch.where(move.where, moved, state.length)
        return oracle.hessian_vector(move.w_bar, move.s) + _column(state.length, move.s) * move.s

    def reset_(self, state: Smoothed, where: Tensor) -> None:
        state.length = torch.where(where, 0.0, state.length)


@dataclass(frozen=True, kw_only=True)
class RadiusOfAllRuns(PairGeneratorBase):
    """The step of the central difference is the radius over the norm of the whole (R, n) tensor."""

    radius: float = 1e-3

    needs: ClassVar[frozenset[Need]] = frozenset({Need.CURVATURE_GRADIENT})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        norm = torch.linalg.vector_norm(move.s)
        t = torch.where(norm > 0, self.radius / norm, 1.0)
        up = oracle.gradient(move.w_bar + t * move.s, Sample.CURVATURE)
        down = oracle.gradient(move.w_bar - t * move.s, Sample.CURVATURE)
        return (up - down) / (2.0 * t)


@dataclass(frozen=True, kw_only=True)
class SnapshotAfterUpdate(AveragedDifference):
    """The averages of the window's start are kept after its first gradient went in, so that a change is L - 1 long."""

    declares: ClassVar[frozenset[str]] = frozenset({"averaged difference"})

    def observe_(self, state: Any, step: Step) -> None:
        where, started = step.where.unsqueeze(1), state.started.unsqueeze(1)
        had = state.started
        for name, value in (("w", step.w()), ("g", step.g)):
            old = getattr(state, name)
            moved = torch.where(started, old.lerp(value, 1.0 - self.decay), value)
            setattr(state, name, torch.where(where, moved, old))
        state.started = state.started | step.where
        if step.place == 0:
            state.w_old, state.g_old, state.has_old = state.w.clone(), state.g.clone(), had


@dataclass
class CentredStore:
    """``rows`` (R, m, n), their running ``total`` (R, n), ``head`` and ``count`` (R,)."""

    rows: Tensor
    total: Tensor
    head: Tensor
    count: Tensor


@dataclass(frozen=True, kw_only=True)
class RunningSumEvictsEarly(PairGeneratorBase):
    """The running sum takes away the slot's row even if it holds none: zero at first, a stale one after a reset."""

    window: int = 8
    batch_size: int = 4

    def init(self, space: Space) -> CentredStore:
        return CentredStore(space.zeros(self.window), space.zeros(), space.counts(), space.counts())

    def observe_(self, state: CentredStore, step: Step) -> None:
        index = state.head.view(-1, 1, 1).expand(-1, 1, step.g.shape[1])
        leaving = state.rows.gather(1, index).squeeze(1)
        state.total = torch.where(step.where.unsqueeze(1), state.total + step.g - leaving, state.total)
        state.rows = _write(state.rows, step.g, state.head, step.where)
        state.head = torch.remainder(state.head + step.where.long(), self.window)
        state.count = (state.count + step.where.long()).clamp(max=self.window)

    def pair_(self, state: CentredStore, move: Displacement, oracle: OracleLike) -> Tensor:
        held = torch.arange(self.window, device=state.count.device) < state.count.unsqueeze(1)
        size = state.count.clamp(min=1)
        mean = state.total / _column(size, move.s)
        along = dot(mean, move.s)
        centred = torch.where(held, rows_dot(state.rows, move.s) - along.unsqueeze(1), 0.0)
        factor = self.batch_size / size
        rows = torch.where(held.unsqueeze(2), state.rows - mean.unsqueeze(1), 0.0)
        return combine(centred * factor.unsqueeze(1), rows) + _column(along, mean) * mean

    def reset_(self, state: CentredStore, where: Tensor) -> None:
        state.total = torch.where(where.unsqueeze(1), 0.0, state.total)
        state.head = torch.where(where, 0, state.head)
        state.count = torch.where(where, 0, state.count)


@dataclass
class Shelf:
    """``rows`` (R, m, n), newest last; ``count`` (R,)."""

    rows: Tensor
    count: Tensor


@dataclass(frozen=True, kw_only=True)
class FisherOnAShelf(PairGeneratorBase):
    """Right: the rows move up at every gradient in place of a ring, and what was reset is zero."""

    declares: ClassVar[frozenset[str]] = frozenset({"fisher"})
    window: int = 12
    normalisation: Normalisation = Mean()

    def init(self, space: Space) -> Shelf:
        return Shelf(space.zeros(self.window), space.counts())

    def observe_(self, state: Shelf, step: Step) -> None:
        moved = torch.cat([state.rows[:, 1:], step.g.unsqueeze(1)], dim=1)
        state.rows = torch.where(step.where.view(-1, 1, 1), moved, state.rows)
        state.count = (state.count + step.where.long()).clamp(max=self.window)

    def pair_(self, state: Shelf, move: Displacement, oracle: OracleLike) -> Tensor:
        factor = self.normalisation.factor(state.count.clamp(min=1))
        return combine(rows_dot(state.rows, move.s) * factor.unsqueeze(1), state.rows, move.s.dtype)

    def reset_(self, state: Shelf, where: Tensor) -> None:
        state.rows = torch.where(where.view(-1, 1, 1), 0.0, state.rows)
        state.count = torch.where(where, 0, state.count)


@dataclass(frozen=True, kw_only=True)
class Extrapolated(PairGeneratorBase):
    """Right: central differences at two radii, extrapolated to radius 0; y = 0 where s = 0."""

    radius: float = 1e-2

    needs: ClassVar[frozenset[Need]] = frozenset({Need.CURVATURE_GRADIENT})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        length = dot(move.s, move.s).sqrt().to(move.s.dtype).unsqueeze(1)
        moves = length > 0
        offset = move.s * torch.where(moves, self.radius / length, 0.0)

        def central(scale: float) -> Tensor:
            up = oracle.gradient(move.w_bar + scale * offset, Sample.CURVATURE)
            return (up - oracle.gradient(move.w_bar - scale * offset, Sample.CURVATURE)) / (2.0 * scale)

        slope = (4.0 * central(0.5) - central(1.0)) / 3.0
        return slope * torch.where(moves, length / self.radius, 0.0)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {
        "full_ring_moves_on_at_a_skipped_gradient": FisherOverAttempts,
        "reset_leaves_the_head_of_the_ring": RingNotRewound,
        "reference_gradient_reused_after_a_refused_pair": ReusedGradient,
        "shift_is_moved_before_the_oracle_raises": ShiftMovedFirst,
        "radius_over_the_norm_of_all_runs": RadiusOfAllRuns,
        "old_averages_kept_after_the_update": SnapshotAfterUpdate,
        "running_sum_subtracts_rows_of_before_the_reset": RunningSumEvictsEarly,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {"fisher_on_a_shelf": FisherOnAShelf, "extrapolated_difference": Extrapolated}
}
