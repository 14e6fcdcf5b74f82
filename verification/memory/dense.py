"""The dense BFGS matrix of every pair."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Dense, Displacement, Verdict
from adaqn_lab.protocols import Operator
from verification.compare import close
from verification.contracts.memory import NEWEST
from verification.law import Factory, Group, Property, Subject, law
from verification.memory.held import Held
from verification.naming import by_name
from verification.operator.dense import norm
from verification.parts import tensor
from verification.references import dense_bfgs
from verification.specimen import Specimen
from verification.strategies import OperatorCase, operator_cases
from verification.tolerances import TOLERANCES

DENSE = Property("dense", "The memory holds every admitted pair.")


@law(
    name="dense-equals-all-pairs",
    statement="H = the dense BFGS matrix of every pair since the reset, for an H0 which changes afterwards",
    source="Nocedal & Wright 2006, (6.17)",
    group=Group.REFERENCE,
    subject=Subject.MEMORY,
    tolerance="dense",
    kills=("dense_forgets_older_pairs", "evicts_newest"),
    needs=(DENSE,),
    inputs=operator_cases(min_size=2, min_pairs=1, cosines=(1.0, 0.7, 0.3), dtypes=("float64",)),
)
def dense_equals_all_pairs(factory: Factory, case: OperatorCase) -> None:
    """No pair is evicted and H0 is free."""
    held = Held(factory(), case)
    for h0 in (case.h0, np.exp(case.u)):
        held.h0 = tensor(h0)
        expected = dense_bfgs.direction(case.S, case.Y, h0, case.v)
        close(held.H() @ case.v, expected, held.allowed(TOLERANCES["dense"]) * norm(case.v), "H v")


class DenseForgetsOlderPairs(Dense):
    """Q starts anew at every pair."""

    declares: ClassVar[tuple[str, ...]] = ("dense",)

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        state.Q = torch.zeros_like(state.Q)
        return super().admit_(state, move, y, operator)


SPECIMEN = Specimen(
    role=Subject.MEMORY,
    kind=Dense,
    variations=(Dense,),
    declares=frozenset({NEWEST, DENSE}),
    laws=(dense_equals_all_pairs,),
    mutants=by_name(DenseForgetsOlderPairs),
)
