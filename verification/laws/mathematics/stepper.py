"""Inner steppers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from verification.benches import StepperBench
from verification.compare import close, holds, same
from verification.law import Group, Property, Subject, law
from verification.strategies import ContractCase, contract_cases
from verification.tolerances import TOLERANCES

Factory = Callable[[], Any]


@law(
    name="stepper-first-step-descends",
    number=3,
    statement="from a fresh state g'd >= 0",
    source="H is positive definite, so -Hg is a direction of descent; who gathers gradients first waits with d = 0.",
    group=Group.MATHEMATICS,
    subject=Subject.STEPPER,
    kills=("steps_uphill",),
    inputs=contract_cases(),
)
def first_step_descends(factory: Factory, case: ContractCase) -> None:
    """The first step goes downhill."""
    slope = (torch.from_numpy(case.v) * StepperBench(factory(), case).read()).sum(1)
    holds((slope >= 0).all(), f"g'd: got {slope.tolist()}, at least 0 expected")


@law(
    name="plain-is-h-g",
    number=14,
    statement="d = H g",
    source="Keskar & Berahas 2016: w <- w - alpha H g.",
    group=Group.REFERENCE,
    subject=Subject.STEPPER,
    tolerance="linear",
    kills=("steps_uphill", "stepper_normalises", "ignores_operator", "applies_twice"),
    needs=frozenset({Property.PLAIN}),
    inputs=contract_cases(),
)
def plain_is_h_g(factory: Factory, case: ContractCase) -> None:
    """Nothing is added."""
    bench = StepperBench(factory(), case)
    bench.feed_all()
    expected = case.h0.astype(np.float64) * case.v
    close(bench.read(), expected, TOLERANCES["linear"](case.dtype) * np.abs(expected), f"d after {case.items} steps")


@law(
    name="gradient-is-g",
    number=14,
    statement="d = g whatever H is, bit for bit",
    source="Stochastic gradient descent, Robbins & Monro 1951",
    group=Group.REFERENCE,
    subject=Subject.STEPPER,
    kills=("gradient_with_h", "sign_of_the_gradient"),
    needs=frozenset({Property.GRADIENT}),
    inputs=contract_cases(),
)
def gradient_is_g(factory: Factory, case: ContractCase) -> None:
    """The curvature is not used."""
    bench = StepperBench(factory(), case)
    bench.feed_all()
    same(bench.read(), case.v, f"d after {case.items} steps")


LAWS = (first_step_descends, plain_is_h_g, gradient_is_g)
