"""Directions of length one."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Normalised, Step
from adaqn_lab.protocols import Operator
from verification.benches import StepperBench
from verification.compare import close
from verification.contracts.composed_steppers import AROUND
from verification.law import Factory, Group, Property, Subject, law
from verification.naming import by_name
from verification.specimen import Specimen
from verification.steppers.driving import STEPS, fed
from verification.strategies import ContractCase
from verification.tolerances import TOLERANCES

UNIT = Property("unit", "|d| = 1.")


@law(
    name="unit-direction",
    statement="|d| = 1 for every run, d = 0 where the gradient is",
    source="aSNAQ, Indrapriyadarsini et al. 2020",
    group=Group.MATHEMATICS,
    subject=Subject.STEPPER,
    tolerance="linear",
    kills=("normalises_runs_together", "normalises_zero"),
    needs=(UNIT,),
    inputs=STEPS,
)
def unit_direction(factory: Factory, case: ContractCase) -> None:
    """lr is the length of the step."""
    bench = StepperBench(factory(), case)
    length = np.linalg.norm(fed(bench, 0), axis=1)
    close(length, np.ones(case.runs), TOLERANCES["linear"](case.dtype, n=case.n), "|d|")
    nothing = StepperBench(factory(), case)
    zero = nothing.step(np.zeros_like(case.v), np.ones(case.runs, bool))
    close(nothing._direction(nothing.state, zero), np.zeros_like(case.v), 0.0, "d of a zero gradient")


class NormalisesRunsTogether(Normalised):
    """One length for all runs."""

    declares: ClassVar[tuple[str, ...]] = ("unit",)

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state, step, operator)
        together: Tensor = torch.linalg.vector_norm(d)
        return 2 * d / together.clamp(min=1e-30)


class NormalisesZero(Normalised):
    """0 / 0."""

    declares: ClassVar[tuple[str, ...]] = ("unit",)

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state, step, operator)
        length: Tensor = torch.linalg.vector_norm(d, dim=1, keepdim=True)
        return d / length


SPECIMEN = Specimen(
    role=Subject.STEPPER,
    kind=Normalised,
    variations=(Normalised,),
    declares=frozenset({UNIT, AROUND}),
    laws=(unit_direction,),
    mutants=by_name(NormalisesRunsTogether, NormalisesZero),
)
