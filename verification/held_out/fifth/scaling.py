"""Scalings: wrong ones, and unusual ones that are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import BarzilaiBorweinMean, BiasCorrectedRMSProp, Diagonal
from adaqn_lab.bases import ScalingBase
from adaqn_lab.protocols import Curvature, Step
from adaqn_lab.scaling.bias_corrected_rmsprop import CorrectedMean
from adaqn_lab.space import Space
from verification.law import Subject


@dataclass
class Mean:
    """``mean`` (R, n): the decaying mean of squared gradients."""

    mean: Tensor


def decayed(mean: Tensor, step: Step, decay: float) -> Tensor:
    """The mean with g*g in it for the runs in ``step.where``."""
    moved = mean * decay + step.g.square() * (1.0 - decay)
    return torch.where(step.where.unsqueeze(1), moved, mean)


class RatioOfSums(BarzilaiBorweinMean):
    """gamma = sum s'y / sum y'y over the pairs held, where the mean of the ratios is claimed."""

    declares: ClassVar[frozenset[str]] = frozenset({"barzilai-borwein mean"})

    def _gamma(self, curvature: Curvature) -> Tensor:
        s_y, _, y_y, held = curvature.products()
        ratio = torch.where(held, s_y, 0.0).sum(1) / torch.where(held, y_y, 0.0).sum(1)
        return torch.where(held.any(1), ratio, self.initial)


class BusiestRunsCorrection(BiasCorrectedRMSProp):
    """Every run's mean is corrected for the number of gradients of the run which has seen most of them."""

    def h0(self, state: CorrectedMean, curvature: Curvature) -> Diagonal:
        t = state.count.max().double()
        held = 1.0 - torch.pow(torch.full_like(t, self.decay), t)
        weight = torch.where(state.count > 0, 1.0 / held, 1.0)
        return Diagonal(squares=state.mean, weight=weight, eps=self.eps)


@dataclass
class RunningSum:
    """The last ``squares`` (R, m, n), their ``total`` (R, n), and how many came (R,)."""

    squares: Tensor
    total: Tensor
    came: Tensor


@dataclass(frozen=True, kw_only=True)
class SumBySubtraction(ScalingBase):
    """The sum over a window gains what comes and loses what leaves: a huge gradient leaves its rounding, even < 0."""

    window: int = 8
    eps: float = 1e-4

    def init(self, space: Space) -> RunningSum:
        return RunningSum(space.zeros(self.window), space.zeros(), space.counts())

    def observe_(self, state: RunningSum, step: Step) -> None:
        slots = torch.arange(self.window, device=step.g.device)
        here = ((slots == (state.came % self.window).unsqueeze(1)) & step.where.unsqueeze(1)).unsqueeze(2)
        leaving = torch.where(here, state.squares, 0.0).sum(1)
        square = step.g.square()
        state.total = state.total + square - leaving
        state.squares = torch.where(here, square.unsqueeze(1), state.squares)
        state.came = state.came + step.where.long()

    def h0(self, state: RunningSum, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.total, eps=self.eps)


@dataclass(frozen=True)
class AddedOutside:
    """H0 = diag(1 / (sqrt(V) + eps))."""

    mean: Tensor
    eps: float

    def apply_(self, v: Tensor) -> Tensor:
        """Return H0 v."""
        return v.div_(self.mean.sqrt().add_(self.eps))

    def solve_(self, v: Tensor) -> Tensor:
        """Return sqrt(V + eps) v."""
        return v.mul_(self.mean.add(self.eps).sqrt_())


@dataclass(frozen=True, kw_only=True)
class EpsMovesInside(ScalingBase):
    """eps is outside the root in the product with H0 and inside it in the product with its inverse."""

    decay: float = 0.95
    eps: float = 1e-3

    def init(self, space: Space) -> Mean:
        return Mean(space.zeros())

    def observe_(self, state: Mean, step: Step) -> None:
        state.mean = decayed(state.mean, step, self.decay)

    def h0(self, state: Mean, curvature: Curvature) -> AddedOutside:
        return AddedOutside(state.mean, self.eps)


