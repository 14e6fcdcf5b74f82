"""Pair generators: seven wrong ones, three that are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.linalg import combine, dot, rows_dot
from adaqn_lab.pairs import Mean, Normalisation
from adaqn_lab.protocols import Displacement, Need, OracleLike, Pair, Sample, Step
from adaqn_lab.space import Space
from verification.law import Subject


@dataclass
class Stack:
    """``gradients`` (R, m, n), the newest first; ``count`` (R,) of them."""

    gradients: Tensor
    count: Tensor

    def push_(self, g: Tensor, where: Tensor) -> None:
        """Put g on top where the run made a step."""
        m = self.gradients.shape[1]
        moved = torch.cat([g.unsqueeze(1), self.gradients[:, :-1]], dim=1)
        self.gradients = torch.where(where.view(-1, 1, 1), moved, self.gradients)
        self.count = (self.count + where.long()).clamp(max=m)

    def held(self) -> Tensor:
        """Which places hold a gradient."""
        return torch.arange(self.gradients.shape[1], device=self.count.device) < self.count.unsqueeze(1)


@dataclass(frozen=True, kw_only=True)
class LeadingCountFisher(PairGeneratorBase):
    """The factor is that of the run which holds most gradients: a run reset alone divides by the others' number."""

    window: int = 100
    normalisation: Normalisation = Mean()
    declares: ClassVar[frozenset[str]] = frozenset({"fisher"})

    def init(self, space: Space) -> Stack:
        return Stack(space.zeros(self.window), space.counts())

    def observe_(self, state: Stack, step: Step) -> None:
        state.push_(step.g, step.where)

    def pair_(self, state: Stack, move: Displacement, oracle: OracleLike) -> Tensor:
        products = torch.where(state.held(), rows_dot(state.gradients, move.s), 0.0)
        factor = self.normalisation.factor(state.count.amax().clamp(min=1))
        return combine(products * factor, state.gradients)

    def reset_(self, state: Stack, where: Tensor) -> None:
        state.count = state.count.masked_fill(where, 0)


@dataclass
class LastGradient:
    """The point of the last window, its gradient, and whether there is one."""

    w: Tensor
    g: Tensor
    known: Tensor


@dataclass(frozen=True, kw_only=True)
class RememberedDifference(PairGeneratorBase):
    """g(w_ref) is the one kept from the window before where the point is the same, though the sample is another."""

    sample: Sample = Sample.BATCH
    shift: float = 0.0
    declares: ClassVar[frozenset[str]] = frozenset({"difference"})

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({self.sample.value})

    def init(self, space: Space) -> LastGradient:
        return LastGradient(space.zeros(), space.zeros(), space.mask(False))

    def pair_(self, state: LastGradient, move: Displacement, oracle: OracleLike) -> Tensor:
        new = oracle.gradient(move.w_bar, self.sample)
        old = oracle.gradient(move.w_ref, self.sample)
        same = state.known & (state.w == move.w_ref).all(dim=1)
        old = torch.where(same.unsqueeze(1), state.g, old)
        where = move.where.unsqueeze(1)
        state.w, state.g = torch.where(where, move.w_bar, state.w), torch.where(where, new, state.g)
        state.known = state.known | move.where
        return new - old + self.shift * move.s

    def reset_(self, state: LastGradient, where: Tensor) -> None:
        state.known = state.known & ~where


@dataclass
class Cursor:
    """``next`` (R,): the coordinate to be probed next."""

    next: Tensor


@dataclass(frozen=True, kw_only=True)
class CoordinateProbes(PairGeneratorBase):
    """The cursor moves on before the products: where the callable raises, the second call probes other coordinates."""

    count: int = 3
    radius: float = 0.1
    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})

    def init(self, space: Space) -> Cursor:
        return Cursor(space.counts())

    def pair_(self, state: Cursor, move: Displacement, oracle: OracleLike) -> Pair:
        runs, n = move.s.shape
        places = torch.arange(self.count, device=move.s.device)
        index = torch.remainder(state.next.unsqueeze(1) + places, n)
        state.next = torch.where(move.where, torch.remainder(state.next + self.count, n), state.next)
        s = move.s.new_zeros(runs, self.count, n).scatter_(2, index.unsqueeze(2), self.radius)
        y = torch.stack([oracle.hessian_vector(move.w_bar, row.contiguous()) for row in s.unbind(1)], dim=1)
        return Pair(s, y)

    def reset_(self, state: Cursor, where: Tensor) -> None:
        state.next = state.next.masked_fill(where, 0)


