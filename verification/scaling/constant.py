"""A constant."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from adaqn_lab import Constant, Diagonal, Space, Step
from adaqn_lab.protocols import Curvature
from verification.law import Property, Subject
from verification.naming import by_name
from verification.scaling.textbook import textbook_law
from verification.specimen import Specimen
from verification.strategies import Array, ContractCase

CONSTANT = Property("constant", "H0 = value I.", fields=("value",))


def _constant(part: Any, case: ContractCase, run: int) -> Array:
    return np.full(case.n, float(part.value))


class ValueUpsideDown(Constant):
    """H0 = I / value."""

    declares: ClassVar[tuple[str, ...]] = ("constant",)

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        return Diagonal(gamma=1 / self.value)


@dataclass
class _Steps:
    """``count`` (R,) float64."""

    count: Tensor


class ShrinksWithTime(Constant):
    """H0 = value / k I after k steps."""

    declares: ClassVar[tuple[str, ...]] = ("constant",)

    def init(self, space: Space) -> _Steps:
        return _Steps(space.scalars())

    def observe_(self, state: Any, step: Step) -> None:
        state.count = state.count + step.where

    def h0(self, state: Any, curvature: Curvature) -> Diagonal:
        return Diagonal(gamma=self.value / state.count.clamp(min=1.0))


equals_textbook = textbook_law(
    CONSTANT,
    _constant,
    "H0 = value I",
    "oBFGS, Schraudolph, Yu & Guenter 2007; RES; K-BFGS: a fixed H0",
    ("value_upside_down", "shrinks_with_time"),
)
SPECIMEN = Specimen(
    role=Subject.SCALING,
    kind=Constant,
    variations=(partial(Constant, value=0.25),),
    declares=frozenset({CONSTANT}),
    laws=(equals_textbook,),
    mutants=by_name(ValueUpsideDown, ShrinksWithTime, value=0.25),
)
