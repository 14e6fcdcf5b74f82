"""Scalings: wrong ones, and right ones that look odd."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import InitVar, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab.bases import ScalingBase
from adaqn_lab.diagonal import Diagonal, Entries
from adaqn_lab.linalg import dot
from adaqn_lab.protocols import Curvature, Step
from adaqn_lab.scaling import AdaGrad, BarzilaiBorweinMean, BiasCorrectedRMSProp, RMSProp
from adaqn_lab.space import Space
from verification.law import Subject


@dataclass(frozen=True)
class _Bounded:
    root: Tensor
    most: float

    def apply_(self, v: Tensor) -> Tensor:
        return v.mul_(self.root.reciprocal().clamp(max=self.most))

    def solve_(self, v: Tensor) -> Tensor:
        return v.mul_(self.root)


@dataclass(frozen=True, kw_only=True)
class BoundedOneWay(RMSProp):
    """Entries are bounded in H0 and not in its inverse: they differ where gradients are small."""

    most: float = 5.0

    def h0(self, state: Any, curvature: Curvature) -> _Bounded:
        return _Bounded((state.mean + self.eps).sqrt(), self.most)


@dataclass
class Smooth:
    """gamma and the s'y which it saw last, (R,)."""

    gamma: Tensor
    seen: Tensor


@dataclass(frozen=True, kw_only=True)
class SmoothedWhenAsked(ScalingBase):
    """gamma is smoothed over the pairs when H0 is asked for, so that asking changes the state."""

    decay: float = 0.5

    def init(self, space: Space) -> Smooth:
        return Smooth(space.scalars(fill=1.0), space.scalars(fill=-1.0))

    def h0(self, state: Smooth, curvature: Curvature) -> Diagonal:
        s_y, _, y_y, exists = curvature.newest()
        fresh = exists & (s_y != state.seen)
        state.gamma = torch.where(fresh, self.decay * state.gamma + (1.0 - self.decay) * s_y / y_y, state.gamma)
        state.seen = torch.where(fresh, s_y, state.seen)
        return Diagonal(gamma=state.gamma)


@dataclass(frozen=True, kw_only=True)
class CorrectedByTheStep(BiasCorrectedRMSProp):
    """The correction counts the optimizer's steps, a run's skipped ones too."""

    declares: ClassVar[frozenset[str]] = frozenset({"bias-corrected rmsprop"})

    def observe_(self, state: Any, step: Step) -> None:
        super().observe_(state, step)
        state.count = torch.zeros_like(state.count) + torch.as_tensor(step.k, device=state.count.device).long()


@dataclass
class Secant:
    """The last point and gradient, and the diagonal."""

    w: Tensor
    g: Tensor
    d: Tensor
    known: Tensor


@dataclass(frozen=True, kw_only=True)
class SecantDiagonal(ScalingBase):
    """The average of dg / dw entry by entry is bounded on the wrong side: negative curvature makes H0 indefinite."""

    decay: float = 0.9
    eps: float = 1.0

    def init(self, space: Space) -> Secant:
        return Secant(space.zeros(), space.zeros(), space.zeros(), space.mask(False))

    def observe_(self, state: Secant, step: Step) -> None:
        w, where = step.w(), step.where.unsqueeze(1)
        moved = w - state.w
        ratio = torch.where(moved != 0, (step.g - state.g) / moved, 0.0)
        both = where & state.known.unsqueeze(1)
        state.d = torch.where(both, state.d.lerp(ratio, 1.0 - self.decay), state.d)
        state.w, state.g = torch.where(where, w, state.w), torch.where(where, step.g, state.g)
        state.known = state.known | step.where

    def h0(self, state: Secant, curvature: Curvature) -> Entries:
        return Entries(inverse=(state.d + self.eps).clamp(max=1e6))


