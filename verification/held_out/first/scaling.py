"""Scalings: eight wrong ones and two unusual right ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab.bases import ScalingBase
from adaqn_lab.diagonal import Diagonal
from adaqn_lab.protocols import Curvature, InitialMatrix, Step
from adaqn_lab.scaling import AdaGrad, BarzilaiBorweinMean, BiasCorrectedRMSProp, RMSProp
from adaqn_lab.scaling.adagrad import SquareSum
from adaqn_lab.scaling.bias_corrected_rmsprop import CorrectedMean
from adaqn_lab.scaling.rmsprop import SquareMean
from adaqn_lab.space import Space
from verification.law import Subject


@dataclass
class MeanAndCount:
    """``mean`` (R, n): a decaying mean of squares; ``count`` (R,)."""

    mean: Tensor
    count: Tensor


@dataclass(frozen=True, kw_only=True)
class CountsProducts(ScalingBase):
    """The bias correction counts the calls of h0, not the gradients: a product more changes H."""

    decay: float = 0.95
    eps: float = 1e-6

    def init(self, space: Space) -> MeanAndCount:
        return MeanAndCount(space.zeros(), space.counts())

    def observe_(self, state: MeanAndCount, step: Step) -> None:
        moved = state.mean.lerp(step.g * step.g, 1.0 - self.decay)
        state.mean = torch.where(step.where.unsqueeze(1), moved, state.mean)

    def h0(self, state: MeanAndCount, curvature: Curvature) -> Diagonal:
        state.count = state.count + 1
        held = 1.0 - torch.pow(torch.full_like(state.count, self.decay, dtype=torch.float64), state.count)
        return Diagonal(squares=state.mean, weight=1.0 / held, eps=self.eps)


@dataclass(frozen=True, kw_only=True)
class SkippedRunsDecay(RMSProp):
    """The mean of a run decays also at the steps which that run skips."""

    def observe_(self, state: SquareMean, step: Step) -> None:
        state.mean.mul_(self.decay).addcmul_(step.g, step.g, value=1.0 - self.decay)


@dataclass(frozen=True)
class WaitsForEveryRun(ScalingBase):
    """H0 = (s'y / y'y) I, but I in every run until the last of them holds a pair."""

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        s_y, _, y_y, exists = curvature.newest()
        return Diagonal(gamma=torch.where(exists.all(), s_y / y_y, 1.0))


@dataclass(frozen=True, kw_only=True)
class EmptySlotsAreOnes(BarzilaiBorweinMean):
    """Slots which hold nothing enter the mean as ones, until the memory is full."""

    declares: ClassVar[frozenset[str]] = frozenset({"barzilai-borwein mean"})

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        s_y, _, y_y, held = curvature.products()
        some = held.any(dim=1)
        return Diagonal(gamma=torch.where(some, (s_y / y_y).sum(dim=1) / max(held.shape[1], 1), self.initial))


@dataclass(frozen=True)
class ClampedOnOneSide:
    """diag(entries), the entries at least ``least`` in ``apply_`` only."""

    entries: Tensor
    least: float

    def apply_(self, v: Tensor) -> Tensor:
        return v.mul_(self.entries.clamp(min=self.least))

    def solve_(self, v: Tensor) -> Tensor:
        return v.div_(self.entries)


@dataclass(frozen=True, kw_only=True)
class SolveWithoutTheClamp(ScalingBase):
    """``apply_`` keeps the entries above 1e-2, ``solve_`` does not: no inverse once a gradient was large."""

    eps: float = 1e-3
    least: float = 1e-2

    def init(self, space: Space) -> SquareMean:
        return SquareMean(space.zeros())

    def observe_(self, state: SquareMean, step: Step) -> None:
        state.mean = torch.maximum(state.mean, step.g * step.g)

    def h0(self, state: SquareMean, curvature: Curvature) -> InitialMatrix:
        return ClampedOnOneSide((state.mean + self.eps).rsqrt(), self.least)


@dataclass(frozen=True, kw_only=True)
class EpsCorrectedToo(BiasCorrectedRMSProp):
    """1 / sqrt((V + eps) / (1 - decay^t)): the correction comes after eps, which matters for tiny gradients."""

    declares: ClassVar[frozenset[str]] = frozenset({"bias-corrected rmsprop"})

    def h0(self, state: CorrectedMean, curvature: Curvature) -> Diagonal:
        held = 1.0 - torch.pow(torch.full_like(state.count, self.decay, dtype=torch.float64), state.count)
        gamma = torch.where(state.count > 0, held, 1.0).sqrt()
        return Diagonal(gamma=gamma, squares=state.mean, eps=self.eps)


@dataclass(frozen=True, kw_only=True)
class SumsInTheDefaultType(AdaGrad):
    """The sums are of torch's default dtype, not of the space's: float32 under a float64 model."""

    def init(self, space: Space) -> SquareSum:
        return SquareSum(torch.zeros(space.runs, space.size, device=space.device))

    def observe_(self, state: SquareSum, step: Step) -> None:
        state.total += step.g * step.g

    def h0(self, state: SquareSum, curvature: Curvature) -> InitialMatrix:
        return Roots(state.total, self.eps)


@dataclass(frozen=True)
class Roots:
    """diag(1 / sqrt(squares + eps)) in the vector's dtype."""

    squares: Tensor
    eps: float

    def apply_(self, v: Tensor) -> Tensor:
        return v.div_((self.squares.to(v.dtype) + self.eps).sqrt())

    def solve_(self, v: Tensor) -> Tensor:
        return v.mul_((self.squares.to(v.dtype) + self.eps).sqrt())


