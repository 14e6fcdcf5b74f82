"""d = H g."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Plain, Step
from adaqn_lab.protocols import Operator
from verification.benches import StepperBench
from verification.compare import close
from verification.law import Factory, Group, Property, Subject, law
from verification.naming import by_name
from verification.specimen import Specimen
from verification.strategies import ContractCase, contract_cases
from verification.tolerances import TOLERANCES

PLAIN = Property("plain", "d = H g.")


@law(
    name="plain-is-h-g",
    statement="d = H g",
    source="Keskar & Berahas 2016: w <- w - alpha H g.",
    group=Group.REFERENCE,
    subject=Subject.STEPPER,
    tolerance="linear",
    kills=("steps_uphill", "stepper_normalises", "ignores_operator", "applies_twice"),
    needs=(PLAIN,),
    inputs=contract_cases(),
)
def plain_is_h_g(factory: Factory, case: ContractCase) -> None:
    """Nothing is added."""
    bench = StepperBench(factory(), case)
    bench.feed_all()
    expected = case.h0.astype(np.float64) * case.v
    close(bench.read(), expected, TOLERANCES["linear"](case.dtype) * np.abs(expected), f"d after {case.items} steps")


class WrongPlain(Plain):
    """What the wrong plain steppers share."""

    declares: ClassVar[tuple[str, ...]] = ("plain",)


class IgnoresOperator(WrongPlain):
    """d = g: the curvature is never used."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return step.g.clone()


class AppliesTwice(WrongPlain):
    """d = H H g."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d: Tensor = operator(operator(step.g))
        return d


class StepsUphill(WrongPlain):
    """d = -H g: the sign is the optimizer's business."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return -operator(step.g)


class StepperNormalises(WrongPlain):
    """d = H g / |H g|, unasked."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d: Tensor = operator(step.g)
        length: Tensor = torch.linalg.vector_norm(d, dim=1, keepdim=True)
        return d / length.clamp(min=1e-30)


SPECIMEN = Specimen(
    role=Subject.STEPPER,
    kind=Plain,
    variations=(Plain,),
    declares=frozenset({PLAIN}),
    laws=(plain_is_h_g,),
    mutants=by_name(IgnoresOperator, AppliesTwice, StepsUphill, StepperNormalises),
)