@dataclass(frozen=True, kw_only=True)
class FloorByTheLargestOfAll(AdaGrad):
    """The sum of squares is kept above a share of the largest entry, of all runs together."""

    share: float = 1e-3

    def h0(self, state: Any, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.total.clamp(min=self.share * state.total.amax()), eps=self.eps)


@dataclass(frozen=True, kw_only=True)
class MeanByTheFullestRun(BarzilaiBorweinMean):
    """The mean divides by the number of pairs of the run that holds most."""

    declares: ClassVar[frozenset[str]] = frozenset({"barzilai-borwein mean"})

    def _gamma(self, curvature: Curvature) -> Tensor:
        s_y, _, y_y, held = curvature.products()
        count = held.sum(dim=1)
        mean = torch.where(held, s_y / y_y, 0.0).sum(dim=1) / count.amax().clamp(min=1)
        return torch.where(count > 0, mean, self.initial)


@dataclass(frozen=True)
class _Scalar:
    gamma: Tensor

    def apply_(self, v: Tensor) -> Tensor:
        return v.mul_(self.gamma.to(v.dtype).unsqueeze(1))

    def solve_(self, v: Tensor) -> Tensor:
        return v / self.gamma.unsqueeze(1)


@dataclass(frozen=True)
class WideInverse(ScalingBase):
    """H0 v has the type of v, H0^-1 v is float64."""

    def h0(self, state: None, curvature: Curvature) -> _Scalar:
        s_y, s_s, _, exists = curvature.newest()
        return _Scalar(torch.where(exists, s_s / s_y, 1.0))


@dataclass
class Mean:
    """The decaying mean of squares; ``power`` (R,), decay^t, lies beside the fields."""

    mean: Tensor
    ones: InitVar[Tensor]

    def __post_init__(self, ones: Tensor) -> None:
        self.power = ones


@dataclass(frozen=True, kw_only=True)
class PowerBesideTheState(ScalingBase):
    """decay^t is no field of the state: it is not saved, and a reset of the optimizer does not reach it."""

    decay: float = 0.99
    eps: float = 1e-8
    declares: ClassVar[frozenset[str]] = frozenset({"bias-corrected rmsprop"})

    def init(self, space: Space) -> Mean:
        return Mean(space.zeros(), space.scalars(fill=1.0))

    def observe_(self, state: Mean, step: Step) -> None:
        decayed = state.mean * self.decay + step.g.square() * (1.0 - self.decay)
        state.mean = torch.where(step.where.unsqueeze(1), decayed, state.mean)
        state.power = torch.where(step.where, state.power * self.decay, state.power)

    def h0(self, state: Mean, curvature: Curvature) -> Diagonal:
        share = 1.0 - state.power
        return Diagonal(squares=state.mean, weight=torch.where(share > 0, 1.0 / share, 1.0), eps=self.eps)


@dataclass
class Mass:
    """The moving average of gradients."""

    mean: Tensor


@dataclass(frozen=True)
class _Along:
    gamma: Tensor
    u: Tensor

    def apply_(self, v: Tensor) -> Tensor:
        v.mul_(self.gamma.to(v.dtype).unsqueeze(1))
        return v.add_(self.u * dot(self.u, v).to(v.dtype).unsqueeze(1))

    def solve_(self, v: Tensor) -> Tensor:
        c = dot(self.u, v) / (self.gamma + dot(self.u, self.u))
        return (v - self.u * c.to(v.dtype).unsqueeze(1)) / self.gamma.to(v.dtype).unsqueeze(1)


@dataclass(frozen=True)
class _AlongRight(_Along):
    def apply_(self, v: Tensor) -> Tensor:
        c = dot(self.u, v).to(v.dtype).unsqueeze(1)
        return v.mul_(self.gamma.to(v.dtype).unsqueeze(1)).add_(self.u * c)


