"""Plain gradients before another stepper begins."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from torch import Tensor

from adaqn_lab import Momentum, Step, WarmStart
from adaqn_lab.protocols import Operator
from verification.compare import same
from verification.contracts.composed_steppers import AROUND
from verification.law import Factory, Group, Property, Subject, law
from verification.naming import by_name
from verification.specimen import Specimen
from verification.steppers.driving import STEPS, steps_of
from verification.strategies import ContractCase

WARM_START = Property(
    "warm start",
    "d = g for the first `steps` steps, the direction of the stepper `of` inside after them.",
    fields=(
        "of",
        "steps",
    ),
)


@law(
    name="warm-start",
    statement="d = g at the first `steps` steps, d_of after them, its stepper asked from the first on: bit for bit",
    source="SQN, Byrd, Hansen, Nocedal & Singer 2016: the first 2 L steps",
    group=Group.REFERENCE,
    subject=Subject.STEPPER,
    kills=("warms_up_too_long", "warms_up_with_h", "inner_stepper_stays_cold"),
    needs=(WARM_START,),
    inputs=STEPS,
)
def warm_start(factory: Factory, case: ContractCase) -> None:
    """Two steppers, one after the other."""
    for part, d, inside, g, k in steps_of(factory, case, factory().steps + 2):
        same(d, g if k <= part.steps else inside, f"d of step {k}")


class WrongWarmStart(WarmStart):
    """What the wrong warm starts share."""

    declares: ClassVar[tuple[str, ...]] = ("warm start",)


class WarmsUpTooLong(WrongWarmStart):
    """One step more."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state, step, operator)
        return step.g.clone() if step.k <= self.steps + 1 else d


class WarmsUpWithH(WrongWarmStart):
    """d = H g at first."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state, step, operator)
        return operator(step.g) if step.k <= self.steps else d


class InnerStepperStaysCold(WrongWarmStart):
    """The stepper inside does not see the first steps."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        return step.g.clone() if step.k <= self.steps else self.of.direction_(state, step, operator)


SPECIMEN = Specimen(
    role=Subject.STEPPER,
    kind=WarmStart,
    variations=(
        partial(WarmStart, steps=2),
        partial(WarmStart, steps=3, of=Momentum()),
    ),
    declares=frozenset({WARM_START, AROUND}),
    laws=(warm_start,),
    mutants=by_name(WarmsUpTooLong, WarmsUpWithH, InnerStepperStaysCold, steps=2, of=Momentum()),
)
