"""Wrong scalings of the family, and wrong inverses of any: one sin each, which its name says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import AdaGrad, BiasCorrectedRMSProp, ClippedBarzilaiBorwein, Constant, Step
from adaqn_lab.protocols import Curvature
from verification.mutants.naming import by_sin


class WrongCorrection(BiasCorrectedRMSProp):
    """What the wrong corrections share."""

    declares: ClassVar[tuple[str, ...]] = ("bias-corrected rmsprop",)


class CorrectionForgotten(WrongCorrection):
    """V for V / (1 - decay^t)."""

    def apply_(self, state: Any, history: Curvature, v: Tensor) -> Tensor:
        return super().apply_(replace(state, count=torch.zeros_like(state.count)), history, v)


class CountsMaskedSteps(WrongCorrection):
    """t counts every step, also those whose gradient was bad."""

    def observe_(self, state: Any, step: Step) -> None:
        super().observe_(state, step)
        state.count = torch.full_like(state.count, step.k)


class WrongClip(ClippedBarzilaiBorwein):
    """What the wrong bounds of gamma share."""

    declares: ClassVar[tuple[str, ...]] = ("clipped barzilai-borwein",)


class FloorForgotten(WrongClip):
    """gamma = y'y / s'y, however small."""

    def _gamma(self, history: Curvature) -> Tensor:
        s_y, _, y_y, exists = history.newest()
        return torch.where(exists, y_y / s_y, self.floor)


class FloorIsACeiling(WrongClip):
    """min for max."""

    def _gamma(self, history: Curvature) -> Tensor:
        s_y, _, y_y, exists = history.newest()
        return torch.where(exists, y_y / s_y, self.floor).clamp(max=self.floor)


class IdentityWithoutAPair(WrongClip):
    """H0 = I before there is a pair, whatever the field says."""

    def _gamma(self, history: Curvature) -> Tensor:
        return torch.where(history.newest()[3], super()._gamma(history), 1.0)


class ValueUpsideDown(Constant):
    """H0 = I / value."""

    declares: ClassVar[tuple[str, ...]] = ("constant",)

    def apply_(self, state: None, history: Curvature, v: Tensor) -> Tensor:
        return v.div_(self.value)


class InverseIsH0(AdaGrad):
    """H0 v where H0^-1 v belongs."""

    declares: ClassVar[tuple[str, ...]] = ("invertible",)

    def apply_inverse_(self, state: Any, history: Curvature, v: Tensor) -> Tensor:
        return self.apply_(state, history, v)


class InverseOfInitialH0(AdaGrad):
    """The inverse of the H0 before any gradient."""

    declares: ClassVar[tuple[str, ...]] = ("invertible",)

    def apply_inverse_(self, state: Any, history: Curvature, v: Tensor) -> Tensor:
        return v.mul_(self.eps**0.5)


SCALING: dict[str, Callable[[], Any]] = by_sin(
    CorrectionForgotten,
    CountsMaskedSteps,
    FloorForgotten,
    FloorIsACeiling,
    IdentityWithoutAPair,
    ValueUpsideDown,
    InverseIsH0,
    InverseOfInitialH0,
    floor=1.25,
    value=0.25,
)
"""Sin -> factory of the wrong part."""
