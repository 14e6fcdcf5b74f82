"""Wrong scalings of the family, and wrong inverses of any: one sin each, which its name says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import AdaGrad, BiasCorrectedRMSProp, ClippedBarzilaiBorwein, Constant, Diagonal, Step
from adaqn_lab.protocols import Curvature, InitialMatrix
from verification.mutants.matrices import Product
from verification.mutants.naming import by_sin


class WrongCorrection(BiasCorrectedRMSProp):
    """What the wrong corrections share."""

    declares: ClassVar[tuple[str, ...]] = ("bias-corrected rmsprop",)


class CorrectionForgotten(WrongCorrection):
    """V for V / (1 - decay^t)."""

    def h0(self, state: Any, curvature: Curvature) -> Diagonal:
        return super().h0(replace(state, count=torch.zeros_like(state.count)), curvature)


class CountsMaskedSteps(WrongCorrection):
    """t counts every step, also those whose gradient was bad."""

    def observe_(self, state: Any, step: Step) -> None:
        super().observe_(state, step)
        state.count = torch.full_like(state.count, int(step.k))


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

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        return Diagonal(gamma=1 / self.value)


class _Swapped:
    """H0 in both directions."""

    def __init__(self, right: InitialMatrix) -> None:
        self._right = right

    def apply_(self, v: Tensor) -> Tensor:
        """Return H0 v."""
        return self._right.apply_(v)

    def solve_(self, v: Tensor) -> Tensor:
        """Return H0 v again."""
        return self._right.apply_(v)


class InverseIsH0(AdaGrad):
    """H0 v where H0^-1 v belongs."""

    def h0(self, state: Any, curvature: Curvature) -> Any:
        return _Swapped(super().h0(state, curvature))


class InverseOfInitialH0(AdaGrad):
    """The inverse of the H0 before any gradient."""

    def h0(self, state: Any, curvature: Curvature) -> Any:
        right = super().h0(state, curvature)
        return Product(right.apply_, Diagonal(gamma=self.eps**-0.5))


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
