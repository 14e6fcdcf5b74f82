"""Initial matrices as a port leaves them: six wrong, two right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import BarzilaiBorweinMean, Diagonal
from adaqn_lab.bases import ScalingBase
from adaqn_lab.protocols import Curvature, Step
from adaqn_lab.space import Space
from verification.law import Subject


@dataclass
class Counted:
    """``mean`` (R, n), ``count`` (R,) or ()."""

    mean: Tensor
    count: Tensor


def _decayed(mean: Tensor, step: Step, decay: float) -> Tensor:
    moved = decay * mean + (1.0 - decay) * step.g * step.g
    return torch.where(step.where.unsqueeze(1), moved, mean)


@dataclass(frozen=True, kw_only=True)
class CorrectedByWindows(ScalingBase):
    """Adam's correction with the number of closed windows where the number of gradients belongs."""

    declares: ClassVar[frozenset[str]] = frozenset({"bias-corrected rmsprop"})
    decay: float = 0.99
    eps: float = 1e-6

    def init(self, space: Space) -> Counted:
        return Counted(space.zeros(), space.counts())

    def observe_(self, state: Counted, step: Step) -> None:
        state.mean = _decayed(state.mean, step, self.decay)
        if step.place == 0:
            state.count = state.count + step.where.long()

    def h0(self, state: Counted, curvature: Curvature) -> Diagonal:
        decay = torch.full_like(state.count, 1, dtype=torch.float64) * self.decay
        held = torch.where(state.count > 0, 1.0 - torch.pow(decay, state.count), 1.0)
        return Diagonal(squares=state.mean, weight=held.reciprocal(), eps=self.eps)


@dataclass
class Gamma:
    """``gamma`` (R,) float64."""

    gamma: Tensor


@dataclass(frozen=True, kw_only=True)
class SmoothedWhenRead(ScalingBase):
    """gamma is a moving mean of s'y / y'y that moves each time H0 is read, be it for a look from outside."""

    decay: float = 0.8

    def init(self, space: Space) -> Gamma:
        return Gamma(space.scalars(fill=1.0))

    def h0(self, state: Gamma, curvature: Curvature) -> Diagonal:
        s_y, _, y_y, exists = curvature.newest()
        moved = self.decay * state.gamma + (1.0 - self.decay) * s_y / y_y
        state.gamma = torch.where(exists, moved, state.gamma)
        return Diagonal(gamma=state.gamma.clone())


@dataclass
class Peaks:
    """``mean`` and the largest ``peak`` of it, (R, n)."""

    mean: Tensor
    peak: Tensor


@dataclass(frozen=True, kw_only=True)
class PeakIsTheMean(ScalingBase):
    """AMSGrad's maximum begins as the very tensor of the mean and is written in place: there is no maximum."""

    decay: float = 0.9
    eps: float = 1e-6

    def init(self, space: Space) -> Peaks:
        nothing = space.zeros()
        return Peaks(nothing, nothing)

    def observe_(self, state: Peaks, step: Step) -> None:
        state.mean.copy_(_decayed(state.mean, step, self.decay))
        torch.maximum(state.peak, state.mean, out=state.peak)

    def h0(self, state: Peaks, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.peak, eps=self.eps)


@dataclass(frozen=True)
class _Bounded:
    """Entries between ``least`` and ``most``."""

    entries: Tensor
    least: float
    most: float

    def apply_(self, v: Tensor) -> Tensor:
        return v.mul_(self.entries.clamp(self.least, self.most))

    def solve_(self, v: Tensor) -> Tensor:
        return v.div_(self.entries)


