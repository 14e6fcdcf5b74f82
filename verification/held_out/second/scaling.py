"""Scalings: seven wrong ones and two unusual right ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from adaqn_lab.bases import ScalingBase
from adaqn_lab.diagonal import Diagonal
from adaqn_lab.protocols import Curvature, Step
from adaqn_lab.scaling import AdaGrad, ClippedBarzilaiBorwein, RMSProp
from adaqn_lab.scaling.rmsprop import SquareMean
from adaqn_lab.space import Space
from verification.law import Subject


@dataclass
class Squares:
    """``total`` (R, n): a sum or a mean of squared gradients."""

    total: Tensor


@dataclass(frozen=True, kw_only=True)
class BlocksOfAllRuns(ScalingBase):
    """One entry for ``size`` neighbours, cut from the vectors of all runs end to end: blocks straddle two runs."""

    size: int = 4
    decay: float = 0.9
    eps: float = 1e-4

    def init(self, space: Space) -> Squares:
        return Squares(space.zeros())

    def observe_(self, state: Squares, step: Step) -> None:
        squares = (step.g * step.g).reshape(-1)
        filled = pad(squares, (0, -squares.numel() % self.size)).view(-1, self.size)
        means = filled.mean(1, keepdim=True).expand(-1, self.size).reshape(-1)[: squares.numel()].view_as(step.g)
        state.total = torch.where(step.where.unsqueeze(1), state.total.lerp(means, 1.0 - self.decay), state.total)

    def h0(self, state: Squares, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.total, eps=self.eps)


@dataclass(frozen=True, kw_only=True)
class IdentityWithoutAPair(ClippedBarzilaiBorwein):
    """Before there is a pair H0 = I, which is longer than 1 / floor allows."""

    floor: float = 4.0

    declares: ClassVar[frozenset[str]] = frozenset({"clipped barzilai-borwein"})

    def _gamma(self, curvature: Curvature) -> Tensor:
        s_y, _, y_y, exists = curvature.newest()
        return torch.where(exists, (y_y / s_y).clamp(min=self.floor), 1.0)


@dataclass
class MeanAndCopy:
    """``mean`` (R, n) and the ``copy`` of it that H0 is made of."""

    mean: Tensor
    copy: Tensor


@dataclass(frozen=True, kw_only=True)
class RefreshedByNumber(RMSProp):
    """Renews H0 at every fifth step by an ``if`` on ``step.k``: where that is a tensor the host reads it."""

    every: int = 5

    def init(self, space: Space) -> MeanAndCopy:  # type: ignore[override]
        return MeanAndCopy(space.zeros(), space.zeros())

    def observe_(self, state: MeanAndCopy, step: Step) -> None:  # type: ignore[override]
        own = SquareMean(state.mean)
        super().observe_(own, step)
        state.mean = own.mean
        if step.k % self.every == 1:
            state.copy = state.mean.clone()

    def h0(self, state: MeanAndCopy, curvature: Curvature) -> Diagonal:  # type: ignore[override]
        return Diagonal(squares=state.copy, eps=self.eps)


@dataclass
class Waiting:
    """``total`` (R, n), the sum of squares, and ``newest``, those of the last gradient, not yet in it."""

    total: Tensor
    newest: Tensor


@dataclass(frozen=True, kw_only=True)
class AStepLate(AdaGrad):
    """The current gradient's squares come into the sum when the next one is seen."""

    declares: ClassVar[frozenset[str]] = frozenset({"adagrad"})

    def init(self, space: Space) -> Waiting:  # type: ignore[override]
        return Waiting(space.zeros(), space.zeros())

    def observe_(self, state: Waiting, step: Step) -> None:  # type: ignore[override]
        state.total = state.total + state.newest
        state.newest = step.g * step.g

    def h0(self, state: Waiting, curvature: Curvature) -> Diagonal:  # type: ignore[override]
        return Diagonal(squares=state.total, eps=self.eps)


@dataclass(frozen=True)
class OneSide:
    """T D: entries ``d`` (R, n), then the mean of the result times ``share`` is added to all of it."""

    d: Tensor
    share: float

    def apply_(self, v: Tensor) -> Tensor:
        v = v.mul_(self.d)
        return v.add_(v.mean(1, keepdim=True), alpha=self.share)

    def solve_(self, v: Tensor) -> Tensor:
        return v.sub_(v.mean(1, keepdim=True), alpha=self.share / (1.0 + self.share)).div_(self.d)


@dataclass(frozen=True, kw_only=True)
class SmoothedOnOneSide(ScalingBase):
    """Smooths what the diagonal returns: T D with both symmetric, whose product is not."""

    share: float = 0.5
    eps: float = 1e-2

    def init(self, space: Space) -> Squares:
        return Squares(space.zeros())

    def observe_(self, state: Squares, step: Step) -> None:
        state.total = state.total + step.g * step.g

    def h0(self, state: Squares, curvature: Curvature) -> OneSide:
        return OneSide((state.total + self.eps).rsqrt(), self.share)


