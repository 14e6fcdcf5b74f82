"""d = g."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from adaqn_lab import Gradient, Step
from adaqn_lab.protocols import Operator
from verification.benches import StepperBench
from verification.compare import same
from verification.law import Factory, Group, Property, Subject, law
from verification.naming import by_name
from verification.specimen import Specimen
from verification.strategies import ContractCase, contract_cases

GRADIENT = Property("gradient", "d = g.")


@law(
    name="gradient-is-g",
    statement="d = g whatever H is, bit for bit",
    source="Stochastic gradient descent, Robbins & Monro 1951",
    group=Group.REFERENCE,
    subject=Subject.STEPPER,
    kills=("gradient_with_h", "sign_of_the_gradient"),
    needs=(GRADIENT,),
    inputs=contract_cases(),
)
def gradient_is_g(factory: Factory, case: ContractCase) -> None:
    """The curvature is not used."""
    bench = StepperBench(factory(), case)
    bench.feed_all()
    same(bench.read(), case.v, f"d after {case.items} steps")


class WrongGradient(Gradient):
    """What the wrong gradient steps share."""

    declares: ClassVar[tuple[str, ...]] = ("gradient",)


class GradientWithH(WrongGradient):
    """d = H g."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return operator(step.g)


class SignOfTheGradient(WrongGradient):
    """d = -g: the descent direction, which the optimizer subtracts."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return -step.g


SPECIMEN = Specimen(
    role=Subject.STEPPER,
    kind=Gradient,
    variations=(Gradient,),
    declares=frozenset({GRADIENT}),
    laws=(gradient_is_g,),
    mutants=by_name(GradientWithH, SignOfTheGradient),
)
