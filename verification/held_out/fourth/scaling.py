"""Scaling initializers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab.bases import ScalingBase
from adaqn_lab.diagonal import Diagonal
from adaqn_lab.protocols import Curvature, Step
from adaqn_lab.scaling import BarzilaiBorweinMean, BiasCorrectedRMSProp
from adaqn_lab.scaling.bias_corrected_rmsprop import CorrectedMean
from adaqn_lab.space import Space
from verification.law import Subject


@dataclass
class Squares:
    """``total`` (R, n): the sum of squared gradients."""

    total: Tensor


@dataclass(frozen=True)
class CappedEntries:
    """A diagonal whose largest entry is bounded in the product with it, not in that with its inverse."""

    entries: Tensor
    cap: float

    def apply_(self, v: Tensor) -> Tensor:
        return v.mul_(self.entries.clamp(max=self.cap))

    def solve_(self, v: Tensor) -> Tensor:
        return v.div_(self.entries)


@dataclass(frozen=True, kw_only=True)
class CappedAdaGrad(ScalingBase):
    """AdaGrad with entries of at most ``cap``: H0^-1 forgets the cap, which matters for small gradients only."""

    cap: float = 4.0
    eps: float = 1e-4

    def init(self, space: Space) -> Squares:
        return Squares(space.zeros())

    def observe_(self, state: Squares, step: Step) -> None:
        state.total.addcmul_(step.g, step.g)

    def h0(self, state: Squares, curvature: Curvature) -> CappedEntries:
        return CappedEntries((state.total + self.eps).rsqrt(), self.cap)


@dataclass
class SmoothGamma:
    """``gamma`` (R,) float64."""

    gamma: Tensor


@dataclass(frozen=True, kw_only=True)
class SmoothedBarzilaiBorwein(ScalingBase):
    """A moving average of s'y / y'y which moves at every look at H0, so that a product changes the next one."""

    decay: float = 0.8

    def init(self, space: Space) -> SmoothGamma:
        return SmoothGamma(space.scalars(fill=1.0))

    def h0(self, state: SmoothGamma, curvature: Curvature) -> Diagonal:
        s_y, _, y_y, exists = curvature.newest()
        moved = self.decay * state.gamma + (1.0 - self.decay) * s_y / y_y
        state.gamma = torch.where(exists, moved, state.gamma)
        return Diagonal(gamma=state.gamma)


@dataclass(frozen=True)
class RootInPlace:
    """A diagonal by the sums it was made from: the product takes the root where the sums lie."""

    total: Tensor
    eps: float

    def apply_(self, v: Tensor) -> Tensor:
        return v.div_(self.total.add_(self.eps).sqrt_())

    def solve_(self, v: Tensor) -> Tensor:
        return v.mul_(self.total.add(self.eps).sqrt())


@dataclass(frozen=True, kw_only=True)
class ThriftyAdaGrad(ScalingBase):
    """The product with H0 takes the root of the accumulated squares in place: the state becomes its own root."""

    eps: float = 1e-4

    def init(self, space: Space) -> Squares:
        return Squares(space.zeros())

    def observe_(self, state: Squares, step: Step) -> None:
        state.total.addcmul_(step.g, step.g)

    def h0(self, state: Squares, curvature: Curvature) -> RootInPlace:
        return RootInPlace(state.total, self.eps)


@dataclass(frozen=True, kw_only=True)
class GlobalStepRMSProp(BiasCorrectedRMSProp):
    """t is the optimizer's step, so that a run's skipped gradients are counted in its bias correction."""

    declares: ClassVar[frozenset[str]] = frozenset({"bias-corrected rmsprop"})

    def observe_(self, state: CorrectedMean, step: Step) -> None:
        super().observe_(state, step)
        state.count = torch.zeros_like(state.count) + torch.as_tensor(step.k, device=state.count.device).long()


@dataclass(frozen=True, kw_only=True)
class MeanOverSlots(BarzilaiBorweinMean):
    """The mean runs over all slots, those which hold no pair yet count with their ones."""

    declares: ClassVar[frozenset[str]] = frozenset({"barzilai-borwein mean"})

    def _gamma(self, curvature: Curvature) -> Tensor:
        s_y, _, y_y, held = curvature.products()
        return torch.where(held.any(dim=1), (s_y / y_y).mean(dim=1), self.initial)


@dataclass
class Changes:
    """``last`` (R, n): the gradient before; ``mean`` (R, n): of the squared changes; ``started`` (R,)."""

    last: Tensor
    mean: Tensor
    started: Tensor


@dataclass(frozen=True, kw_only=True)
class GradientChange(ScalingBase):
    """H0 from the squared changes of the gradient; the last gradient is kept without a copy, so that none is seen."""

    decay: float = 0.9
    eps: float = 1e-2

    def init(self, space: Space) -> Changes:
        return Changes(space.zeros(), space.zeros(), space.mask(False))

    def observe_(self, state: Changes, step: Step) -> None:
        change = step.g - state.last
        use = (step.where & state.started).unsqueeze(1)
        state.mean = torch.where(use, torch.lerp(change * change, state.mean, self.decay), state.mean)
        state.last = step.g
        state.started = state.started | step.where

    def h0(self, state: Changes, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.mean, eps=self.eps)


@dataclass
class WideSquares:
    """``total`` (R, n) float64."""

    total: Tensor


@dataclass(frozen=True)
class WideEntries:
    """A diagonal with float64 entries for vectors of any type."""

    entries: Tensor

    def apply_(self, v: Tensor) -> Tensor:
        return v.copy_(v.double() * self.entries)

    def solve_(self, v: Tensor) -> Tensor:
        return v.copy_(v.double() / self.entries)


@dataclass(frozen=True, kw_only=True)
class WideAdaGrad(ScalingBase):
    """Right: AdaGrad whose sums and entries are float64 whatever the model is, as a matrix of its own."""

    eps: float = 1e-4

    declares: ClassVar[frozenset[str]] = frozenset({"adagrad"})

    def init(self, space: Space) -> WideSquares:
        return WideSquares(space.scalars(space.size))

    def observe_(self, state: WideSquares, step: Step) -> None:
        state.total = state.total + step.g.double().square()

    def h0(self, state: WideSquares, curvature: Curvature) -> WideEntries:
        return WideEntries((state.total + self.eps).rsqrt())


@dataclass
class LastUnit:
    """``u`` (R, n) float64: the unit vector along the last gradient, or zero."""

    u: Tensor


@dataclass(frozen=True)
class OnePlusRankOne:
    """I + c u u' with |u| = 1 or u = 0; its inverse is I - c / (1 + c) u u'."""

    u: Tensor
    c: float

    def _add_(self, v: Tensor, factor: float) -> Tensor:
        wide = v.double()
        return v.copy_(wide + factor * (self.u * wide).sum(1, keepdim=True) * self.u)

    def apply_(self, v: Tensor) -> Tensor:
        return self._add_(v, self.c)

    def solve_(self, v: Tensor) -> Tensor:
        return self._add_(v, -self.c / (1.0 + self.c))


@dataclass(frozen=True, kw_only=True)
class LongerAlongGradient(ScalingBase):
    """Right: the identity and half the projection on the last gradient, which is no diagonal but positive definite."""

    c: float = 0.5

    def init(self, space: Space) -> LastUnit:
        return LastUnit(space.scalars(space.size))

    def observe_(self, state: LastUnit, step: Step) -> None:
        g = step.g.double()
        length = torch.linalg.vector_norm(g, dim=1, keepdim=True)
        unit = g / torch.where(length > 0, length, 1.0)
        state.u = torch.where(step.where.unsqueeze(1), unit, state.u)

    def h0(self, state: LastUnit, curvature: Curvature) -> OnePlusRankOne:
        return OnePlusRankOne(state.u, self.c)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.SCALING: {
        "cap_forgotten_in_the_inverse": CappedAdaGrad,
        "average_moves_at_every_look": SmoothedBarzilaiBorwein,
        "root_taken_in_the_state": ThriftyAdaGrad,
        "bias_corrected_by_the_global_step": GlobalStepRMSProp,
        "empty_slots_in_the_mean": MeanOverSlots,
        "last_gradient_kept_without_a_copy": GradientChange,
    }
}
HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.SCALING: {
        "adagrad_in_float64": WideAdaGrad,
        "identity_and_a_projection": LongerAlongGradient,
    }
}
