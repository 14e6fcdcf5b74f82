"""Scalings: six wrong ones, two that are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import Diagonal
from adaqn_lab.bases import ScalingBase
from adaqn_lab.linalg import dot
from adaqn_lab.protocols import Curvature, InitialMatrix, Step
from adaqn_lab.space import Space
from verification.law import Subject


@dataclass
class Squares:
    """``total`` (R, n): a sum or mean of squared gradients."""

    total: Tensor


@dataclass(frozen=True, kw_only=True)
class TwoRoots(Diagonal):
    """apply_ divides by sqrt(G + eps); solve_ multiplies by sqrt(G) + eps."""

    def solve_(self, v: Tensor) -> Tensor:
        return v.mul_(self.squares.sqrt() + self.eps)


@dataclass(frozen=True, kw_only=True)
class EpsOutsideWhenSolving(ScalingBase):
    """eps stands inside the root of H0 and outside the root of its inverse."""

    eps: float = 1e-3

    def init(self, space: Space) -> Squares:
        return Squares(space.zeros())

    def observe_(self, state: Squares, step: Step) -> None:
        state.total.addcmul_(step.g, step.g)

    def h0(self, state: Squares, curvature: Curvature) -> InitialMatrix:
        return TwoRoots(squares=state.total, eps=self.eps)


@dataclass(frozen=True, kw_only=True)
class QuotientOfSums(ScalingBase):
    """sum s'y / sum y'y in place of the mean of s'y / y'y: the longest y decides alone."""

    initial: float = 1.0
    declares: ClassVar[frozenset[str]] = frozenset({"barzilai-borwein mean"})

    def check_recipe(self, recipe: Any) -> None:
        try:
            recipe.memory.init(Space(1, 1)).products()
        except TypeError as error:
            raise ValueError(f"QuotientOfSums needs a memory which lists its pairs, not {recipe.memory!r}.") from error

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        s_y, _, y_y, held = curvature.products()
        above, below = (torch.where(held, x, 0.0).sum(dim=1) for x in (s_y, y_y))
        some = held.any(dim=1)
        return Diagonal(gamma=torch.where(some, above / torch.where(some, below, 1.0), self.initial))


@dataclass(frozen=True, kw_only=True)
class DiagonalKeptByVersion(ScalingBase):
    """H0 is made once a step and kept on the part by version and shape: another optimizer at that step is given it."""

    eps: float = 1e-4
    _kept: dict[tuple[Any, ...], Diagonal] = field(default_factory=dict, init=False, repr=False, compare=False)

    def init(self, space: Space) -> Squares:
        return Squares(space.zeros())

    def observe_(self, state: Squares, step: Step) -> None:
        state.total.addcmul_(step.g, step.g)

    def h0(self, state: Squares, curvature: Curvature) -> InitialMatrix:
        total = state.total
        key = (total._version, total.shape, total.dtype, total.device)
        if key not in self._kept:
            self._kept.clear()
            self._kept[key] = Diagonal(squares=total, eps=self.eps)
        return self._kept[key]


@dataclass(frozen=True, kw_only=True)
class FloorUnderYY(ScalingBase):
    """The floor bounds y'y and not y'y / s'y, so that H0 is as large as flat directions make it."""

    floor: float = 1.0
    declares: ClassVar[frozenset[str]] = frozenset({"clipped barzilai-borwein"})

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        s_y, _, y_y, exists = curvature.newest()
        gamma = torch.where(exists, y_y.clamp(min=self.floor) / s_y, self.floor)
        return Diagonal(gamma=1.0 / gamma)


@dataclass(frozen=True, kw_only=True)
class DecayOfTwoNumbers(ScalingBase):
    """torch.where of two Python numbers makes the decay a float32, whatever the vectors are."""

    decay: float = 0.9
    eps: float = 1e-4
    declares: ClassVar[frozenset[str]] = frozenset({"rmsprop"})

    def init(self, space: Space) -> Squares:
        return Squares(space.zeros())

    def observe_(self, state: Squares, step: Step) -> None:
        decay = torch.where(step.where, self.decay, 1.0).unsqueeze(1)
        state.total.mul_(decay).add_((1.0 - decay) * step.g * step.g)

    def h0(self, state: Squares, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.total, eps=self.eps)


