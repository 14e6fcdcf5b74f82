"""The direction of another stepper plus a share of the gradient."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from adaqn_lab import PlusGradient, Step
from adaqn_lab.protocols import Operator
from verification.contracts.composed_steppers import AROUND
from verification.law import Property, Subject
from verification.naming import by_name
from verification.specimen import Specimen
from verification.steppers.driving import law_around

PLUS_GRADIENT = Property(
    "plus gradient",
    "The direction of the stepper `of` inside plus `weight` g.",
    fields=(
        "of",
        "weight",
    ),
)


plus_gradient = law_around(
    PLUS_GRADIENT,
    lambda part, d, g, k: d + part.weight * g,
    "d = d_of + weight g",
    "RES, Mokhtari & Ribeiro 2014",
    ("minus_gradient", "plus_direction"),
)


class WrongPlus(PlusGradient):
    """What the wrong sums share."""

    declares: ClassVar[tuple[str, ...]] = ("plus gradient",)


class MinusGradient(WrongPlus):
    """d_of - weight g."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        return super().direction_(state, step, operator) - 2 * self.weight * step.g


class PlusDirection(WrongPlus):
    """d_of + weight d_of."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        return self.of.direction_(state, step, operator) * (1 + self.weight)


SPECIMEN = Specimen(
    role=Subject.STEPPER,
    kind=PlusGradient,
    variations=(PlusGradient,),
    declares=frozenset({PLUS_GRADIENT, AROUND}),
    laws=(plus_gradient,),
    mutants=by_name(MinusGradient, PlusDirection),
)
