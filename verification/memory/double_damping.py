"""Two repairs in a row: s by H y, then y by s."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from adaqn_lab import LevenbergDamping, PowellH, Repaired, Window
from adaqn_lab.protocols import Operator
from verification.compare import close, holds
from verification.law import Factory, Group, Property, Subject, law
from verification.memory.held import CASES, Held
from verification.parts import Array
from verification.strategies import OperatorCase

DOUBLE_DAMPED = Property(
    "double damped",
    "A repair `by` (field `delta`) of s by H y, then `of.by` (field `mu`) of y by s.",
    fields=(
        "by.delta",
        "of.by.mu",
    ),
)


NEAR = 1e-8
"""Relative: pairs with cosines from 0.3 lose at most (1 / 0.3)^12 = 2e6 of the 1e-16 to conditioning."""


def damped_s(s: Array, y: Array, H: Array, delta: float) -> Any:
    """s of Powell's damping in the H form."""
    Hy = H @ y
    s_y, y_h_y = float(s @ y), float(y @ Hy)
    theta = (1 - delta) * y_h_y / (y_h_y - s_y) if s_y < delta * y_h_y else 1.0
    return theta * s + (1 - theta) * Hy


@law(
    name="double-damped",
    statement="any pair is stored with s'y = max(S'y, mu S'S), S = theta s + (1 - theta) H y by Powell's theta",
    source="K-BFGS, Goldfarb, Ren & Bahamou 2020",
    group=Group.MATHEMATICS,
    subject=Subject.MEMORY,
    tolerance="compact",
    kills=("damps_y_first", "damps_s_only", "damps_y_only"),
    needs=(DOUBLE_DAMPED,),
    inputs=CASES,
)
def double_damped(factory: Factory, case: OperatorCase) -> None:
    """For curvature of either sign and of any size."""
    for y in (case.v, -case.v, 30 * case.v, case.u / 40):
        held = Held(factory(), case)
        s, H = case.u, held.H()
        moved = damped_s(s, y, H, held.part.by.delta)
        s_y, s_s = float(moved @ y), float(moved @ moved)
        expected = max(s_y, held.part.of.by.mu * s_s)
        verdict = held.admit(s, y)
        size = float(np.abs(moved) @ np.abs(y)) + s_s
        close(float(verdict.s_y), expected, NEAR * size, "the repaired pair's s'y")
        close(float(verdict.s_s), s_s, NEAR * size, "the repaired pair's s's")
        holds(bool(verdict.admitted), f"a damped pair with s'y = {float(verdict.s_y)} was refused")


class _Wrong(Repaired):
    """Declares both dampings."""

    declares: ClassVar[tuple[str, ...]] = ("double damped",)


@dataclass(frozen=True)
class _Nothing:
    """Repairs nothing, with the fields of both dampings."""

    delta: float = 0.2
    mu: float = 0.1
    needs_inverse: ClassVar[bool] = False

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Return the pair."""
        return s, y


@dataclass(frozen=True)
class _YFirst(_Nothing):
    """The second damping, where the first belongs."""

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Damp y by s."""
        return LevenbergDamping(mu=self.mu).repair(s, y, operator)


@dataclass(frozen=True)
class _SSecond(_Nothing):
    """The first damping, where the second belongs."""

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Damp s by H y."""
        return PowellH(delta=self.delta).repair(s, y, operator)


def _wrong(first: Any, second: Any) -> Callable[[], Any]:
    return partial(_Wrong, by=first, of=Repaired(by=second, of=Window(capacity=3)))


LAWS = (double_damped,)
MUTANTS = {
    Subject.MEMORY: {
        "damps_y_first": _wrong(_YFirst(), _SSecond()),
        "damps_s_only": _wrong(PowellH(), _Nothing()),
        "damps_y_only": _wrong(_Nothing(), LevenbergDamping()),
    }
}
