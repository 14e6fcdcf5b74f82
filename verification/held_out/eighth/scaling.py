"""Scalings: wrong ones, and unusual ones which are right."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import InitVar, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import BarzilaiBorweinMean, Diagonal
from adaqn_lab.bases import ScalingBase
from adaqn_lab.diagonal import Entries
from adaqn_lab.linalg import dot
from verification.law import Subject


@dataclass
class Cached:
    """``gamma`` (R,) float64 as it was when last formed; ``asked`` (R,) how often since the start."""

    gamma: Tensor
    asked: Tensor


@dataclass(frozen=True, kw_only=True)
class LazyBarzilaiBorwein(ScalingBase):
    """gamma = s'y / y'y, formed anew at every fourth request for H0: who looks at H changes it."""

    def init(self, space):
        return Cached(space.scalars(fill=1.0), space.counts())

    def h0(self, state, curvature):
        s_y, _, y_y, exists = curvature.newest()
        due = torch.remainder(state.asked, 4) == 0
        state.gamma = torch.where(due & exists, s_y / y_y, state.gamma)
        state.asked = state.asked + 1
        return Diagonal(gamma=state.gamma.clone())


@dataclass
class Factor:
    """Decaying means of squares over the columns (R, rows) and over the rows (R, columns) of one tensor."""

    row: Tensor
    column: Tensor


@dataclass
class Factors:
    """One factor for each tensor; ``sizes`` is shape, not state."""

    factors: tuple[Factor, ...]
    sizes: InitVar[tuple[tuple[int, int], ...]]

    def __post_init__(self, sizes):
        self.matrices = sizes


@dataclass(frozen=True, kw_only=True)
class Factored(ScalingBase):
    """Row times column means of squares; H0 has eps inside the root, its inverse has sqrt(eps) outside."""

    decay: float = 0.9
    eps: float = 1e-4

    def init(self, space):
        shapes = space.shapes or ((space.size,),)
        sizes = tuple((shape[0], math.prod(shape[1:])) if len(shape) > 1 else (math.prod(shape), 1) for shape in shapes)
        made = tuple(Factor(space.scalars(rows), space.scalars(columns)) for rows, columns in sizes)
        return Factors(made, sizes)

    def observe_(self, state, step):
        blocks = torch.split(step.g, [rows * columns for rows, columns in state.matrices], dim=1)
        decay = torch.where(step.where, self.decay, 1.0).double().unsqueeze(1)
        for factor, block, (rows, columns) in zip(state.factors, blocks, state.matrices, strict=True):
            squares = block.double().square().reshape(-1, rows, columns)
            factor.row = decay * factor.row + (1.0 - decay) * squares.sum(2) / max(columns, 1)
            factor.column = decay * factor.column + (1.0 - decay) * squares.sum(1) / max(rows, 1)

    def h0(self, state, curvature):
        parts = []
        for factor in state.factors:
            mean = factor.row.sum(1) / max(factor.row.shape[1], 1)
            outer = factor.row.unsqueeze(2) * factor.column.unsqueeze(1)
            parts.append((outer / torch.where(mean > 0, mean, 1.0).view(-1, 1, 1)).flatten(1))
        squares = torch.cat(parts, dim=1)
        return Entries(entries=(squares + self.eps).rsqrt(), inverse=squares.sqrt() + math.sqrt(self.eps))


@dataclass
class Ratios:
    """``entries`` (R, n) of H0; ``sizes`` is shape, not state."""

    entries: Tensor
    sizes: InitVar[tuple[int, ...]]

    def __post_init__(self, sizes):
        self.lengths = sizes


@dataclass(frozen=True, kw_only=True)
class LayerwiseRatio(ScalingBase):
    """H0 = |w_b| / |g_b| on each tensor b, 1 where g_b = 0, and zero on a tensor which starts at zero."""

    def init(self, space):
        return Ratios(space.zeros() + 1.0, space.sizes or (space.size,))

    def observe_(self, state, step):
        ratios = []
        for w, g in zip(step.w().split(state.lengths, 1), step.g.split(state.lengths, 1), strict=True):
            size, slope = w.double().norm(dim=1), g.double().norm(dim=1)
            ratio = torch.where(slope > 0, size / slope, 1.0).clamp(max=1e3)
            ratios.append(ratio.to(g.dtype).unsqueeze(1).expand(g.shape))
        state.entries = torch.where(step.where.unsqueeze(1), torch.cat(ratios, dim=1), state.entries)

    def h0(self, state, curvature):
        return Entries(entries=state.entries)


@dataclass
class Moments:
    """``first``, ``second`` (R, n): decaying means of g and g*g; ``started`` (R,)."""

    first: Tensor
    second: Tensor
    started: Tensor


@dataclass(frozen=True, kw_only=True)
class Belief(ScalingBase):
    """H0 = 1 / (sqrt(E[g g] - E[g] E[g]) + eps): the variance as a difference, below zero by rounding."""

    decay: float = 0.9
    eps: float = 0.1

    def init(self, space):
        return Moments(space.zeros(), space.zeros(), space.mask(False))

    def observe_(self, state, step):
        where, started = step.where.unsqueeze(1), state.started.unsqueeze(1)
        for name, value in (("first", step.g), ("second", step.g * step.g)):
            old = getattr(state, name)
            new = torch.where(started, self.decay * old + (1.0 - self.decay) * value, value)
            setattr(state, name, torch.where(where, new, old))
        state.started = state.started | step.where

    def h0(self, state, curvature):
        variance = state.second - state.first * state.first
        return Entries(inverse=variance.sqrt() + self.eps)


@dataclass(frozen=True, kw_only=True)
class RatioOfSums(BarzilaiBorweinMean):
    """gamma = sum s'y / sum y'y over the pairs held, which is not the mean of s'y / y'y."""

    declares: ClassVar[frozenset[str]] = frozenset({"barzilai-borwein mean"})

    def _gamma(self, curvature):
        s_y, _, y_y, held = curvature.products()
        some = held.any(dim=1)
        above, below = (torch.where(held, x, 0.0).sum(dim=1) for x in (s_y, y_y))
        return torch.where(some, above / torch.where(some, below, 1.0), self.initial)


@dataclass
class Restarted:
    """``total`` (R, n): squares since the last restart; ``least`` (R,): the smallest |g| since then."""

    total: Tensor
    least: Tensor


@dataclass(frozen=True, kw_only=True)
class RestartedAdaGrad(ScalingBase):
    """AdaGrad which starts anew when |g| is 100 times the smallest since; a skipped step's zero is such a smallest."""

    eps: float = 1e-4
    growth: float = 100.0

    def init(self, space):
        return Restarted(space.zeros(), space.scalars(fill=math.inf))

    def observe_(self, state, step):
        size = dot(step.g, step.g).sqrt()
        anew = size > self.growth * state.least
        state.total = torch.where(anew.unsqueeze(1), 0.0, state.total).addcmul(step.g, step.g)
        state.least = torch.where(anew, size, torch.minimum(state.least, size))

    def h0(self, state, curvature):
        return Diagonal(squares=state.total, eps=self.eps)