@dataclass(frozen=True, kw_only=True)
class LongerAlongTheMean(ScalingBase):
    """H0 = gamma I + u u': gamma v is written over v before u'v is taken: H0^-1 is none once gamma != 1."""

    decay: float = 0.9
    kind: ClassVar[type[_Along]] = _Along

    def init(self, space: Space) -> Mass:
        return Mass(space.zeros())

    def observe_(self, state: Mass, step: Step) -> None:
        mean = state.mean.lerp(step.g, 1.0 - self.decay)
        state.mean = torch.where(step.where.unsqueeze(1), mean, state.mean)

    def h0(self, state: Mass, curvature: Curvature) -> _Along:
        s_y, _, y_y, exists = curvature.newest()
        gamma = torch.where(exists, s_y / y_y, 1.0)
        length = dot(state.mean, state.mean).sqrt()
        u = state.mean * (0.5 * gamma.sqrt() / (1e-12 + length)).to(state.mean.dtype).unsqueeze(1)
        return self.kind(gamma, u)


@dataclass(frozen=True, kw_only=True)
class SquaresOfAverages(ScalingBase):
    """The mean of squares is decayed in every run at every step, in those too whose gradient was skipped."""

    decay: float = 0.9
    eps: float = 1e-4

    def init(self, space: Space) -> Mass:
        return Mass(space.zeros())

    def observe_(self, state: Mass, step: Step) -> None:
        state.mean.mul_(self.decay).addcmul_(step.g, step.g, value=1.0 - self.decay)

    def h0(self, state: Mass, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.mean, eps=self.eps)


@dataclass(frozen=True, kw_only=True)
class LongerAlongTheMeanRight(LongerAlongTheMean):
    """Right: H0 = gamma I + u u' is no diagonal, and its inverse is Sherman and Morrison's."""

    kind: ClassVar[type[_Along]] = _AlongRight


@dataclass
class Tensorwise:
    """Each entry: the decaying mean square of its tensor; ``sizes`` is shape, not state."""

    mean: Tensor
    sizes: InitVar[tuple[int, ...]]

    def __post_init__(self, sizes: tuple[int, ...]) -> None:
        self.lengths = sizes


@dataclass(frozen=True, kw_only=True)
class OneRateForEachTensor(ScalingBase):
    """Right: one entry of H0 for each parameter tensor, 1 / sqrt(mean of its squares + eps)."""

    decay: float = 0.9
    eps: float = 1e-4

    def init(self, space: Space) -> Tensorwise:
        return Tensorwise(space.zeros(), space.sizes or (space.size,))

    def observe_(self, state: Tensorwise, step: Step) -> None:
        parts = torch.split_with_sizes(step.g.double().square(), state.lengths, dim=1)
        squares = torch.cat([part.mean(1, keepdim=True).expand_as(part) for part in parts], dim=1).to(step.g.dtype)
        mean = state.mean * self.decay + squares * (1.0 - self.decay)
        state.mean = torch.where(step.where.unsqueeze(1), mean, state.mean)

    def h0(self, state: Tensorwise, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.mean, eps=self.eps)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.SCALING: {
        "bounded_in_h0_and_not_in_its_inverse": BoundedOneWay,
        "asking_for_h0_smooths_it": SmoothedWhenAsked,
        "bias_corrected_by_the_steps_of_all": CorrectedByTheStep,
        "negative_curvature_makes_h0_indefinite": SecantDiagonal,
        "floor_by_the_largest_entry_of_all_runs": FloorByTheLargestOfAll,
        "mean_over_the_pairs_of_the_fullest_run": MeanByTheFullestRun,
        "inverse_of_h0_is_float64": WideInverse,
        "power_of_the_decay_is_not_saved": PowerBesideTheState,
        "scaled_before_the_rank_one_term": LongerAlongTheMean,
        "mean_decays_where_the_gradient_was_skipped": SquaresOfAverages,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.SCALING: {
        "rank_one_more_along_the_mean_gradient": LongerAlongTheMeanRight,
        "one_rate_for_each_tensor": OneRateForEachTensor,
    }
}
