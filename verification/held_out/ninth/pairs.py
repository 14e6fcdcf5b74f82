"""Pair generators: seven wrong, two unusual but right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import GradientDifference, HessianVector, Mean
from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.pairs.normalisation import Normalisation
from adaqn_lab.protocols import Displacement, Need, OracleLike, Pair, Sample, Step
from adaqn_lab.space import Space
from verification.law import Subject


@dataclass
class Shelf:
    """``rows`` (R, W, n), the newest last; ``held`` (R, W); ``seen`` (R,) int64: the gradients so far."""

    rows: Tensor
    held: Tensor
    seen: Tensor

    @classmethod
    def empty(cls, space: Space, window: int) -> Shelf:
        """Nothing is held."""
        return cls(space.zeros(window), space.scalars(window).bool(), space.counts())

    def push_(self, g: Tensor, where: Tensor) -> None:
        """Store g of the runs in ``where``."""
        rows = torch.cat([self.rows[:, 1:], g.unsqueeze(1)], 1)
        held = torch.cat([self.held[:, 1:], where.unsqueeze(1)], 1)
        self.rows = torch.where(where.view(-1, 1, 1), rows, self.rows)
        self.held = torch.where(where.unsqueeze(1), held, self.held)
        self.seen = self.seen + where.long()

    def clear_(self, where: Tensor) -> None:
        """Forget the runs in ``where``."""
        self.rows = torch.where(where.view(-1, 1, 1), 0.0, self.rows)
        self.held = self.held & ~where.unsqueeze(1)
        self.seen = self.seen.masked_fill(where, 0)

    def count(self) -> Tensor:
        """The gradients held, at least 1, (R,) int64."""
        return self.held.sum(1).clamp(min=1)

    def products(self, s: Tensor) -> Tensor:
        """g_i's (R, W) float64."""
        return torch.einsum("rwn,rn->rw", self.rows.double(), s.double())

    def combine(self, weights: Tensor, like: Tensor) -> Tensor:
        """sum_i weights_i g_i (R, n)."""
        return torch.einsum("rw,rwn->rn", weights, self.rows.double()).to(like.dtype)


@dataclass(frozen=True, kw_only=True)
class Shelved(PairGeneratorBase):
    """What the generators here which store gradients share."""

    window: int = 30

    def init(self, space: Space) -> Any:
        """An empty store."""
        return Shelf.empty(space, self.window)

    def observe_(self, state: Any, step: Step) -> None:
        """Store g."""
        state.push_(step.g, step.where)

    def reset_(self, state: Any, where: Tensor) -> None:
        """Forget."""
        state.clear_(where)


@dataclass(frozen=True, kw_only=True)
class NeighbourProducts(Shelved):
    """Every gradient is weighted by the product of its predecessor: A = sum g_i g_{i-1}' is not symmetric."""

    declares: ClassVar[frozenset[str]] = frozenset({"linear pairs"})

    def pair_(self, state: Shelf, move: Displacement, oracle: OracleLike) -> Tensor:
        """Return y."""
        shifted = torch.roll(state.products(move.s), 1, dims=1)
        return state.combine(shifted / state.count().unsqueeze(1), move.s)


@dataclass(frozen=True, kw_only=True)
class MeanOverAllSeen(Shelved):
    """The sum over the window is divided by all gradients ever seen: from the first eviction on y shrinks."""

    normalisation: Normalisation = Mean()

    declares: ClassVar[frozenset[str]] = frozenset({"fisher"})

    def pair_(self, state: Shelf, move: Displacement, oracle: OracleLike) -> Tensor:
        """Return y."""
        factor = self.normalisation.factor(state.seen.clamp(min=1))
        return state.combine(state.products(move.s) * factor.unsqueeze(1), move.s)


@dataclass(frozen=True, kw_only=True)
class LengthOfEveryRun(Shelved):
    """The gradients are made unit on average by a mean square which runs over the runs too: runs influence another."""

    def pair_(self, state: Shelf, move: Displacement, oracle: OracleLike) -> Tensor:
        """Return y."""
        square = state.rows.double().square().sum(2)
        mean = (square.sum() / state.held.sum().clamp(min=1)).clamp(min=1e-300)
        return state.combine(state.products(move.s) / mean, move.s)


@dataclass(frozen=True, kw_only=True)
class TwoSamples(GradientDifference):
    """The gradient at w_bar is of the overlap, that at w_ref of the mini-batch: noise of the samples enters y."""

    sample: Sample = Sample.OVERLAP

    declares: ClassVar[frozenset[str]] = frozenset({"difference"})

    @property
    def needs(self) -> frozenset[Need]:
        """Both samples'."""
        return frozenset({self.sample.value, Need.BATCH_GRADIENT})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        """Return y."""
        y = oracle.gradient(move.w_bar, self.sample) - oracle.gradient(move.w_ref, Sample.BATCH)
        return y.add_(move.s, alpha=self.shift) if self.shift else y


@dataclass(frozen=True)
class HessianHalfway(HessianVector):
    """The Hessian is that of the midpoint between w_ref and w_bar."""

    declares: ClassVar[frozenset[str]] = frozenset({"hessian"})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        """Return y."""
        return oracle.hessian_vector(torch.lerp(move.w_ref, move.w_bar, 0.5), move.s)


