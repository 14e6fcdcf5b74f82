"""rho = 1 / (s'y + softness s's)."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from torch import Tensor

from adaqn_lab import Displacement, SoftWindow, Verdict, Window
from adaqn_lab.protocols import Operator
from verification.compare import close, holds
from verification.law import Factory, Group, Property, Subject, law
from verification.memory.held import Held
from verification.naming import by_name
from verification.operator.dense import norm
from verification.parts import array, tensor
from verification.specimen import Specimen
from verification.strategies import OperatorCase, operator_cases
from verification.tolerances import TOLERANCES

SOFT_SECANT = Property(
    "soft secant",
    "rho = 1 / (s'y + softness s's).",
    fields=(
        "softness",
        "capacity",
    ),
)


@law(
    name="soft-secant",
    statement="(s'y + tau) H+ y = tau V H y + (s'y) s with tau = softness s's, V = I - s y' / (s'y + tau)",
    source="after S-BFGS, Carlon, Espath & Tempone 2025",
    group=Group.MATHEMATICS,
    subject=Subject.MEMORY,
    tolerance="operator",
    kills=("secant_is_hard", "softened_by_yy"),
    needs=(SOFT_SECANT,),
    inputs=operator_cases(min_size=2, min_pairs=1, cosines=(1.0, 0.7, 0.3), dtypes=("float64",)),
)
def soft_secant(factory: Factory, case: OperatorCase) -> None:
    """The secant equation gives way by tau."""
    part = factory()
    kept = case.last(part.capacity)
    held = Held(part, kept.last(kept.m - 1))
    s, y, before = kept.S[-1], kept.Y[-1], held.H()
    tau, s_y = part.softness * float(s @ s), float(s @ y)
    holds(bool(held.admit(s, y).admitted), f"the pair with s'y = {s_y} was refused")
    Hy = before @ y
    expected = (tau * (Hy - s * float(y @ Hy) / (s_y + tau)) + s_y * s) / (s_y + tau)
    close(array(held(tensor(y[None])))[0], expected, held.allowed(TOLERANCES["operator"]) * norm(y), "H+ y")


class SecantIsHard(SoftWindow):
    """The softness is never used."""

    declares: ClassVar[tuple[str, ...]] = ("soft secant",)

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        return Window(capacity=self.capacity, test=self.test).admit_(state, move, y, operator)


class SoftenedByYY(SoftWindow):
    """rho = 1 / (s'y + softness y'y)."""

    declares: ClassVar[tuple[str, ...]] = ("soft secant",)

    def store_(self, state: Any, s: Tensor, y: Tensor, verdict: Verdict) -> None:
        state.push_(s, y, verdict.admitted, soften=self.softness * verdict.y_y)


SPECIMEN = Specimen(
    role=Subject.MEMORY,
    kind=SoftWindow,
    variations=(partial(SoftWindow, capacity=3),),
    declares=frozenset({SOFT_SECANT}),
    laws=(soft_secant,),
    mutants=by_name(SecantIsHard, SoftenedByYY),
)