@dataclass
class Along:
    """``m`` (R, n): a moving average of gradients; ``m_m`` (R,): its square."""

    m: Tensor
    m_m: Tensor


@dataclass(frozen=True)
class InverseOfRankOne:
    """(I + a m m')^-1 by Sherman and Morrison."""

    m: Tensor
    m_m: Tensor
    a: float

    def apply_(self, v: Tensor) -> Tensor:
        share = self.a * dot(self.m, v) / (1.0 + self.a * self.m_m)
        return v.sub_(share.to(v.dtype).unsqueeze(1) * self.m)

    def solve_(self, v: Tensor) -> Tensor:
        return v.add_((self.a * dot(self.m, v)).to(v.dtype).unsqueeze(1) * self.m)


@dataclass(frozen=True, kw_only=True)
class SquareBeforeTheVector(ScalingBase):
    """m'm is taken before m moves: Sherman and Morrison's denominator is that of the step before."""

    decay: float = 0.9
    a: float = 1.0

    def init(self, space: Space) -> Along:
        return Along(space.zeros(), space.scalars())

    def observe_(self, state: Along, step: Step) -> None:
        state.m_m = torch.where(step.where, dot(state.m, state.m), state.m_m)
        state.m = torch.where(step.where.unsqueeze(1), state.m.lerp(step.g, 1.0 - self.decay), state.m)

    def h0(self, state: Along, curvature: Curvature) -> InitialMatrix:
        return InverseOfRankOne(state.m, state.m_m, self.a)


@dataclass
class WideSquares:
    """``total`` (R, n) float64, and ``rounded``, the same in the vectors' dtype."""

    total: Tensor
    rounded: Tensor


@dataclass(frozen=True, kw_only=True)
class WideAdaGrad(ScalingBase):
    """Right: AdaGrad whose sum is float64, rounded to the vectors' dtype only where H0 reads it."""

    eps: float = 1e-4
    declares: ClassVar[frozenset[str]] = frozenset({"adagrad"})

    def init(self, space: Space) -> WideSquares:
        return WideSquares(space.zeros(dtype=torch.float64), space.zeros())

    def observe_(self, state: WideSquares, step: Step) -> None:
        g = step.g.double()
        state.total.addcmul_(g, g)
        state.rounded.copy_(state.total)

    def h0(self, state: WideSquares, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.rounded, eps=self.eps)


@dataclass(frozen=True, kw_only=True)
class DampedAlongTheMean(ScalingBase):
    """Right: H0 = (I + a u u')^-1, u the unit vector along the mean of gradients; symmetric positive definite."""

    decay: float = 0.9
    a: float = 1.0

    def init(self, space: Space) -> Along:
        return Along(space.zeros(), space.scalars())

    def observe_(self, state: Along, step: Step) -> None:
        state.m = torch.where(step.where.unsqueeze(1), state.m.lerp(step.g, 1.0 - self.decay), state.m)
        state.m_m = torch.where(step.where, dot(state.m, state.m), state.m_m)

    def h0(self, state: Along, curvature: Curvature) -> InitialMatrix:
        length = state.m_m.sqrt().to(state.m.dtype).unsqueeze(1)
        u = torch.where(length > 0, state.m / length, 0.0)
        return InverseOfRankOne(u, dot(u, u), self.a)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.SCALING: {
        "eps_outside_the_root_when_solving": EpsOutsideWhenSolving,
        "quotient_of_sums_for_mean_of_quotients": QuotientOfSums,
        "diagonal_kept_on_the_part_by_version": DiagonalKeptByVersion,
        "floor_bounds_y_y_alone": FloorUnderYY,
        "decay_rounded_by_where": DecayOfTwoNumbers,
        "square_taken_before_the_vector_moves": SquareBeforeTheVector,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.SCALING: {"adagrad_in_float64": WideAdaGrad, "damped_along_the_mean": DampedAlongTheMean}
}
