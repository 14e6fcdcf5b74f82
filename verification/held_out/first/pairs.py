"""Pair generators: ten wrong ones and two unusual right ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.checks import require_int
from adaqn_lab.linalg import combine, dot, rows_dot, write_row_
from adaqn_lab.pairs import (
    CentredFisher,
    EmpiricalFisher,
    HessianDifference,
    Mean,
    Normalisation,
    SketchedFisher,
)
from adaqn_lab.pairs.empirical_fisher import FisherStore
from adaqn_lab.pairs.sketched_fisher import SketchStore
from adaqn_lab.protocols import Displacement, Need, OracleLike, Pair, Sample, Step
from adaqn_lab.space import Space
from verification.law import Subject


@dataclass
class Rows:
    """A ring of gradients: ``rows`` (R, W, n), ``head`` the slot to write next, ``count`` held."""

    rows: Tensor
    head: Tensor
    count: Tensor


@dataclass(frozen=True, kw_only=True)
class WrapsToSlotOne(PairGeneratorBase):
    """When the ring wraps it goes on at slot 1: the gradient in slot 0 is never evicted."""

    window: int = 12
    normalisation: Normalisation = Mean()

    declares: ClassVar[frozenset[str]] = frozenset({"fisher"})

    def __post_init__(self) -> None:
        require_int("WrapsToSlotOne", "window", self.window, at_least=2)

    def init(self, space: Space) -> Rows:
        return Rows(space.zeros(self.window), space.counts(), space.counts())

    def observe_(self, state: Rows, step: Step) -> None:
        write_row_(state.rows, step.g, state.head, step.where)
        following = state.head + step.where.long()
        state.head = torch.where(following >= self.window, following - self.window + 1, following)
        state.count = (state.count + step.where.long()).clamp(max=self.window)

    def pair_(self, state: Rows, move: Displacement, oracle: OracleLike) -> Tensor:
        held = torch.arange(self.window, device=state.count.device) < state.count.unsqueeze(1)
        products = torch.where(held, rows_dot(state.rows, move.s), 0.0)
        factor = self.normalisation.factor(state.count.clamp(min=1))
        return combine(products * factor.unsqueeze(1), state.rows, move.s.dtype)

    def reset_(self, state: Rows, where: Tensor) -> None:
        state.head, state.count = state.head.masked_fill(where, 0), state.count.masked_fill(where, 0)


@dataclass
class WindowSums:
    """``total`` (R, n) and ``count`` (R,) of this window's gradients; ``old`` the last window's mean, if ``known``."""

    total: Tensor
    count: Tensor
    old: Tensor
    known: Tensor


class _WindowMeans(PairGeneratorBase):
    """y is the change of the mean gradient from one window to the next; 0 where there is no earlier one."""

    def init(self, space: Space) -> WindowSums:
        return WindowSums(space.zeros(), space.counts(), space.zeros(), space.mask(False))

    def observe_(self, state: WindowSums, step: Step) -> None:
        self.add_(state, step, step.place == 0)

    def add_(self, state: WindowSums, step: Step, first: bool) -> None:
        raise NotImplementedError

    def pair_(self, state: WindowSums, move: Displacement, oracle: OracleLike) -> Tensor:
        some = (state.count > 0).unsqueeze(1)
        mean = state.total / state.count.clamp(min=1).to(state.total.dtype).unsqueeze(1)
        y = torch.where(some & state.known.unsqueeze(1), mean - state.old, 0.0)
        state.old = torch.where(some, mean, state.old)
        state.known = state.known | some.squeeze(1)
        return y

    def reset_(self, state: WindowSums, where: Tensor) -> None:
        state.total = torch.where(where.unsqueeze(1), 0.0, state.total)
        state.count = state.count.masked_fill(where, 0)
        state.known = state.known & ~where


@dataclass(frozen=True)
class SumOfTheOptimizersVector(_WindowMeans):
    """A window's sum begins as step.g itself: the second step adds its gradient to itself, the first is lost."""

    def add_(self, state: WindowSums, step: Step, first: bool) -> None:
        if first:
            state.total, state.count = step.g, step.where.long()
        else:
            state.total, state.count = state.total + step.g, state.count + step.where.long()


