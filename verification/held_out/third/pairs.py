"""Pair generators: wrong ones, and right ones that look odd."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import ring
from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.linalg import dot, write_row_
from adaqn_lab.pairs import (
    AveragedDifference,
    CentredFisher,
    EmpiricalFisher,
    GradientDifference,
    HessianDifference,
    SampledHessian,
    SketchedFisher,
)
from adaqn_lab.pairs.empirical_fisher import FisherStore
from adaqn_lab.protocols import Displacement, Need, OracleLike, Pair, Sample, Step
from adaqn_lab.space import Space
from verification.law import Subject


@dataclass
class Anchor:
    """The gradient at the average judged last."""

    g: Tensor
    known: Tensor


@dataclass(frozen=True, kw_only=True)
class AnchorOfTheLastAverage(GradientDifference):
    """The gradient of the last average serves as that of w_ref, also where the pair was refused and w_ref stayed."""

    sample: Sample = Sample.CURVATURE
    declares: ClassVar[frozenset[str]] = frozenset({"difference"})

    def init(self, space: Space) -> Anchor:
        return Anchor(space.zeros(), space.mask(False))

    def pair_(self, state: Anchor, move: Displacement, oracle: OracleLike) -> Tensor:
        here = oracle.gradient(move.w_bar, self.sample)
        there = torch.where(state.known.unsqueeze(1), state.g, oracle.gradient(move.w_ref, self.sample))
        state.g, state.known = here, state.known | move.where
        return here - there + self.shift * move.s

    def reset_(self, state: Anchor, where: Tensor) -> None:
        state.known = state.known & ~where


@dataclass
class Peak:
    """The largest recent curvature (R,)."""

    peak: Tensor


@dataclass(frozen=True, kw_only=True)
class PeakBeforeTheSecondProduct(PairGeneratorBase):
    """The peak decays between the two products: it decays twice where the second product raised and is tried again."""

    decay: float = 0.5
    share: float = 0.1

    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})

    def init(self, space: Space) -> Peak:
        return Peak(space.scalars())

    def pair_(self, state: Peak, move: Displacement, oracle: OracleLike) -> Tensor:
        here = oracle.hessian_vector(move.w_bar, move.s)
        s_s = dot(move.s, move.s)
        quotient = torch.where(s_s > 0, dot(here, move.s) / s_s, 0.0)
        peak = torch.maximum(self.decay * state.peak, quotient)
        state.peak = torch.where(move.where & torch.isfinite(peak), peak, state.peak)
        there = oracle.hessian_vector(move.w_ref, move.s)
        return (here + there) / 2 + move.s * (self.share * state.peak).to(move.s.dtype).unsqueeze(1)

    def reset_(self, state: Peak, where: Tensor) -> None:
        state.peak = torch.where(where, 0.0, state.peak)


@dataclass(frozen=True, kw_only=True)
class FisherWithoutASpareSlot(EmpiricalFisher):
    """A skipped step writes its zero row over the oldest gradient once the store is full."""

    window: int = 8
    declares: ClassVar[frozenset[str]] = frozenset({"fisher"})

    def init(self, space: Space) -> FisherStore:
        return FisherStore(space.zeros(self.window), space.counts(), space.counts())

    def observe_(self, state: FisherStore, step: Step) -> None:
        write_row_(state.gradients, step.g, state.head)
        state.head, state.count = ring.advanced(state.head, state.count, self.window, step.where)


@dataclass(frozen=True, kw_only=True)
class RadiusOfAllRuns(HessianDifference):
    """The difference's t = radius / |s| takes |s| over all runs together."""

    radius: float = 0.1

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        length = torch.linalg.vector_norm(move.s)
        offset = move.s * torch.where(length > 0, self.radius / length, 0.0)
        up = oracle.gradient(move.w_bar + offset, Sample.CURVATURE)
        down = oracle.gradient(move.w_bar - offset, Sample.CURVATURE)
        return (up - down) * (length / (2.0 * self.radius))


@dataclass(frozen=True, kw_only=True)
class NoiseAnewAtEveryReset(SampledHessian):
    """A reset, of no run too, starts the noise anew: every window has the same displacements."""

    count: int = 4

    def reset_(self, state: Any, where: Tensor) -> None:
        state.rng = torch.Generator().manual_seed(self.seed).get_state()


@dataclass
class Previous:
    """The window before."""

    s: Tensor
    y: Tensor
    exists: Tensor