@dataclass
class Gamma:
    """``gamma`` (R,): the smoothed ratio s'y / y'y."""

    gamma: Tensor


@dataclass(frozen=True, kw_only=True)
class SmoothedAtEveryLook(ScalingBase):
    """The smoothed gamma moves at every call of ``h0``, so that whoever looks at H changes it."""

    decay: float = 0.8

    def init(self, space: Space) -> Gamma:
        return Gamma(space.scalars(fill=1.0))

    def h0(self, state: Gamma, curvature: Curvature) -> Diagonal:
        s_y, _, y_y, exists = curvature.newest()
        moved = state.gamma * self.decay + (1.0 - self.decay) * s_y / y_y
        state.gamma = torch.where(exists, moved, state.gamma)
        return Diagonal(gamma=state.gamma.clone())


@dataclass(frozen=True)
class Borrowed:
    """H0 = diag(1 / sqrt(V + eps)), the root taken in V's own memory and undone."""

    state: Mean
    eps: float

    def _through(self, v: Tensor, inverse: bool) -> Tensor:
        root = self.state.mean.add_(self.eps).sqrt_()
        v = v.mul_(root) if inverse else v.div_(root)
        root.square_().sub_(self.eps)
        return v

    def apply_(self, v: Tensor) -> Tensor:
        """Return H0 v."""
        return self._through(v, False)

    def solve_(self, v: Tensor) -> Tensor:
        """Return H0^-1 v."""
        return self._through(v, True)


@dataclass(frozen=True, kw_only=True)
class RootInPlace(ScalingBase):
    """To save a vector the product takes the root in the state itself and squares it back, which rounds."""

    decay: float = 0.9
    eps: float = 1e-4

    def init(self, space: Space) -> Mean:
        return Mean(space.zeros())

    def observe_(self, state: Mean, step: Step) -> None:
        state.mean = decayed(state.mean, step, self.decay)

    def h0(self, state: Mean, curvature: Curvature) -> Borrowed:
        return Borrowed(state, self.eps)


@dataclass
class DoubleSum:
    """``total`` (R, n) float64 and ``squares``, the same in the vectors' dtype."""

    total: Tensor
    squares: Tensor


@dataclass(frozen=True, kw_only=True)
class AdaGradInDouble(ScalingBase):
    """Right: AdaGrad's sum in float64, rounded once a step to the vectors' dtype."""

    eps: float = 1e-4

    declares: ClassVar[frozenset[str]] = frozenset({"adagrad"})

    def init(self, space: Space) -> DoubleSum:
        return DoubleSum(space.zeros(dtype=torch.float64), space.zeros())

    def observe_(self, state: DoubleSum, step: Step) -> None:
        g = step.g.double()
        state.total.addcmul_(g, g)
        state.squares.copy_(state.total)

    def h0(self, state: DoubleSum, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.squares, eps=self.eps)


@dataclass
class Peak:
    """The decaying ``mean`` of squares and the largest that it was, (R, n)."""

    mean: Tensor
    peak: Tensor


@dataclass(frozen=True, kw_only=True)
class PeakOfMean(ScalingBase):
    """Right: AMSGrad's diagonal, the largest value of the decaying mean so far, which never shrinks."""

    decay: float = 0.9
    eps: float = 1e-3

    def init(self, space: Space) -> Peak:
        return Peak(space.zeros(), space.zeros())

    def observe_(self, state: Peak, step: Step) -> None:
        state.mean = decayed(state.mean, step, self.decay)
        state.peak = torch.maximum(state.peak, state.mean)

    def h0(self, state: Peak, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.peak, eps=self.eps)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.SCALING: {
        "ratio_of_sums_for_mean_of_ratios": RatioOfSums,
        "bias_of_the_busiest_run": BusiestRunsCorrection,
        "window_sum_by_subtraction": SumBySubtraction,
        "eps_inside_in_the_inverse_only": EpsMovesInside,
        "average_moves_at_every_look": SmoothedAtEveryLook,
        "root_in_place_and_squared_back": RootInPlace,
    }
}
HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.SCALING: {"adagrad_summed_in_double": AdaGradInDouble, "peak_of_the_mean": PeakOfMean}
}