@dataclass(frozen=True)
class SkippedStepsCount(_WindowMeans):
    """Every step counts in the mean's denominator, also for runs whose gradient was not finite."""

    def add_(self, state: WindowSums, step: Step, first: bool) -> None:
        total, count = (
            (torch.zeros_like(step.g), torch.zeros_like(state.count)) if first else (state.total, state.count)
        )
        state.total, state.count = total + step.g, count + 1


@dataclass(frozen=True, kw_only=True)
class CountOfRunZero(EmpiricalFisher):
    """Every run is normalised by the number of gradients which run 0 holds."""

    declares: ClassVar[frozenset[str]] = frozenset({"fisher"})

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        count = state.count[:1].expand_as(state.count)
        factor = self.normalisation.factor(count.clamp(min=1))
        return combine(state.products(move.s) * factor.unsqueeze(1), state.gradients, move.s.dtype)


@dataclass
class LastGradient:
    """``g`` (R, n), the gradient at the average last seen, where ``known`` (R,)."""

    g: Tensor
    known: Tensor


@dataclass(frozen=True, kw_only=True)
class ReusesTheLastGradient(PairGeneratorBase):
    """Takes the gradient at the last average for that at w_ref, on another sample and after a skipped pair too."""

    sample: Sample = Sample.BATCH
    shift: float = 0.0

    declares: ClassVar[frozenset[str]] = frozenset({"difference"})

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({self.sample.value})

    def init(self, space: Space) -> LastGradient:
        return LastGradient(space.zeros(), space.mask(False))

    def pair_(self, state: LastGradient, move: Displacement, oracle: OracleLike) -> Tensor:
        here = oracle.gradient(move.w_bar, self.sample)
        there = torch.where(state.known.unsqueeze(1), state.g, oracle.gradient(move.w_ref, self.sample))
        state.g, state.known = here.clone(), state.known | move.where
        return (here - there).add_(move.s, alpha=self.shift)

    def reset_(self, state: LastGradient, where: Tensor) -> None:
        state.known = state.known & ~where


@dataclass(frozen=True)
class TinyDisplacements(PairGeneratorBase):
    """The unit vector is s / (|s| + 1e-6), the product is multiplied by |s|: tiny s give too small a y."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})
    declares: ClassVar[frozenset[str]] = frozenset({"hessian"})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        length = dot(move.s, move.s).sqrt().to(move.s.dtype).unsqueeze(1)
        return oracle.hessian_vector(move.w_bar, move.s / (length + 1e-6)) * length


@dataclass(frozen=True, kw_only=True)
class CountsItsDrawsOnThePart(PairGeneratorBase):
    """The noise follows from the number of draws so far, which the part keeps itself: no checkpoint has it."""

    count: int = 3
    radius: float = 1.0
    seed: int = 0
    _draws: list[int] = field(default_factory=list, repr=False, compare=False)

    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Pair:
        runs, n = move.s.shape
        generator = torch.Generator().manual_seed(self.seed + 1000 * len(self._draws))
        noise = torch.randn(self.count, n, generator=generator, dtype=torch.float64, device="cpu") * self.radius
        s = noise.to(move.s).expand(runs, -1, -1)
        y = torch.stack([oracle.hessian_vector(move.w_bar, row.contiguous()) for row in s.unbind(1)], dim=1)
        self._draws.append(self.count)
        return Pair(s, y, renews=True)


@dataclass(frozen=True, kw_only=True)
class OpenGroupOutlivesReset(SketchedFisher):
    """A reset leaves the open group open: the next gradients go into a row that is not held."""

    def reset_(self, state: SketchStore, where: Tensor) -> None:
        state.head, state.count = state.head.masked_fill(where, 0), state.count.masked_fill(where, 0)


@dataclass(frozen=True, kw_only=True)
class EmptySlotsGetTheMeansWeight(CentredFisher):
    """The mean's part of the weights is not masked: what lies in slots that hold nothing enters y."""

    declares: ClassVar[frozenset[str]] = frozenset({"centred fisher"})

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        share = state.count.clamp(min=1).double().reciprocal().unsqueeze(1)
        products = state.products(move.s)
        mean = products.sum(1, keepdim=True) * share
        return combine((self.batch_size * (products - mean) + mean) * share, state.gradients)