@dataclass(frozen=True, kw_only=True)
class BoundedOneWay(ScalingBase):
    """AdaBound's limits on 1 / sqrt(V) are put on the product and not on the solution."""

    decay: float = 0.9
    eps: float = 1e-10
    least: float = 0.05
    most: float = 20.0

    def init(self, space: Space) -> Counted:
        return Counted(space.zeros(), space.counts())

    def observe_(self, state: Counted, step: Step) -> None:
        state.mean = _decayed(state.mean, step, self.decay)
        state.count = state.count + step.where.long()

    def h0(self, state: Counted, curvature: Curvature) -> _Bounded:
        entries = torch.where((state.count > 0).unsqueeze(1), (state.mean + self.eps).rsqrt(), 1.0)
        return _Bounded(entries, self.least, self.most)


@dataclass(frozen=True, kw_only=True)
class OneCountForAll(ScalingBase):
    """The mean of all squared gradients by one count of steps: a run's skipped step counts if another's did not."""

    eps: float = 1e-6

    def init(self, space: Space) -> Counted:
        return Counted(space.zeros(), torch.zeros((), dtype=torch.float64, device=space.device))

    def observe_(self, state: Counted, step: Step) -> None:
        state.mean = state.mean + step.g * step.g
        state.count = state.count + step.where.any()

    def h0(self, state: Counted, curvature: Curvature) -> Diagonal:
        share = state.count.clamp(min=1.0).reciprocal()
        return Diagonal(squares=state.mean, weight=share.expand(state.mean.shape[0]), eps=self.eps)


@dataclass(frozen=True, kw_only=True)
class MeanOfPlaceholders(BarzilaiBorweinMean):
    """The mean is over all slots; those which hold nothing answer 1 / 1 and are not masked."""

    declares: ClassVar[frozenset[str]] = frozenset({"barzilai-borwein mean"})

    def _gamma(self, curvature: Curvature) -> Tensor:
        s_y, _, y_y, held = curvature.products()
        return torch.where(held.any(dim=1), (s_y / y_y).mean(dim=1), self.initial)


@dataclass
class ByTensor:
    """``squares`` (R, n), equal over a tensor, from ``total`` (R, B) float64; ``owner`` (n,), the tensor of each entry;
    ``sizes`` (B,) float64.
    """

    squares: Tensor
    total: Tensor
    owner: Tensor
    sizes: Tensor


@dataclass(frozen=True, kw_only=True)
class AdaGradByTensor(ScalingBase):
    """Right: one AdaGrad number for each parameter tensor, its mean square, spread over the tensor's entries."""

    eps: float = 1e-4

    def init(self, space: Space) -> ByTensor:
        sizes, device = space.sizes or (space.size,), space.device
        owner = torch.cat([torch.full((size,), i, dtype=torch.int64, device=device) for i, size in enumerate(sizes)])
        lengths = torch.tensor(sizes, dtype=torch.float64, device=device).clamp(min=1.0)
        return ByTensor(space.zeros(), space.scalars(len(sizes)), owner, lengths)

    def observe_(self, state: ByTensor, step: Step) -> None:
        state.total.index_add_(1, state.owner, step.g.double().square())
        state.squares.copy_((state.total / state.sizes)[:, state.owner])

    def h0(self, state: ByTensor, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.squares, eps=self.eps)


@dataclass(frozen=True)
class GeometricBarzilaiBorwein(ScalingBase):
    """Right: gamma = |s| / |y|, the geometric mean of the two Barzilai-Borwein lengths; 1 without a pair."""

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        _, s_s, y_y, exists = curvature.newest()
        return Diagonal(gamma=torch.where(exists, s_s.sqrt() / y_y.sqrt(), 1.0))


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.SCALING: {
        "bias_corrected_by_the_number_of_windows": CorrectedByWindows,
        "moving_mean_moves_when_h0_is_read": SmoothedWhenRead,
        "maximum_shares_the_tensor_of_the_mean": PeakIsTheMean,
        "limits_on_the_product_and_not_on_the_solution": BoundedOneWay,
        "one_count_of_gradients_for_all_runs": OneCountForAll,
        "mean_over_slots_which_hold_nothing": MeanOfPlaceholders,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.SCALING: {"adagrad_by_tensor": AdaGradByTensor, "geometric_barzilai_borwein": GeometricBarzilaiBorwein}
}
