"""The direction of another stepper, no longer than a radius."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Clipped, Normalised, Space, Step
from adaqn_lab.protocols import Operator
from verification.contracts.composed_steppers import AROUND
from verification.law import Property, Subject
from verification.naming import by_name
from verification.specimen import Specimen
from verification.steppers.driving import law_around
from verification.strategies import Array

CLIPPED = Property(
    "clipped",
    "The direction of the stepper `of` inside, no longer than `radius`.",
    fields=(
        "of",
        "radius",
    ),
)


def _clip(part: Any, d: Array, g: Array, k: int) -> Array:
    length = np.linalg.norm(d, axis=1, keepdims=True)
    return np.asarray(d * np.minimum(1.0, part.radius / length))


clipped = law_around(
    CLIPPED,
    _clip,
    "d = d_of min(1, radius / |d_of|): |d| <= radius, the direction kept",
    "textbook",
    ("clips_elements", "clips_runs_together", "stretches_short_directions"),
)


class WrongClip(Clipped):
    """What the wrong clips share."""

    declares: ClassVar[tuple[str, ...]] = ("clipped",)


class ClipsElements(WrongClip):
    """Each element by itself: another direction."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        return self.of.direction_(state, step, operator).clamp(-self.radius, self.radius)


class ClipsEachTensor(WrongClip):
    """The part of each parameter tensor by itself: the whole may be longer."""

    def init(self, space: Space) -> Any:
        object.__setattr__(self, "sizes", space.sizes or (space.size,))
        return super().init(space)

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        parts = torch.split(self.of.direction_(state, step, operator), list(self.__dict__["sizes"]), 1)
        return torch.cat([p * (self.radius / p.norm(dim=1, keepdim=True)).clamp(max=1.0) for p in parts], 1)


class ClipsRunsTogether(WrongClip):
    """One length for all runs."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state, step, operator)
        length: Tensor = torch.linalg.vector_norm(d)
        return d * (self.radius / length).clamp(max=1.0)


class StretchesShortDirections(WrongClip):
    """|d| = radius always."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d = Normalised(of=self.of).direction_(state, step, operator)
        return d * self.radius


SPECIMEN = Specimen(
    role=Subject.STEPPER,
    kind=Clipped,
    variations=(Clipped,),
    declares=frozenset({CLIPPED, AROUND}),
    laws=(clipped,),
    mutants=by_name(ClipsElements, ClipsEachTensor, ClipsRunsTogether, StretchesShortDirections),
)
