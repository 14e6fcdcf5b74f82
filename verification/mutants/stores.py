"""Wrong stores of gradients, rounded and sketched, and wrong differences of gradients: one sin each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import Displacement, EmpiricalFisher, HessianDifference, Sample, SketchedFisher, Step
from verification.mutants.naming import by_sin, sin_of

Factory = Callable[[], Any]


class KeepsEveryDigit(EmpiricalFisher):
    """Nothing is rounded."""

    declares: ClassVar[tuple[str, ...]] = ("linear pairs", "rounded")


class RoundsTowardZero(KeepsEveryDigit):
    """Cuts the mantissa off: every gradient is shorter."""

    def observe_(self, state: Any, step: Step) -> None:
        cut = (step.g.float().view(torch.int32) & -0x10000).view(torch.float32).to(step.g.dtype)
        super().observe_(state, replace(step, g=cut))


class RoundsYToo(KeepsEveryDigit):
    """The products are rounded as well."""

    def observe_(self, state: Any, step: Step) -> None:
        super().observe_(state, replace(step, g=step.g.bfloat16().to(step.g.dtype)))

    def pair_(self, state: Any, move: Displacement, oracle: Any) -> Tensor:
        y = super().pair_(state, move, oracle)
        return y.bfloat16().to(y.dtype)


class WrongSketch(SketchedFisher):
    """What the wrong sketches share."""

    declares: ClassVar[tuple[str, ...]] = ("linear pairs", "sketched fisher")


class SketchesOneTooMany(WrongSketch):
    """group + 1 gradients in each sum."""

    def observe_(self, state: Any, step: Step) -> None:
        SketchedFisher.observe_(replace(self, group=self.group + 1), state, step)


class SketchDividesByRows(WrongSketch):
    """factor of the number of sums for that of the gradients in them."""

    def pair_(self, state: Any, move: Displacement, oracle: Any) -> Tensor:
        gradients = (state.count - 1) * self.group + state.within
        wrong = self.normalisation.factor(state.count.clamp(min=1))
        right = self.normalisation.factor(gradients.clamp(min=1))
        y = super().pair_(state, move, oracle)
        return y * (wrong / right).to(y.dtype).unsqueeze(1)


class SketchKeepsOldRows(WrongSketch):
    """A sum is added to what its place held before."""

    def observe_(self, state: Any, step: Step) -> None:
        before = state.rows.clone()
        super().observe_(state, step)
        fresh = (state.within == 1).view(-1, 1, 1)
        state.rows = torch.where(fresh & (state.rows != before), state.rows + before, state.rows)


class SketchWithoutSigns(WrongSketch):
    """z = sum of g: an average, whose matrix is that of the mean gradient."""

    def observe_(self, state: Any, step: Step) -> None:
        seen = state.seen.clone()
        state.seen = torch.zeros_like(seen)
        super().observe_(state, step)
        state.seen = seen + step.where.long()


class SignsAlternate(WrongSketch):
    """+1, -1, +1, ...: a difference."""

    def observe_(self, state: Any, step: Step) -> None:
        seen = state.seen.clone()
        state.seen = torch.zeros_like(seen)
        sign = (1 - 2 * (seen % 2)).to(step.g.dtype).unsqueeze(1)
        super().observe_(state, replace(step, g=sign * step.g))
        state.seen = seen + step.where.long()


class WrongHessianDifference(HessianDifference):
    """What the wrong differences share."""

    declares: ClassVar[tuple[str, ...]] = ("hessian difference",)


class OneSidedDifference(WrongHessianDifference):
    """(g(w_bar + t s) - g(w_bar)) / t."""

    def pair_(self, state: None, move: Displacement, oracle: Any) -> Tensor:
        length = torch.linalg.vector_norm(move.s, dim=1, keepdim=True)
        t = torch.where(length > 0, self.radius / length, 1.0)
        up = oracle.gradient(move.w_bar + t * move.s, Sample.CURVATURE)
        y: Tensor = (up - oracle.gradient(move.w_bar, Sample.CURVATURE)) / t
        return y


class DifferenceAtReference(WrongHessianDifference):
    """Around w_ref."""

    def pair_(self, state: None, move: Displacement, oracle: Any) -> Tensor:
        return super().pair_(state, replace(move, w_bar=move.w_ref), oracle)


class DividesByTheRadius(WrongHessianDifference):
    """By 2 radius for 2 t: a unit displacement's y."""

    def pair_(self, state: None, move: Displacement, oracle: Any) -> Tensor:
        length = torch.linalg.vector_norm(move.s, dim=1, keepdim=True)
        return super().pair_(state, move, oracle) / torch.where(length > 0, length, 1.0)


class DividesByNoLength(WrongHessianDifference):
    """0 / 0 where s = 0."""

    def pair_(self, state: None, move: Displacement, oracle: Any) -> Tensor:
        length = torch.linalg.vector_norm(move.s, dim=1, keepdim=True)
        y: Tensor = super().pair_(state, move, oracle) * (length / length)
        return y


PAIRS: dict[str, Factory] = {
    **{sin_of(kind): partial(kind, window=3) for kind in (KeepsEveryDigit, RoundsTowardZero, RoundsYToo)},
    **by_sin(
        SketchesOneTooMany,
        SketchDividesByRows,
        SketchKeepsOldRows,
        SketchWithoutSigns,
        SignsAlternate,
        rows=2,
        group=2,
    ),
    **by_sin(OneSidedDifference, DifferenceAtReference, DividesByTheRadius, DividesByNoLength),
}
"""Sin -> factory of the wrong part."""