@dataclass(frozen=True, kw_only=True)
class RemembersTheLastModel(ScalingBase):
    """One entry for each parameter tensor; the tensors' ends are kept on the part, those of the model seen last."""

    eps: float = 1e-4
    _ends: list[int] = field(default_factory=list, repr=False, compare=False)

    def init(self, space: Space) -> SquareMean:
        sizes = space.sizes or (space.size,)
        self._ends[:] = [sum(sizes[: i + 1]) for i in range(len(sizes))]
        return SquareMean(space.zeros())

    def observe_(self, state: SquareMean, step: Step) -> None:
        squares, n = torch.zeros_like(step.g), step.g.shape[1]
        for start, end in zip([0, *self._ends], [*self._ends[:-1], n], strict=False):
            if start < end:
                squares[:, start:end] = step.g[:, start:end].square().mean(dim=1, keepdim=True)
        state.mean = torch.where(step.where.unsqueeze(1), state.mean.lerp(squares, 0.1), state.mean)

    def h0(self, state: SquareMean, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.mean, eps=self.eps)


@dataclass(frozen=True, kw_only=True)
class DoubleAdaGrad(ScalingBase):
    """Right: AdaGrad whose sums and roots are float64 whatever the model's dtype."""

    eps: float = 1e-4

    declares: ClassVar[frozenset[str]] = frozenset({"adagrad"})

    def init(self, space: Space) -> SquareSum:
        return SquareSum(space.zeros(dtype=torch.float64))

    def observe_(self, state: SquareSum, step: Step) -> None:
        g = torch.where(step.where.unsqueeze(1), step.g, 0.0).double()
        state.total = state.total + g * g

    def h0(self, state: SquareSum, curvature: Curvature) -> InitialMatrix:
        return DoubleRoots(state.total, self.eps)


@dataclass(frozen=True)
class DoubleRoots:
    """diag(1 / sqrt(squares + eps)), float64 until the end."""

    squares: Tensor
    eps: float

    def apply_(self, v: Tensor) -> Tensor:
        return v.copy_(v.double() * (self.squares + self.eps).rsqrt())

    def solve_(self, v: Tensor) -> Tensor:
        return v.copy_(v.double() * (self.squares + self.eps).sqrt())


@dataclass(frozen=True)
class GeometricMean(ScalingBase):
    """Right: sqrt(s's / y'y), the geometric mean of the two Barzilai-Borwein lengths, bounded and positive."""

    least: float = 1e-6
    most: float = 1e6

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        _, s_s, y_y, exists = curvature.newest()
        gamma = (s_s / y_y).sqrt().clamp(self.least, self.most)
        return Diagonal(gamma=torch.where(exists, gamma, 1.0))


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.SCALING: {
        "h0_counts_its_calls": CountsProducts,
        "skipped_runs_decay_too": SkippedRunsDecay,
        "identity_until_every_run_has_a_pair": WaitsForEveryRun,
        "empty_slots_count_as_ones": EmptySlotsAreOnes,
        "solve_without_the_clamp_of_apply": SolveWithoutTheClamp,
        "eps_is_bias_corrected_too": EpsCorrectedToo,
        "sums_in_the_default_dtype": SumsInTheDefaultType,
        "last_models_blocks_kept_on_the_part": RemembersTheLastModel,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.SCALING: {
        "adagrad_in_float64": DoubleAdaGrad,
        "geometric_mean_of_both_lengths": GeometricMean,
    }
}
