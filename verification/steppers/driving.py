"""Directions of a stepper, and of the one inside, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from verification.benches import StepperBench
from verification.compare import close
from verification.law import Factory, Group, Law, Property, Subject, law
from verification.parts import array
from verification.strategies import Array, ContractCase, contract_cases
from verification.tolerances import TOLERANCES

STEPS = contract_cases(min_items=1)


Formula = Callable[[Any, Array, Array, int], Array]
"""(the stepper, d of the one inside, g, k from 1) -> d, (R, n) float64."""


def direction_of(bench: StepperBench, g: Array) -> Array:
    """The direction of the next step, with gradient ``g`` (R, n)."""
    step = bench.step(g, np.ones(bench.case.runs, bool))
    return array(bench._direction(bench.state, step))


def steps_of(factory: Factory, case: ContractCase, count: int) -> Iterator[tuple[Any, Array, Array, Array, int]]:
    """(the stepper, its d, d of the one inside, g, k) of ``count`` steps."""
    outer = StepperBench(factory(), case)
    inner = StepperBench(outer.part.of, case)
    for k in range(count):
        g = case.rows[:, k % case.items]
        yield outer.part, direction_of(outer, g), direction_of(inner, g), g, k + 1


def law_around(needed: Property, formula: Formula, statement: str, source: str, kills: tuple[str, ...]) -> Law:
    """d = formula(part, d of the stepper inside, g, k) at every step."""

    @law(
        name=needed.word.replace(" ", "-"),
        statement=statement,
        source=source,
        group=Group.REFERENCE,
        subject=Subject.STEPPER,
        tolerance="linear",
        kills=kills,
        needs=(needed,),
        inputs=STEPS,
    )
    def check(factory: Factory, case: ContractCase) -> None:
        for part, d, inside, g, k in steps_of(factory, case, case.items):
            inside, g = inside.astype(np.float64), g.astype(np.float64)
            # A length is a sum of n squares; a product and a sum of two vectors are elementwise.
            atol = TOLERANCES["linear"](case.dtype, n=case.n) * (np.abs(inside) + np.abs(g))
            close(d, formula(part, inside, g, k), atol, f"d of step {k}")

    return check


def directions_of(case: ContractCase) -> Array:
    """H g_k of all runs, (R, K, n) float64."""
    return np.asarray(case.h0[:, None, :].astype(np.float64) * case.rows)


def fed(bench: StepperBench, k: int) -> Array:
    """The direction of the case's step k, in float64."""
    step = bench.step(bench.case.rows[:, k], np.ones(bench.case.runs, bool))
    return array(bench._direction(bench.state, step)).astype(np.float64)