@dataclass
class WideSum:
    """``total`` (R, n) float64."""

    total: Tensor


@dataclass(frozen=True, kw_only=True)
class WideAdaGrad(ScalingBase):
    """Right: AdaGrad whose sum is float64, given by the entries of its inverse."""

    eps: float = 1e-4

    declares: ClassVar[frozenset[str]] = frozenset({"adagrad"})

    def init(self, space):
        return WideSum(space.zeros(dtype=torch.float64))

    def observe_(self, state, step):
        g = step.g.double()
        state.total = state.total + g * g

    def h0(self, state, curvature):
        return Entries(inverse=(state.total + self.eps).sqrt())


@dataclass(frozen=True, kw_only=True)
class GeometricBarzilaiBorwein(ScalingBase):
    """Right: gamma = |s| / |y|, the geometric mean of both Barzilai-Borwein steps, 1 without a pair."""

    def h0(self, state, curvature):
        _, s_s, y_y, exists = curvature.newest()
        return Diagonal(gamma=torch.where(exists, s_s.sqrt() / y_y.sqrt(), 1.0))


@dataclass
class Along:
    """``u`` (R, n): the last gradient's direction, zero before there is one."""

    u: Tensor


@dataclass(frozen=True)
class Bumped:
    """I + weight u u'."""

    u: Tensor
    weight: float

    def apply_(self, v):
        """Return v + weight u (u'v)."""
        return v + (self.weight * dot(self.u, v)).to(v.dtype).unsqueeze(1) * self.u

    def solve_(self, v):
        """Return v - weight / (1 + weight u'u) u (u'v)."""
        factor = self.weight / (1.0 + self.weight * dot(self.u, self.u))
        return v - (factor * dot(self.u, v)).to(v.dtype).unsqueeze(1) * self.u


@dataclass(frozen=True, kw_only=True)
class AlongGradient(ScalingBase):
    """Right: H0 = I + u u' / 2 with u the direction of the last gradient, no diagonal; its inverse is exact."""

    weight: float = 0.5

    def init(self, space):
        return Along(space.zeros())

    def observe_(self, state, step):
        length = dot(step.g, step.g).sqrt().to(step.g.dtype).unsqueeze(1)
        unit = step.g / torch.where(length > 0, length, 1.0)
        state.u = torch.where(step.where.unsqueeze(1) & (length > 0), unit, state.u)

    def h0(self, state, curvature):
        return Bumped(state.u, self.weight)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.SCALING: {
        "lazy_refresh_counted_by_the_looks_at_h0": LazyBarzilaiBorwein,
        "eps_inside_the_root_of_h0_and_outside_in_its_inverse": Factored,
        "layerwise_ratio_singular_on_tensors_which_are_zero": LayerwiseRatio,
        "variance_by_a_difference_of_squares": Belief,
        "ratio_of_sums_for_the_mean_of_ratios": RatioOfSums,
        "skipped_steps_zero_triggers_the_restart": RestartedAdaGrad,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.SCALING: {
        "wide_adagrad": WideAdaGrad,
        "geometric_barzilai_borwein": GeometricBarzilaiBorwein,
        "rank_one_along_the_gradient": AlongGradient,
    }
}