@dataclass
class CentredShelf:
    """A shelf, the moving ``mean`` (R, n) of the gradients and whether it has ``started`` (R,)."""

    shelf: Shelf
    mean: Tensor
    started: Tensor


@dataclass(frozen=True, kw_only=True)
class MeanSurvives(Shelved):
    """``reset_`` empties the store but keeps the moving mean by which the gradients are centred."""

    decay: float = 0.95

    def init(self, space: Space) -> CentredShelf:
        """Nothing is known."""
        return CentredShelf(Shelf.empty(space, self.window), space.zeros(), space.mask(False))

    def observe_(self, state: CentredShelf, step: Step) -> None:
        """Store g, move the mean."""
        state.shelf.push_(step.g, step.where)
        moved = torch.where(state.started.unsqueeze(1), state.mean.lerp(step.g, 1.0 - self.decay), step.g)
        state.mean = torch.where(step.where.unsqueeze(1), moved, state.mean)
        state.started = state.started | step.where

    def pair_(self, state: CentredShelf, move: Displacement, oracle: OracleLike) -> Tensor:
        """Return y = (1/|F|) sum (g_i - m) (g_i - m)'s + m (m's)."""
        shelf, m, s = state.shelf, state.mean.double(), move.s.double()
        along = (m * s).sum(1, keepdim=True)
        weights = torch.where(shelf.held, shelf.products(move.s) - along, 0.0) / shelf.count().unsqueeze(1)
        y = shelf.combine(weights, s) - weights.sum(1, keepdim=True) * m + along * m
        return y.to(move.s.dtype)

    def reset_(self, state: CentredShelf, where: Tensor) -> None:
        """Empty the store."""
        state.shelf.clear_(where)


@dataclass
class Ticks:
    """``windows`` (R,) int64: the pairs made so far."""

    windows: Tensor


@dataclass(frozen=True, kw_only=True)
class CountsBeforeAsking(PairGeneratorBase):
    """The shift falls with the pairs made, and they are counted before the oracle, which may raise, is asked."""

    shift: float = 0.1

    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})

    def init(self, space: Space) -> Ticks:
        """None yet."""
        return Ticks(space.counts())

    def pair_(self, state: Ticks, move: Displacement, oracle: OracleLike) -> Tensor:
        """Return y = A s + (shift / windows) s."""
        state.windows = state.windows + move.where.long()
        weight = (self.shift / state.windows.clamp(min=1).double()).to(move.s.dtype).unsqueeze(1)
        return oracle.hessian_vector(move.w_bar, move.s) + weight * move.s

    def reset_(self, state: Ticks, where: Tensor) -> None:
        """Count anew."""
        state.windows = state.windows.masked_fill(where, 0)


@dataclass
class Matrix:
    """``A`` (R, n, n) float64: a decaying sum of g g'."""

    A: Tensor


@dataclass(frozen=True, kw_only=True)
class DenseDecayingFisher(PairGeneratorBase):
    """Right: A <- decay A + (1 - decay) g g' as one dense float64 matrix, symmetric and >= 0."""

    decay: float = 0.9

    declares: ClassVar[frozenset[str]] = frozenset({"linear pairs"})

    def init(self, space: Space) -> Matrix:
        """A = 0."""
        return Matrix(space.scalars(space.size, space.size))

    def observe_(self, state: Matrix, step: Step) -> None:
        """Add g g'."""
        g = step.g.double()
        moved = self.decay * state.A + (1.0 - self.decay) * (g.unsqueeze(2) * g.unsqueeze(1))
        state.A = torch.where(step.where.view(-1, 1, 1), moved, state.A)

    def pair_(self, state: Matrix, move: Displacement, oracle: OracleLike) -> Tensor:
        """Return y = A s."""
        return (state.A @ move.s.double().unsqueeze(2)).squeeze(2).to(move.s.dtype)

    def reset_(self, state: Matrix, where: Tensor) -> None:
        """A = 0."""
        state.A = torch.where(where.view(-1, 1, 1), 0.0, state.A)


@dataclass(frozen=True)
class TwoEnds(PairGeneratorBase):
    """Right: the mean Hessian by the trapezoidal rule over both ends, with the displacement stated as its own."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Pair:
        """Return (s, y)."""
        y = oracle.hessian_vector(move.w_bar, move.s) + oracle.hessian_vector(move.w_ref, move.s)
        return Pair(move.s.clone(), y * 0.5)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {
        "gradient_weighted_by_the_product_of_its_predecessor": NeighbourProducts,
        "mean_over_all_gradients_seen_not_held": MeanOverAllSeen,
        "mean_square_taken_over_the_runs_too": LengthOfEveryRun,
        "one_end_on_the_overlap_the_other_on_the_batch": TwoSamples,
        "hessian_at_the_midpoint": HessianHalfway,
        "reset_keeps_the_moving_mean": MeanSurvives,
        "pair_counted_before_the_oracle_is_asked": CountsBeforeAsking,
    }
}
HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {"dense_decaying_fisher": DenseDecayingFisher, "trapezoidal_hessian": TwoEnds}
}
