"""Wrong corrected and clipped scalings, each with one sin, which its name says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import BiasCorrectedRMSProp, ClippedBarzilaiBorwein, Step
from adaqn_lab.protocols import Curvature
from verification.mutants.naming import by_sin


class _WrongCorrected(BiasCorrectedRMSProp):
    """What the wrong corrections share."""

    declares: ClassVar[tuple[str, ...]] = ("bias-corrected",)


class Uncorrected(_WrongCorrected):
    """RMSProp: V begins at zero and is not divided."""

    def apply_(self, state: Any, history: Curvature, v: Tensor) -> Tensor:
        return v.div_((state.mean + self.eps).sqrt())


class CorrectsByMaskedSteps(_WrongCorrected):
    """t counts the steps of the optimizer, not the gradients that the run saw."""

    def observe_(self, state: Any, step: Step) -> None:
        before = state.count
        super().observe_(state, step)
        state.count = before + 1


class _WrongClipped(ClippedBarzilaiBorwein):
    """What the wrong clippings share."""

    declares: ClassVar[tuple[str, ...]] = ("clipped barzilai-borwein",)


class ClipsH0ForGamma(_WrongClipped):
    """H0 = max(s'y / y'y, floor) I."""

    def _gamma(self, history: Curvature, v: Tensor) -> Tensor:
        s_y, _, y_y, exists = history.newest()
        h0 = torch.where(exists, s_y / y_y, 1 / self.floor).clamp(min=self.floor)
        return h0.reciprocal().to(v.dtype).unsqueeze(1)


class FloorOnlyWithoutAPair(_WrongClipped):
    """A pair of small curvature is believed."""

    def _gamma(self, history: Curvature, v: Tensor) -> Tensor:
        s_y, _, y_y, exists = history.newest()
        return torch.where(exists, y_y / s_y, self.floor).to(v.dtype).unsqueeze(1)


SCALING: dict[str, Callable[[], Any]] = by_sin(
    Uncorrected, CorrectsByMaskedSteps, ClipsH0ForGamma, FloorOnlyWithoutAPair
)
