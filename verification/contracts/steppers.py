"""From a fresh state every stepper goes downhill."""

from __future__ import annotations

import torch

from verification.benches import StepperBench
from verification.compare import holds
from verification.law import Factory, Group, Subject, law
from verification.strategies import ContractCase, contract_cases


@law(
    name="stepper-first-step-descends",
    statement="from a fresh state g'd >= 0",
    source="H is positive definite, so -Hg is a direction of descent; who gathers gradients first waits with d = 0.",
    group=Group.MATHEMATICS,
    subject=Subject.STEPPER,
    kills=("steps_uphill", "drifts"),
    inputs=contract_cases(),
)
def first_step_descends(factory: Factory, case: ContractCase) -> None:
    """The first step goes downhill."""
    slope = (torch.from_numpy(case.v) * StepperBench(factory(), case).read()).sum(1)
    holds((slope >= 0).all(), f"g'd: got {slope.tolist()}, at least 0 expected")


LAWS = (first_step_descends,)
