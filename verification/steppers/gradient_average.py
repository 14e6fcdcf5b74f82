"""A stepper which sees the moving average of gradients."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import GradientAverage, Step
from adaqn_lab.protocols import Operator
from verification.benches import StepperBench
from verification.compare import close
from verification.contracts.composed_steppers import AROUND
from verification.law import Factory, Group, Property, Subject, law
from verification.naming import by_name
from verification.specimen import Specimen
from verification.steppers.driving import STEPS, direction_of
from verification.strategies import ContractCase
from verification.tolerances import TOLERANCES

GRADIENT_AVERAGE = Property(
    "gradient average",
    "The stepper `of` inside sees the moving average of gradients, begun at the first.",
    fields=(
        "of",
        "decay",
    ),
)


@law(
    name="gradient-average",
    statement="d = d_of for M in place of g, M <- decay M + (1 - decay) g from M_1 = g_1",
    source="K-BFGS, Goldfarb, Ren & Bahamou 2020; H is linear.",
    group=Group.REFERENCE,
    subject=Subject.STEPPER,
    tolerance="linear",
    kills=("gradient_average_starts_at_zero", "averages_directions_twice"),
    needs=(GRADIENT_AVERAGE,),
    inputs=STEPS,
)
def gradient_average(factory: Factory, case: ContractCase) -> None:
    """The stepper inside knows the averages only."""
    outer = StepperBench(factory(), case)
    inner = StepperBench(outer.part.of, case)
    decay, M = outer.part.decay, case.rows[:, 0].astype(np.float64)
    for k in range(case.items):
        M = decay * M + (1 - decay) * case.rows[:, k]
        got, expected = direction_of(outer, case.rows[:, k]), direction_of(inner, M.astype(case.dtype))
        size = np.abs(case.rows.astype(np.float64)).sum(1) * case.h0 * case.items  # of a velocity inside too
        close(got, expected, TOLERANCES["linear"](case.dtype, n=case.n + case.items) * size, f"d of step {k + 1}")


class WrongAverage(GradientAverage):
    """What the wrong averages share."""

    declares: ClassVar[tuple[str, ...]] = ("gradient average",)


class GradientAverageStartsAtZero(WrongAverage):
    """M_1 = (1 - decay) g_1."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        state.started = torch.ones_like(state.started)
        return super().direction_(state, step, operator)


class AveragesDirectionsTwice(WrongAverage):
    """The average of averages."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        super().direction_(state, step, operator)
        return super().direction_(state, step, operator)


SPECIMEN = Specimen(
    role=Subject.STEPPER,
    kind=GradientAverage,
    variations=(GradientAverage,),
    declares=frozenset({GRADIENT_AVERAGE, AROUND}),
    laws=(gradient_average,),
    mutants=by_name(GradientAverageStartsAtZero, AveragesDirectionsTwice),
)