@dataclass(frozen=True, kw_only=True)
class CommonRadiusDifference(PairGeneratorBase):
    """t = radius / the longest |s| of all runs: a run's product depends on how far its neighbours went."""

    radius: float = 1e-2
    needs: ClassVar[frozenset[Need]] = frozenset({Need.CURVATURE_GRADIENT})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        length = dot(move.s, move.s).sqrt().max()
        t = torch.where(length > 0, self.radius / length, 1.0).to(move.s.dtype)
        up = oracle.gradient(move.w_bar + t * move.s, Sample.CURVATURE)
        down = oracle.gradient(move.w_bar - t * move.s, Sample.CURVATURE)
        return (up - down) / (2.0 * t)


@dataclass
class Means:
    """Moving averages, what they were at marks in time, and whether there are any."""

    w: Tensor
    g: Tensor
    w_old: Tensor
    g_old: Tensor
    g_mark: Tensor
    started: Tensor
    has_old: Tensor


@dataclass(frozen=True, kw_only=True)
class UnevenAverages(PairGeneratorBase):
    """The average of gradients is marked before a window's last gradient, that of iterates after it."""

    decay: float = 0.9
    every: int = 20
    declares: ClassVar[frozenset[str]] = frozenset({"averaged difference"})

    def check_recipe(self, recipe: Any) -> None:
        if recipe.cadence.every != self.every:
            raise ValueError(f"UnevenAverages: every={self.every} is not the cadence's {recipe.cadence.every}.")

    def init(self, space: Space) -> Means:
        return Means(*(space.zeros() for _ in range(5)), space.mask(False), space.mask(False))

    def observe_(self, state: Means, step: Step) -> None:
        if step.place == 0:
            state.w_old, state.has_old = state.w.clone(), state.started.clone()
        if step.last:
            state.g_old, state.g_mark = state.g_mark, state.g.clone()
        fresh, where = ~state.started.unsqueeze(1), step.where.unsqueeze(1)
        w, g = step.w(), step.g
        w = torch.where(fresh, w, self.decay * state.w + (1.0 - self.decay) * w)
        g = torch.where(fresh, g, self.decay * state.g + (1.0 - self.decay) * g)
        state.w, state.g = torch.where(where, w, state.w), torch.where(where, g, state.g)
        state.started = state.started | step.where

    def pair_(self, state: Means, move: Displacement, oracle: OracleLike) -> Pair:
        known = (state.has_old & state.started).unsqueeze(1)
        return Pair(torch.where(known, state.w - state.w_old, 0.0), torch.where(known, state.g - state.g_old, 0.0))

    def reset_(self, state: Means, where: Tensor) -> None:
        state.started, state.has_old = state.started & ~where, state.has_old & ~where


@dataclass
class SummedStack:
    """A :class:`Stack` and the sum of what it holds, (R, n)."""

    stack: Stack
    total: Tensor


@dataclass(frozen=True, kw_only=True)
class RunningSumCentredFisher(PairGeneratorBase):
    """The mean is of a running sum, new added and oldest taken away: large gradients leave their rounding behind."""

    batch_size: int = 8
    window: int = 100
    declares: ClassVar[frozenset[str]] = frozenset({"centred fisher"})

    def init(self, space: Space) -> SummedStack:
        return SummedStack(Stack(space.zeros(self.window), space.counts()), space.zeros())

    def observe_(self, state: SummedStack, step: Step) -> None:
        leaves = step.where & (state.stack.count == self.window)
        oldest = torch.where(leaves.unsqueeze(1), state.stack.gradients[:, -1], 0.0)
        state.total = state.total + step.g - oldest
        state.stack.push_(step.g, step.where)

    def pair_(self, state: SummedStack, move: Displacement, oracle: OracleLike) -> Tensor:
        rows, held = state.stack.gradients, state.stack.held()
        share = state.stack.count.clamp(min=1).double().reciprocal()
        mean = (dot(state.total, move.s) * share).unsqueeze(1)
        products = rows_dot(rows, move.s)
        weights = torch.where(held, self.batch_size * (products - mean) + mean, 0.0)
        return combine(weights * share.unsqueeze(1), rows)

    def reset_(self, state: SummedStack, where: Tensor) -> None:
        state.stack.count = state.stack.count.masked_fill(where, 0)
        state.total = torch.where(where.unsqueeze(1), 0.0, state.total)


