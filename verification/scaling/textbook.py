"""Scalings equal their textbook diagonals: the law that each states of its own formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from verification.benches import ScalingBench
from verification.compare import close
from verification.law import Factory, Group, Law, Property, Subject, law
from verification.strategies import Array, ContractCase, contract_cases
from verification.tolerances import TOLERANCES

Diagonal = Callable[[Any, ContractCase, int], Array]


def seen(case: ContractCase, run: int) -> Array:
    """The gradients which one run saw, (K, n)."""
    result: Array = case.rows[run][case.masks[:, run]]
    return result


def textbook_law(needed: Property, diagonal: Diagonal, formula: str, source: str, kills: tuple[str, ...]) -> Law:
    """H0 v = diagonal(part, case, run) v for what each run has seen."""

    @law(
        name=f"{needed.word.replace(' ', '-')}-equals-textbook",
        statement=formula,
        source=source,
        group=Group.REFERENCE,
        subject=Subject.SCALING,
        tolerance="linear",
        kills=kills,
        needs=(needed,),
        inputs=contract_cases(still=True),
    )
    def check(factory: Factory, case: ContractCase) -> None:
        bench = ScalingBench(factory(), case)
        bench.feed_all()
        got = bench.read()
        for run in range(case.runs):
            expected = diagonal(bench.part, case, run) * case.v[run].astype(np.float64)
            # A recursion over the items: each adds its rounding.
            rtol = TOLERANCES["linear"](case.dtype, n=case.n + case.items)
            close(got[run], expected, rtol * np.abs(expected), f"H0 v of run {run}")

    return check