@dataclass(frozen=True, kw_only=True)
class OneRunAtRest(HessianDifference):
    """If the displacement of one run is zero, no run gets a pair."""

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        length = dot(move.s, move.s).sqrt().to(move.s.dtype).unsqueeze(1)
        moved = (length > 0).all()
        offset = move.s * torch.where(moved, self.radius / length, 0.0)
        up = oracle.gradient(move.w_bar + offset, Sample.CURVATURE)
        down = oracle.gradient(move.w_bar - offset, Sample.CURVATURE)
        return (up - down) * torch.where(moved, length / (2.0 * self.radius), 0.0)


@dataclass
class Queue:
    """The gradients (R, W, n), the newest last; ``count`` (R,) of them are held."""

    rows: Tensor
    count: Tensor


@dataclass(frozen=True, kw_only=True)
class ShiftedQueue(PairGeneratorBase):
    """Right: no ring, the rows move down by one at every gradient, and the sums are float64."""

    window: int = 10
    normalisation: Normalisation = Mean()

    declares: ClassVar[frozenset[str]] = frozenset({"fisher"})

    def init(self, space: Space) -> Queue:
        return Queue(space.zeros(self.window), space.counts())

    def observe_(self, state: Queue, step: Step) -> None:
        moved = torch.cat([state.rows[:, 1:], step.g.unsqueeze(1)], dim=1)
        state.rows = torch.where(step.where.view(-1, 1, 1), moved, state.rows)
        state.count = (state.count + step.where.long()).clamp(max=self.window)

    def pair_(self, state: Queue, move: Displacement, oracle: OracleLike) -> Tensor:
        place = torch.arange(self.window, device=state.count.device)
        held = (place >= self.window - state.count.unsqueeze(1)).unsqueeze(2)
        rows = torch.where(held, state.rows, 0.0).double()
        y = rows.mT @ (rows @ move.s.double().unsqueeze(2))
        factor = self.normalisation.factor(state.count.clamp(min=1))
        return (y.squeeze(2) * factor.unsqueeze(1)).to(move.s.dtype)

    def reset_(self, state: Queue, where: Tensor) -> None:
        state.count = state.count.masked_fill(where, 0)


@dataclass(frozen=True)
class TrapezoidHessian(PairGeneratorBase):
    """Right: the mean of the Hessians at both ends of the displacement, symmetric as each of them."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        here, there = (oracle.hessian_vector(w, move.s) for w in (move.w_bar, move.w_ref))
        return here.add(there).mul_(0.5)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {
        "ring_wraps_to_slot_one": WrapsToSlotOne,
        "window_sum_begins_as_the_optimizers_vector": SumOfTheOptimizersVector,
        "skipped_steps_count_in_the_mean": SkippedStepsCount,
        "normalised_by_the_count_of_run_zero": lambda: CountOfRunZero(window=12),
        "last_gradient_reused_as_that_at_w_ref": ReusesTheLastGradient,
        "tiny_displacements_give_too_small_products": TinyDisplacements,
        "draws_counted_on_the_part": CountsItsDrawsOnThePart,
        "open_group_outlives_a_reset": lambda: OpenGroupOutlivesReset(rows=5, group=3),
        "empty_slots_get_the_means_weight": lambda: EmptySlotsGetTheMeansWeight(batch_size=4, window=9),
        "one_run_at_rest_leaves_all_without_a_pair": OneRunAtRest,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {
        "queue_of_shifted_rows": ShiftedQueue,
        "trapezoid_of_two_hessians": TrapezoidHessian,
    }
}
