"""Wrong pair generators with displacements of their own, and wrong Gauss-Newton products: one sin each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import (
    AveragedDifference,
    Displacement,
    GaussNewton,
    LookAheadDifference,
    Pair,
    Sample,
    SampledHessian,
    Space,
    Step,
)
from verification.mutants.naming import by_sin


class WrongGaussNewton(GaussNewton):
    """What the wrong Gauss-Newton products share."""

    declares: ClassVar[tuple[str, ...]] = ("gauss-newton",)


class HessianForGaussNewton(WrongGaussNewton):
    """y = (Hessian) s: with the outputs' own curvature, and s'y of any sign."""

    def pair_(self, state: None, move: Displacement, oracle: Any) -> Tensor:
        y: Tensor = oracle.hessian_vector(move.w_bar, move.s)
        return y


class GaussNewtonAtReference(WrongGaussNewton):
    """At w_ref for w_bar."""

    def pair_(self, state: None, move: Displacement, oracle: Any) -> Tensor:
        return super().pair_(state, replace(move, w_bar=move.w_ref), oracle)


class WrongSamples(SampledHessian):
    """What the wrong samples share."""

    declares: ClassVar[tuple[str, ...]] = ("sampled hessian",)


class SamplesShareY(WrongSamples):
    """y_1 for every sample."""

    def pair_(self, state: Any, move: Displacement, oracle: Any) -> Pair:
        pair = super().pair_(state, move, oracle)
        return replace(pair, y=pair.y[:, :1].expand_as(pair.y))


class SamplesStay(WrongSamples):
    """The memory keeps its older pairs."""

    def pair_(self, state: Any, move: Displacement, oracle: Any) -> Pair:
        return replace(super().pair_(state, move, oracle), renews=False)


class NoiseRepeats(WrongSamples):
    """The generator starts anew at each window."""

    def pair_(self, state: Any, move: Displacement, oracle: Any) -> Pair:
        return super().pair_(replace(state), move, oracle)


class NoiseOfItsOwnForEachRun(WrongSamples):
    """Runs together are not as runs alone."""

    def pair_(self, state: Any, move: Displacement, oracle: Any) -> Pair:
        made = [super(NoiseOfItsOwnForEachRun, self).pair_(state, move, oracle) for _ in move.s]
        s, y = (torch.stack([x[r] for r, x in enumerate(xs)]) for xs in ([p.s for p in made], [p.y for p in made]))
        return Pair(s, y, renews=True)


class NoiseOnPart(WrongSamples):
    """The generator's state is the part's, and in no checkpoint."""

    def init(self, space: Space) -> Any:
        object.__setattr__(self, "noise", super().init(space))
        return super().init(space)

    def pair_(self, state: Any, move: Displacement, oracle: Any) -> Pair:
        return super().pair_(self.__dict__["noise"], move, oracle)


class NoiseOnSphere(WrongSamples):
    """|s_i| = radius: shorter by sqrt(n)."""

    def pair_(self, state: Any, move: Displacement, oracle: Any) -> Pair:
        pair = super().pair_(state, move, oracle)
        length = pair.s.norm(dim=2, keepdim=True) / self.radius
        return replace(pair, s=pair.s / length, y=pair.y / length)


class WrongAverages(AveragedDifference):
    """What the wrong averages share."""

    declares: ClassVar[tuple[str, ...]] = ("averaged difference",)


class GradientIsNotAveraged(WrongAverages):
    """y is the change of the last gradient, s that of the average."""

    def observe_(self, state: Any, step: Step) -> None:
        super().observe_(state, step)
        state.g = torch.where(step.where.unsqueeze(1), step.g, state.g)


class AverageStartsAtZero(WrongAverages):
    """W_1 = (1 - decay) w_1, uncorrected: the first windows move away from zero."""

    def observe_(self, state: Any, step: Step) -> None:
        first = (step.where & ~state.started).unsqueeze(1)
        super().observe_(state, step)
        state.w = torch.where(first, state.w * (1 - self.decay), state.w)
        state.g = torch.where(first, state.g * (1 - self.decay), state.g)


class WindowOpensLate(WrongAverages):
    """The old averages are those after the window's first step."""

    def observe_(self, state: Any, step: Step) -> None:
        super().observe_(state, step)
        if (step.k - 1) % self.every == 0:
            state.w_old, state.g_old = state.w.clone(), state.g.clone()


class WrongLookAhead(LookAheadDifference):
    """What the wrong look-ahead pairs share."""

    declares: ClassVar[tuple[str, ...]] = ("look-ahead difference",)


class PairsLookAheadPoints(WrongLookAhead):
    """s from one look-ahead point to the next, as plain oBFGS under momentum would."""

    def pair_(self, state: Any, move: Displacement, oracle: Any) -> Pair:
        y = oracle.gradient(move.w_bar, Sample.BATCH) - oracle.gradient(move.w_ref, Sample.BATCH)
        return Pair(move.s, y + self.shift * move.s)


class LookAheadShiftHasWrongSign(WrongLookAhead):
    """y - shift s for y + shift s."""

    def pair_(self, state: Any, move: Displacement, oracle: Any) -> Pair:
        pair = super().pair_(state, move, oracle)
        return replace(pair, y=pair.y - 2 * self.shift * pair.s)


PAIRS: dict[str, Callable[[], Any]] = by_sin(
    HessianForGaussNewton,
    GaussNewtonAtReference,
    SamplesShareY,
    SamplesStay,
    NoiseRepeats,
    NoiseOfItsOwnForEachRun,
    NoiseOnPart,
    NoiseOnSphere,
    GradientIsNotAveraged,
    AverageStartsAtZero,
    WindowOpensLate,
    PairsLookAheadPoints,
    LookAheadShiftHasWrongSign,
    count=3,
    radius=0.5,
    every=3,
    shift=0.25,
)
"""Sin -> factory of the wrong part."""