@dataclass(frozen=True)
class Pseudo:
    """diag(d), with 0 / 0 = 0."""

    d: Tensor

    def apply_(self, v: Tensor) -> Tensor:
        return v.mul_(self.d)

    def solve_(self, v: Tensor) -> Tensor:
        return torch.where(self.d > 0, v / self.d, 0.0)


@dataclass(frozen=True)
class NothingWhereNothingWasSeen(ScalingBase):
    """1 / sqrt(G) and no eps, 0 where G = 0: H0 is singular until every entry had a gradient."""

    def init(self, space: Space) -> Squares:
        return Squares(space.zeros())

    def observe_(self, state: Squares, step: Step) -> None:
        state.total = state.total + step.g * step.g

    def h0(self, state: Squares, curvature: Curvature) -> Pseudo:
        return Pseudo(torch.where(state.total > 0, state.total.rsqrt(), 0.0))


@dataclass
class Buffered:
    """``total`` (R, n), the mean of squares; ``out`` (R, n), room for a product."""

    total: Tensor
    out: Tensor


@dataclass(frozen=True)
class IntoABuffer:
    """diag(d), each product in ``out``."""

    d: Tensor
    out: Tensor

    def apply_(self, v: Tensor) -> Tensor:
        return self.out.copy_(v * self.d)

    def solve_(self, v: Tensor) -> Tensor:
        return self.out.copy_(v / self.d)


@dataclass(frozen=True, kw_only=True)
class OneBuffer(ScalingBase):
    """All products with H0 are returned in one buffer of the state: the next one overwrites the last."""

    decay: float = 0.95
    eps: float = 1e-4

    def init(self, space: Space) -> Buffered:
        return Buffered(space.zeros(), space.zeros())

    def observe_(self, state: Buffered, step: Step) -> None:
        moved = state.total.lerp(step.g * step.g, 1.0 - self.decay)
        state.total = torch.where(step.where.unsqueeze(1), moved, state.total)

    def h0(self, state: Buffered, curvature: Curvature) -> IntoABuffer:
        return IntoABuffer((state.total + self.eps).rsqrt(), state.out)


# -- right ones --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BothSides:
    """D^1/2 T D^1/2: ``root`` (R, n) is D^1/2, T = I + share (mean)."""

    root: Tensor
    share: float

    def apply_(self, v: Tensor) -> Tensor:
        v = v.mul_(self.root)
        return v.add_(v.mean(1, keepdim=True), alpha=self.share).mul_(self.root)

    def solve_(self, v: Tensor) -> Tensor:
        v = v.div_(self.root)
        return v.sub_(v.mean(1, keepdim=True), alpha=self.share / (1.0 + self.share)).div_(self.root)


@dataclass(frozen=True, kw_only=True)
class SmoothedOnBothSides(ScalingBase):
    """Right: D^1/2 T D^1/2 with T = I + share 11'/n, not diagonal, symmetric, positive, and its exact inverse."""

    share: float = 0.5
    eps: float = 1e-2

    def init(self, space: Space) -> Squares:
        return Squares(space.zeros())

    def observe_(self, state: Squares, step: Step) -> None:
        state.total = state.total + step.g * step.g

    def h0(self, state: Squares, curvature: Curvature) -> BothSides:
        return BothSides((state.total + self.eps).pow(-0.25), self.share)


@dataclass
class MeanAndPeak:
    """``mean`` (R, n) of squares and its largest values so far, ``peak`` (R, n)."""

    mean: Tensor
    peak: Tensor


@dataclass(frozen=True, kw_only=True)
class Peaks(ScalingBase):
    """Right: AMSGrad's diagonal, the largest value so far of the decaying mean of squares; entries only fall."""

    decay: float = 0.9
    eps: float = 1e-4

    def init(self, space: Space) -> MeanAndPeak:
        return MeanAndPeak(space.zeros(), space.zeros())

    def observe_(self, state: MeanAndPeak, step: Step) -> None:
        moved = self.decay * state.mean + (1.0 - self.decay) * step.g * step.g
        state.mean = torch.where(step.where.unsqueeze(1), moved, state.mean)
        state.peak = torch.maximum(state.peak, state.mean)

    def h0(self, state: MeanAndPeak, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.peak, eps=self.eps)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.SCALING: {
        "blocks_straddle_runs": BlocksOfAllRuns,
        "identity_without_a_pair": IdentityWithoutAPair,
        "branches_on_the_step_number": RefreshedByNumber,
        "current_gradient_a_step_late": lambda: AStepLate(eps=1.0),
        "smoothed_on_one_side": SmoothedOnOneSide,
        "singular_where_nothing_was_seen": NothingWhereNothingWasSeen,
        "one_buffer_for_every_product": OneBuffer,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.SCALING: {
        "smoothed_on_both_sides": SmoothedOnBothSides,
        "largest_mean_of_squares": Peaks,
    }
}
