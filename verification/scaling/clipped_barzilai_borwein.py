"""The scaling of Barzilai and Borwein with a floor."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import ClippedBarzilaiBorwein
from adaqn_lab.protocols import Curvature
from verification.law import Property, Subject
from verification.naming import by_name
from verification.scaling.textbook import textbook_law
from verification.specimen import Specimen
from verification.strategies import Array, ContractCase

CLIPPED_BARZILAI_BORWEIN = Property(
    "clipped barzilai-borwein",
    "H0 = I / max(y'y / s'y, floor) of the newest pair, I / floor without one.",
    fields=("floor",),
)


def _clipped_barzilai_borwein(part: Any, case: ContractCase, run: int) -> Array:
    gamma = 0.0
    if case.paired[run]:
        s, y = (x[run].astype(np.float64) for x in (case.v, case.partners))
        gamma = float(y @ y) / float(s @ y)
    return np.full(case.n, 1 / max(gamma, part.floor))


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


equals_textbook = textbook_law(
    CLIPPED_BARZILAI_BORWEIN,
    _clipped_barzilai_borwein,
    "H0 = I / max(y'y / s'y, floor) of the newest pair, I / floor without one",
    "SdLBFGS, Wang, Ma, Goldfarb & Liu 2017",
    ("floor_forgotten", "floor_is_a_ceiling", "identity_without_a_pair"),
)
SPECIMEN = Specimen(
    role=Subject.SCALING,
    kind=ClippedBarzilaiBorwein,
    variations=(
        ClippedBarzilaiBorwein,
        partial(ClippedBarzilaiBorwein, floor=1.25),
    ),
    declares=frozenset({CLIPPED_BARZILAI_BORWEIN}),
    laws=(equals_textbook,),
    mutants=by_name(FloorForgotten, FloorIsACeiling, IdentityWithoutAPair, floor=1.25),
)
