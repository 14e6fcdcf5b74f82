"""The direction of another stepper, shortened with time."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from torch import Tensor

from adaqn_lab import Decaying, Momentum, Step
from adaqn_lab.protocols import Operator
from verification.contracts.composed_steppers import AROUND
from verification.law import Property, Subject
from verification.naming import by_name
from verification.specimen import Specimen
from verification.steppers.driving import law_around

DECAYING = Property(
    "decaying",
    "The direction of the stepper `of` inside times (tau / (tau + k - 1))^power.",
    fields=(
        "of",
        "tau",
        "power",
    ),
)


decaying = law_around(
    DECAYING,
    lambda part, d, g, k: d * (part.tau / (part.tau + k - 1)) ** part.power,
    "d_k = d_of (tau / (tau + k - 1))^power, k from 1",
    "Schraudolph, Yu & Guenter 2007",
    ("decays_late", "decay_without_power"),
)


class WrongDecay(Decaying):
    """What the wrong decays share."""

    declares: ClassVar[tuple[str, ...]] = ("decaying",)


class DecaysLate(WrongDecay):
    """tau / (tau + k): the first step is shorter already."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        return super().direction_(state, replace(step, k=step.k + 1), operator)


class DecayWithoutPower(WrongDecay):
    """power = 1 whatever the field says."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state, step, operator)
        return d * (self.tau / (self.tau + step.k - 1))


SPECIMEN = Specimen(
    role=Subject.STEPPER,
    kind=Decaying,
    variations=(
        Decaying,
        partial(Decaying, tau=5.0, power=0.5, of=Momentum()),
    ),
    declares=frozenset({DECAYING, AROUND}),
    laws=(decaying,),
    mutants=by_name(DecaysLate, DecayWithoutPower, power=0.5, of=Momentum()),
)