@dataclass
class Board:
    """``rows`` (R, m, n), one place for a step in turn, and ``held`` (R, m)."""

    rows: Tensor
    held: Tensor

    def __post_init__(self) -> None:
        self.turn = 0


@dataclass(frozen=True, kw_only=True)
class TurnOutsideOfTheState(PairGeneratorBase):
    """Whose turn it is stands beside the fields: a loaded state has every row and writes over the wrong ones."""

    window: int = 15

    def init(self, space: Space) -> Board:
        return Board(space.zeros(self.window), space.scalars(self.window).bool())

    def observe_(self, state: Board, step: Step) -> None:
        state.rows[:, state.turn].copy_(step.g)
        state.held[:, state.turn].copy_(step.where)
        state.turn = (state.turn + 1) % self.window

    def pair_(self, state: Board, move: Displacement, oracle: OracleLike) -> Tensor:
        share = state.held.sum(1, keepdim=True).clamp(min=1)
        return combine(torch.where(state.held, rows_dot(state.rows, move.s), 0.0) / share, state.rows)

    def reset_(self, state: Board, where: Tensor) -> None:
        state.held = state.held & ~where.unsqueeze(1)


@dataclass(frozen=True, kw_only=True)
class RichardsonProduct(PairGeneratorBase):
    """Right: two central differences, extrapolated to fourth order; y = 0 where s = 0."""

    radius: float = 2e-2
    needs: ClassVar[frozenset[Need]] = frozenset({Need.CURVATURE_GRADIENT})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        length = dot(move.s, move.s).sqrt().to(move.s.dtype).unsqueeze(1)
        unit = torch.where(length > 0, move.s / length, 0.0)

        def central(r: float) -> Tensor:
            up = oracle.gradient(move.w_bar + r * unit, Sample.CURVATURE)
            return (up - oracle.gradient(move.w_bar - r * unit, Sample.CURVATURE)) / (2.0 * r)

        product = (4.0 * central(self.radius / 2) - central(self.radius)) / 3.0
        return torch.where(length > 0, product * length, 0.0)


@dataclass(frozen=True, kw_only=True)
class StackedFisher(PairGeneratorBase):
    """Right: the gradients lie in order of age and every product is taken in float64."""

    window: int = 100
    normalisation: Normalisation = Mean()
    declares: ClassVar[frozenset[str]] = frozenset({"fisher"})

    def init(self, space: Space) -> Stack:
        return Stack(space.zeros(self.window), space.counts())

    def observe_(self, state: Stack, step: Step) -> None:
        state.push_(step.g, step.where)

    def pair_(self, state: Stack, move: Displacement, oracle: OracleLike) -> Tensor:
        F = torch.where(state.held().unsqueeze(2), state.gradients, 0.0).double()
        factor = self.normalisation.factor(state.count.clamp(min=1)).view(-1, 1, 1)
        product = F.mT @ (F @ move.s.double().unsqueeze(2))
        return (factor * product).squeeze(2).to(move.s.dtype)

    def reset_(self, state: Stack, where: Tensor) -> None:
        state.gradients = torch.where(where.view(-1, 1, 1), 0.0, state.gradients)
        state.count = state.count.masked_fill(where, 0)


@dataclass(frozen=True, kw_only=True)
class WideDifference(PairGeneratorBase):
    """Right: the reference's gradient first, and the difference taken in float64."""

    sample: Sample = Sample.CURVATURE
    shift: float = 1e-3
    declares: ClassVar[frozenset[str]] = frozenset({"difference"})

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({self.sample.value})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        old = oracle.gradient(move.w_ref, self.sample).double()
        change = oracle.gradient(move.w_bar, self.sample).double() - old
        return (change + self.shift * move.s.double()).to(move.s.dtype)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {
        "factor_of_the_run_with_most_gradients": LeadingCountFisher,
        "reference_gradient_kept_from_another_sample": RememberedDifference,
        "cursor_moved_before_the_oracle": CoordinateProbes,
        "radius_over_longest_run": CommonRadiusDifference,
        "gradient_average_marked_one_step_early": UnevenAverages,
        "mean_by_running_sum_keeps_rounding": RunningSumCentredFisher,
        "turn_is_no_field_of_the_state": TurnOutsideOfTheState,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {
        "richardson_product": RichardsonProduct,
        "stacked_fisher_in_float64": StackedFisher,
        "difference_in_float64": WideDifference,
    }
}
