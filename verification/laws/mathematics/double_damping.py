"""K-BFGS's double damping: both bounds, in their order."""

from __future__ import annotations

from typing import Any

import numpy as np

from verification.compare import close, holds
from verification.law import Group, Property, Subject, law
from verification.laws.mathematics.family import CASES, Factory, Held
from verification.parts import Array
from verification.strategies import OperatorCase

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
    number=12,
    statement="any pair is stored with s'y = max(S'y, mu S'S), S = theta s + (1 - theta) H y by Powell's theta",
    source="K-BFGS, Goldfarb, Ren & Bahamou 2020",
    group=Group.MATHEMATICS,
    subject=Subject.MEMORY,
    tolerance="compact",
    kills=("damps_y_first", "damps_s_only", "damps_y_only"),
    needs=frozenset({Property.DOUBLE_DAMPED}),
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


LAWS = (double_damped,)
