"""H0 as data, where a scaling offers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from verification.benches import ScalingBench
from verification.compare import close
from verification.law import Group, Subject, law
from verification.parts import tensor
from verification.strategies import ContractCase, contract_cases
from verification.tolerances import TOLERANCES

LINEAR = TOLERANCES["linear"]


@law(
    name="h0-as-data",
    number=2,
    statement="diagonal(...).apply_(v) = apply_(v) and its apply_inverse_ undoes it, where a scaling has a diagonal",
    source="protocols.ScalingInitializer: the direction applies the diagonal in place of apply_.",
    group=Group.CONTRACT,
    subject=Subject.SCALING,
    tolerance="linear",
    kills=("diagonal_of_another_eps", "diagonal_of_half_the_root"),
    inputs=contract_cases(),
)
def h0_as_data(factory: Callable[[], Any], case: ContractCase) -> None:
    """A part without ``diagonal`` has nothing to get wrong here."""
    bench = ScalingBench(factory(), case)
    if not hasattr(bench.part, "diagonal"):
        return
    bench.feed_all()
    expected = bench.apply(case.v).numpy().astype(np.float64)
    diagonal = bench.part.diagonal(bench.state, bench.history())
    atol = LINEAR(case.dtype, n=case.n) * np.abs(expected)
    close(diagonal.apply_(tensor(case.v)), expected, atol, "diagonal.apply_(v) against apply_(v)")
    atol = LINEAR(case.dtype, n=case.n) * np.abs(case.v)
    close(diagonal.apply_inverse_(bench.apply(case.v)), case.v, atol, "diagonal.apply_inverse_(H0 v) against v")


LAWS = (h0_as_data,)
"""Contract of a scaling's optional ``diagonal``."""
