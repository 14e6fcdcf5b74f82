"""Scalings: six wrong, two unusual but right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import AdaGrad, BiasCorrectedRMSProp
from adaqn_lab.bases import ScalingBase
from adaqn_lab.diagonal import Diagonal
from adaqn_lab.protocols import Curvature, Step
from adaqn_lab.space import Space
from verification.law import Subject


@dataclass
class SquaresAndTrend:
    """``squares`` (R, n): the sum of g*g; ``trend`` (R, n): a moving average of g."""

    squares: Tensor
    trend: Tensor


@dataclass(frozen=True)
class Stretched:
    """D (I + p p'), p = trend / |trend|, or D^1/2 (I + p p') D^1/2 if ``symmetric``; D = diag(1 / root)."""

    root: Tensor
    trend: Tensor
    symmetric: bool

    def _along(self, v: Tensor, weight: float) -> Tensor:
        longest = self.trend.abs().amax(1, keepdim=True)
        p = (self.trend / torch.where(longest > 0, longest, 1.0)).double()
        square = p.square().sum(1, keepdim=True)
        inner = (p * v.double()).sum(1, keepdim=True) / torch.where(square > 0, square, 1.0)
        return v + (weight * inner * p).to(v.dtype)

    def apply_(self, v: Tensor) -> Tensor:
        """Return H0 v."""
        if self.symmetric:
            half = self.root.sqrt()
            return self._along(v / half, 1.0) / half
        return self._along(v, 1.0) / self.root

    def solve_(self, v: Tensor) -> Tensor:
        """Return H0^-1 v."""
        if self.symmetric:
            half = self.root.sqrt()
            return self._along(v * half, -0.5) * half
        return self._along(v * self.root, -0.5)


@dataclass(frozen=True, kw_only=True)
class StretchedOneSided(ScalingBase):
    """The diagonal stands on one side of the rank-one stretch only: H0 = D (I + p p') is not symmetric."""

    eps: float = 1e-4

    symmetric: ClassVar[bool] = False

    def init(self, space: Space) -> SquaresAndTrend:
        """Nothing is known."""
        return SquaresAndTrend(space.zeros(), space.zeros())

    def observe_(self, state: SquaresAndTrend, step: Step) -> None:
        """Add g*g, move the trend."""
        state.squares = state.squares + step.g * step.g
        state.trend = torch.where(step.where.unsqueeze(1), 0.9 * state.trend + 0.1 * step.g, state.trend)

    def h0(self, state: SquaresAndTrend, curvature: Curvature) -> Stretched:
        """H0 as it is now."""
        return Stretched((state.squares + self.eps).sqrt(), state.trend.clone(), self.symmetric)


@dataclass(frozen=True, kw_only=True)
class StretchedBothSides(StretchedOneSided):
    """Right: H0 = D^1/2 (I + p p') D^1/2, not diagonal but symmetric positive definite with its exact inverse."""

    symmetric: ClassVar[bool] = True


@dataclass
class Moments:
    """``mean`` and ``square`` (R, n): moving averages of g and g*g."""

    mean: Tensor
    square: Tensor


@dataclass(frozen=True)
class Ratios:
    """A diagonal by its entries."""

    entries: Tensor

    def apply_(self, v: Tensor) -> Tensor:
        """Return H0 v."""
        return v.mul_(self.entries)

    def solve_(self, v: Tensor) -> Tensor:
        """Return H0^-1 v."""
        return v.div_(self.entries)


@dataclass(frozen=True, kw_only=True)
class SignalToNoise(ScalingBase):
    """H0 = diag(m m / (V + eps)) is 0 where the mean gradient is 0: a parameter unused so far makes it singular."""

    decay: float = 0.9
    eps: float = 1e-8

    def init(self, space: Space) -> Moments:
        """Nothing is known."""
        return Moments(space.zeros(), space.zeros())

    def observe_(self, state: Moments, step: Step) -> None:
        """Move the averages."""
        where, g = step.where.unsqueeze(1), step.g
        state.mean = torch.where(where, state.mean.lerp(g, 1.0 - self.decay), state.mean)
        state.square = torch.where(where, state.square.lerp(g * g, 1.0 - self.decay), state.square)

    def h0(self, state: Moments, curvature: Curvature) -> Ratios:
        """H0 as it is now."""
        return Ratios(state.mean.square() / (state.square + self.eps))


@dataclass(frozen=True, kw_only=True)
class BiasByTheStepNumber(BiasCorrectedRMSProp):
    """The bias is corrected for k steps, also in a run some of whose gradients were not finite and never entered V."""

    declares: ClassVar[frozenset[str]] = frozenset({"bias-corrected rmsprop"})

    def observe_(self, state: Any, step: Step) -> None:
        """Update V; t = k."""
        super().observe_(state, step)
        state.count = (torch.zeros_like(state.count) + step.k).long()


@dataclass(frozen=True)
class RatioInSingle(ScalingBase):
    """s'y / y'y is taken in float32, where the products of short pairs are 0: H0 = NaN."""

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        """H0 as it is now."""
        s_y, _, y_y, exists = curvature.newest()
        ratio = s_y.float() / y_y.float()
        return Diagonal(gamma=torch.where(exists, ratio, 1.0).double())


@dataclass
class Smoothed:
    """``gamma`` (R,) float64: the scale as it was last."""

    gamma: Tensor


@dataclass(frozen=True, kw_only=True)
class SmoothsWhenAsked(ScalingBase):
    """The average of s'y / y'y over time moves whenever ``h0`` is asked, not with the pairs: asking changes H0."""

    decay: float = 0.8

    def init(self, space: Space) -> Smoothed:
        """I."""
        return Smoothed(space.scalars(fill=1.0))

    def h0(self, state: Smoothed, curvature: Curvature) -> Diagonal:
        """H0 as it is now."""
        s_y, _, y_y, exists = curvature.newest()
        mixed = self.decay * state.gamma + (1.0 - self.decay) * s_y / y_y
        state.gamma = torch.where(exists, mixed, state.gamma)
        return Diagonal(gamma=state.gamma.clone())


@dataclass(frozen=True)
class EpsTwice:
    """1 / sqrt(G + eps), and back by sqrt(G) + eps."""

    total: Tensor
    eps: float

    def apply_(self, v: Tensor) -> Tensor:
        """Return H0 v."""
        return v.div_((self.total + self.eps).sqrt_())

    def solve_(self, v: Tensor) -> Tensor:
        """Return sqrt(G) v + eps v."""
        return v.mul_(self.total.sqrt() + self.eps)


@dataclass(frozen=True, kw_only=True)
class EpsOutsideInTheInverse(AdaGrad):
    """``apply_`` has eps inside the root, ``solve_`` outside: not inverse to each other where G is small."""

    def h0(self, state: Any, curvature: Curvature) -> Any:
        """H0 as it is now."""
        return EpsTwice(state.total, self.eps)


@dataclass(frozen=True)
class GeometricMean(ScalingBase):
    """Right: H0 = |s| / |y|, the geometric mean of both Barzilai-Borwein lengths; I without a pair."""

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        """H0 as it is now."""
        _, s_s, y_y, exists = curvature.newest()
        return Diagonal(gamma=torch.where(exists, s_s.sqrt() / y_y.sqrt(), 1.0))


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.SCALING: {
        "rank_one_stretch_with_the_diagonal_on_one_side": StretchedOneSided,
        "signal_to_noise_is_zero_where_the_mean_is": SignalToNoise,
        "bias_corrected_for_steps_not_gradients": BiasByTheStepNumber,
        "curvature_ratio_in_single_precision": RatioInSingle,
        "scale_moves_whenever_it_is_asked": SmoothsWhenAsked,
        "eps_outside_the_root_in_the_inverse_only": EpsOutsideInTheInverse,
    }
}
HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.SCALING: {"symmetric_rank_one_stretch": StretchedBothSides, "geometric_mean_length": GeometricMean}
}
