"""The dense BFGS matrix with delta I added at each pair."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from adaqn_lab import Displacement, RegularisedDense, Verdict
from adaqn_lab.protocols import InitialMatrix, Operator
from verification.compare import close
from verification.contracts.memory import NEWEST
from verification.law import Factory, Group, Property, Subject, law
from verification.memory.held import CASES, Held
from verification.naming import by_name
from verification.specimen import Specimen
from verification.strategies import OperatorCase
from verification.tolerances import TOLERANCES

REGULARISED_DENSE = Property(
    "regularised dense", "H^-1 = B, the dense BFGS matrix of every pair with delta I added at each.", fields=("delta",)
)


@law(
    name="regularised-dense",
    statement="H^-1 = B, B <- B - B s s'B / s'Bs + y y' / s'y + delta I from B0 = H0^-1, in plain float64",
    source="RES, Mokhtari & Ribeiro, IEEE Trans. Signal Processing 62 (2014), as minSQN does",
    group=Group.REFERENCE,
    subject=Subject.MEMORY,
    tolerance="inverse",
    kills=("delta_forgotten", "delta_added_once", "delta_added_to_h"),
    needs=(REGULARISED_DENSE,),
    inputs=CASES,
)
def regularised_dense(factory: Factory, case: OperatorCase) -> None:
    """One delta I for every pair."""
    held, B = Held(factory(), case), np.diag(1 / case.h0)
    for s, y in zip(case.S, case.Y, strict=True):
        Bs = B @ s
        B = B - np.outer(Bs, Bs) / (s @ Bs) + np.outer(y, y) / (s @ y) + held.part.delta * np.eye(case.n)
    atol = held.allowed(TOLERANCES["inverse"]) * held.conditioning.magnitude  # (B + E)^-1 - H = -H E H
    close(held.H(), np.linalg.inv(B), atol, "H against B^-1")


class DeltaForgotten(RegularisedDense):
    """B without delta I: plain BFGS."""

    declares: ClassVar[tuple[str, ...]] = ("regularised dense",)

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        return RegularisedDense.admit_(replace(self, delta=1e-300), state, move, y, operator)


class DeltaAddedOnce(RegularisedDense):
    """delta I for the first pair only."""

    declares: ClassVar[tuple[str, ...]] = ("regularised dense",)

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        delta = 1e-300 if bool(state.started.any()) else self.delta
        return RegularisedDense.admit_(replace(self, delta=delta), state, move, y, operator)


class DeltaAddedToH(RegularisedDense):
    """(B + delta I)^-1 is taken for B^-1 + delta I."""

    declares: ClassVar[tuple[str, ...]] = ("regularised dense",)

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        return super().apply_(state, v.clone(), h0) + self.delta * v


SPECIMEN = Specimen(
    role=Subject.MEMORY,
    kind=RegularisedDense,
    variations=(RegularisedDense,),
    declares=frozenset({NEWEST, REGULARISED_DENSE}),
    laws=(regularised_dense,),
    mutants=by_name(DeltaForgotten, DeltaAddedOnce, DeltaAddedToH),
)
