"""Inner steppers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from verification.benches import StepperBench
from verification.compare import close, holds
from verification.law import Group, Property, Subject, law
from verification.strategies import ContractCase, contract_cases
from verification.tolerances import TOLERANCES

Factory = Callable[[], Any]


@law(
    name="stepper-first-step-descends",
    number=3,
    statement="from a fresh state g'd >= 0, and > 0 unless g = 0",
    source="H is positive definite, so -Hg is a direction of descent.",
    group=Group.MATHEMATICS,
    subject=Subject.STEPPER,
    kills=("steps_uphill",),
    inputs=contract_cases(min_items=1),
)
def first_step_descends(factory: Factory, case: ContractCase) -> None:
    """The first step goes downhill."""
    bench = StepperBench(factory(), case)
    everyone = np.ones(case.runs, bool)
    bench.feed(0, everyone)
    slope = (torch.from_numpy(case.rows[:, 0]) * bench.read()).sum(1)
    holds((slope > 0).all(), f"g'd: got {slope.tolist()}, more than 0 expected")


@law(
    name="plain-is-h-g",
    number=14,
    statement="d = H g",
    source="Keskar & Berahas 2016: w <- w - alpha H g.",
    group=Group.REFERENCE,
    subject=Subject.STEPPER,
    tolerance="linear",
    kills=("steps_uphill", "stepper_normalises"),
    needs=frozenset({Property.PLAIN}),
    inputs=contract_cases(min_items=1),
)
def plain_is_h_g(factory: Factory, case: ContractCase) -> None:
    """Nothing is added."""
    bench = StepperBench(factory(), case)
    everyone = np.ones(case.runs, bool)
    for k in range(case.items):
        bench.feed(k, everyone)
        expected = case.h0.astype(np.float64) * case.rows[:, k]
        close(bench.read(), expected, TOLERANCES["linear"](case.dtype) * np.abs(expected), f"d of step {k}")


LAWS = (first_step_descends, plain_is_h_g)
