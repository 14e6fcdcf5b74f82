"""H = (B + delta I)^-1."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from adaqn_lab import ShiftedWindow
from adaqn_lab.protocols import InitialMatrix
from verification.compare import close
from verification.contracts.memory import NEWEST
from verification.law import Factory, Group, Property, Subject, law
from verification.memory.held import CASES, Held
from verification.naming import by_name
from verification.references import dense_bfgs
from verification.specimen import Specimen
from verification.strategies import OperatorCase
from verification.tolerances import TOLERANCES

SHIFTED = Property(
    "shifted",
    "H = (B + delta I)^-1 of the last `capacity` pairs.",
    fields=(
        "capacity",
        "delta",
    ),
)


@law(
    name="shifted-matrix",
    statement="H^-1 = B + delta I, B the BFGS matrix of the last pairs",
    source="L-RES of minSQN",
    group=Group.REFERENCE,
    subject=Subject.MEMORY,
    tolerance="inverse",
    kills=("shift_forgotten", "shift_of_the_inverse"),
    needs=(SHIFTED,),
    inputs=CASES,
)
def shifted_matrix(factory: Factory, case: OperatorCase) -> None:
    """Woodbury's formula against a dense inverse."""
    held = Held(factory(), case)
    pairs = case.last(held.part.capacity) if case.m <= held.part.capacity else case
    S, Y = pairs.S[-held.part.capacity :], pairs.Y[-held.part.capacity :]
    H = np.stack([dense_bfgs.direction(S, Y, case.h0, e) for e in np.eye(case.n)], axis=1)
    expected = np.linalg.solve(np.eye(case.n) + held.part.delta * H, H)
    atol = held.allowed(TOLERANCES["inverse"]) * held.conditioning.magnitude  # (B + E)^-1 - H = -H E H
    close(held.H(), expected, atol, "(B + delta I)^-1")


class ShiftForgotten(ShiftedWindow):
    """H = B^-1."""

    declares: ClassVar[tuple[str, ...]] = ("shifted",)

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        return state.apply_(v, h0)  # type: ignore[no-any-return]


class ShiftOfTheInverse(ShiftedWindow):
    """H = B^-1 + delta I."""

    declares: ClassVar[tuple[str, ...]] = ("shifted",)

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        return state.apply_(v.clone(), h0).add_(v, alpha=self.delta)  # type: ignore[no-any-return]


SPECIMEN = Specimen(
    role=Subject.MEMORY,
    kind=ShiftedWindow,
    variations=(partial(ShiftedWindow, capacity=6),),
    declares=frozenset({NEWEST, SHIFTED}),
    laws=(shifted_matrix,),
    mutants=by_name(ShiftForgotten, ShiftOfTheInverse),
)