@dataclass(frozen=True, kw_only=True)
class MeanOfTwoWindows(PairGeneratorBase):
    """The mean of this pair and the last, whose s is kept without a copy: it is the present one."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})

    def init(self, space: Space) -> Previous:
        return Previous(space.zeros(), space.zeros(), space.mask(False))

    def pair_(self, state: Previous, move: Displacement, oracle: OracleLike) -> Pair:
        y = oracle.hessian_vector(move.w_bar, move.s)
        known = state.exists.unsqueeze(1)
        mean = Pair(torch.where(known, (move.s + state.s) / 2, move.s), torch.where(known, (y + state.y) / 2, y))
        state.s, state.y, state.exists = move.s, y, state.exists | move.where
        return mean

    def reset_(self, state: Previous, where: Tensor) -> None:
        state.exists = state.exists & ~where


@dataclass(frozen=True, kw_only=True)
class OldAverageKeptWhereTheFirstStepIsSkipped(AveragedDifference):
    """A run whose first step of the window was skipped keeps the averages of the window before as its old ones."""

    every: int = 4
    declares: ClassVar[frozenset[str]] = frozenset({"averaged difference"})

    def observe_(self, state: Any, step: Step) -> None:
        where, started = step.where.unsqueeze(1), state.started.unsqueeze(1)
        if step.place == 0:
            state.w_old, state.g_old = (
                torch.where(where, state.w, state.w_old),
                torch.where(where, state.g, state.g_old),
            )
            state.has_old = torch.where(step.where, state.started, state.has_old)
        for name, value in (("w", step.w()), ("g", step.g)):
            old = getattr(state, name)
            moved = torch.where(started, old.lerp(value, 1.0 - self.decay), value)
            setattr(state, name, torch.where(where, moved, old))
        state.started = state.started | step.where


@dataclass(frozen=True, kw_only=True)
class SketchKeepsItsPlaceInTheRow(SketchedFisher):
    """A reset in the middle of a row forgets the rows, not the place: the next gradients go to a row not held."""

    rows: int = 3
    group: int = 4

    def reset_(self, state: Any, where: Tensor) -> None:
        state.head, state.count = ring.cleared(state.head, state.count, where)


@dataclass(frozen=True, kw_only=True)
class AverageMovedAndPutBack(HessianDifference):
    """The average is moved in place to both sides and back: rounding stays, and all of it if a gradient raises."""

    declares: ClassVar[frozenset[str]] = frozenset({"hessian difference"})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        length = dot(move.s, move.s).sqrt().to(move.s.dtype).unsqueeze(1)
        moved = length > 0
        offset = move.s * torch.where(moved, self.radius / length, 0.0)
        up = oracle.gradient(move.w_bar.add_(offset), Sample.CURVATURE)
        down = oracle.gradient(move.w_bar.sub_(offset, alpha=2), Sample.CURVATURE)
        move.w_bar.add_(offset)
        return (up - down) * torch.where(moved, length / (2.0 * self.radius), 0.0)


@dataclass
class MeanGradient:
    """The moving average of gradients."""

    mean: Tensor
    started: Tensor


@dataclass(frozen=True, kw_only=True)
class MeanGradientStartedForEver(PairGeneratorBase):
    """y = m (m's) + shift s, m the average begun at the first g; after a reset it begins at zero instead."""

    decay: float = 0.9
    shift: float = 0.1
    declares: ClassVar[frozenset[str]] = frozenset({"linear pairs"})

    def init(self, space: Space) -> MeanGradient:
        return MeanGradient(space.zeros(), space.mask(False))

    def observe_(self, state: MeanGradient, step: Step) -> None:
        mean = torch.where(state.started.unsqueeze(1), state.mean.lerp(step.g, 1.0 - self.decay), step.g)
        state.mean = torch.where(step.where.unsqueeze(1), mean, state.mean)
        state.started = state.started | step.where

    def pair_(self, state: MeanGradient, move: Displacement, oracle: OracleLike) -> Tensor:
        return state.mean * dot(state.mean, move.s).to(move.s.dtype).unsqueeze(1) + self.shift * move.s

    def reset_(self, state: MeanGradient, where: Tensor) -> None:
        state.mean = torch.where(where.unsqueeze(1), 0.0, state.mean)


@dataclass(frozen=True, kw_only=True)
class SkippedByOneSkippedByAll(CentredFisher):
    """A step whose gradient is not finite in one run is not stored in any run."""

    batch_size: int = 4
    window: int = 12

    def observe_(self, state: FisherStore, step: Step) -> None:
        state.push_(step.g, step.where & step.where.all())


@dataclass
class LateStore:
    """Gradients in slots, how many were seen, and a scale."""

    gradients: Tensor
    seen: Tensor


@dataclass(frozen=True, kw_only=True)
class CountedInABatchOfRunZero(PairGeneratorBase):
    """The slot to write next is counted in a run's own steps, the slots in use in those of the first run."""

    window: int = 6

    def init(self, space: Space) -> LateStore:
        return LateStore(space.zeros(self.window), space.counts())

    def observe_(self, state: LateStore, step: Step) -> None:
        write_row_(state.gradients, step.g, torch.remainder(state.seen, self.window), step.where)
        state.seen = state.seen + step.where

    def pair_(self, state: LateStore, move: Displacement, oracle: OracleLike) -> Tensor:
        used = torch.arange(self.window, device=state.seen.device) < state.seen[:1]
        rows = torch.where(used.view(1, -1, 1), state.gradients, 0.0)
        inner = torch.einsum("rmn,rn->rm", rows, move.s)
        return torch.einsum("rm,rmn->rn", inner, rows) / state.seen[0].clamp(1, self.window)

    def reset_(self, state: LateStore, where: Tensor) -> None:
        state.gradients = torch.where(where.view(-1, 1, 1), 0.0, state.gradients)
        state.seen = torch.where(where, 0, state.seen)


@dataclass(frozen=True, kw_only=True)
class ProductsOfThisAndTheLastMove(PairGeneratorBase):
    """Right: two pairs a window, the Hessian at the present average along the last displacement and along this one."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})

    def init(self, space: Space) -> Previous:
        return Previous(space.zeros(), space.zeros(), space.mask(False))

    def pair_(self, state: Previous, move: Displacement, oracle: OracleLike) -> Pair:
        last = torch.where(state.exists.unsqueeze(1), state.s, 0.0)
        s = torch.stack((last, move.s), dim=1)
        y = torch.stack([oracle.hessian_vector(move.w_bar, row.contiguous()) for row in s.unbind(1)], dim=1)
        state.s = torch.where(move.where.unsqueeze(1), move.s, state.s)
        state.exists = state.exists | move.where
        return Pair(s, y)

    def reset_(self, state: Previous, where: Tensor) -> None:
        state.exists = state.exists & ~where


@dataclass
class Shelf:
    """Gradients, the newest last, in float64, and which are there."""

    rows: Tensor
    there: Tensor


@dataclass(frozen=True, kw_only=True)
class FisherOnAShelf(PairGeneratorBase):
    """Right: the last gradients in float64, moved along by one place at each; the older weigh less."""

    window: int = 10
    fade: float = 0.9

    def init(self, space: Space) -> Shelf:
        return Shelf(space.zeros(self.window, dtype=torch.float64), space.scalars(self.window).bool())

    def observe_(self, state: Shelf, step: Step) -> None:
        rows = torch.cat((state.rows[:, 1:], step.g.double().unsqueeze(1)), dim=1)
        there = torch.cat((state.there[:, 1:], step.where.unsqueeze(1)), dim=1)
        state.rows = torch.where(step.where.view(-1, 1, 1), rows, state.rows)
        state.there = torch.where(step.where.unsqueeze(1), there, state.there)

    def pair_(self, state: Shelf, move: Displacement, oracle: OracleLike) -> Tensor:
        age = torch.arange(self.window - 1, -1, -1, device=state.rows.device, dtype=torch.float64)
        weights = torch.where(state.there, torch.full_like(age, self.fade).pow(age), 0.0)
        inner = torch.where(state.there, torch.einsum("rmn,rn->rm", state.rows, move.s.double()), 0.0)
        total = weights.sum(1, keepdim=True)
        y = torch.einsum("rm,rmn->rn", weights * inner, state.rows) / torch.where(total > 0, total, 1.0)
        return y.to(move.s.dtype)

    def reset_(self, state: Shelf, where: Tensor) -> None:
        state.rows = torch.where(where.view(-1, 1, 1), 0.0, state.rows)
        state.there = state.there & ~where.unsqueeze(1)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {
        "anchor_is_of_the_last_average_though_the_pair_was_refused": AnchorOfTheLastAverage,
        "state_moves_between_two_oracle_calls": PeakBeforeTheSecondProduct,
        "skipped_step_overwrites_the_oldest_of_a_full_store": FisherWithoutASpareSlot,
        "radius_by_the_norm_of_all_runs": RadiusOfAllRuns,
        "noise_starts_anew_at_a_reset_of_nobody": NoiseAnewAtEveryReset,
        "last_displacement_kept_without_a_copy": MeanOfTwoWindows,
        "window_start_lost_where_its_first_step_is_skipped": OldAverageKeptWhereTheFirstStepIsSkipped,
        "reset_within_a_row_of_the_sketch_loses_the_next_gradients": SketchKeepsItsPlaceInTheRow,
        "average_moved_in_place_and_put_back": AverageMovedAndPutBack,
        "average_of_gradients_begins_at_zero_after_a_reset": MeanGradientStartedForEver,
        "gradient_skipped_in_one_run_is_skipped_in_all": SkippedByOneSkippedByAll,
        "slots_in_use_are_those_of_the_first_run": CountedInABatchOfRunZero,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {
        "products_along_this_and_the_last_displacement": ProductsOfThisAndTheLastMove,
        "fading_fisher_on_a_shelf": FisherOnAShelf,
    }
}
