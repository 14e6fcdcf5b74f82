"""solve_ is the inverse of apply_."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import Window
from adaqn_lab.protocols import InitialMatrix
from verification.compare import close
from verification.law import Factory, Group, Property, Subject, law
from verification.memory.held import CASES, Held
from verification.naming import by_name
from verification.operator.dense import norm
from verification.parts import array, tensor
from verification.strategies import OperatorCase
from verification.tolerances import TOLERANCES

INVERTIBLE = Property(
    "invertible",
    "A memory's `solve_` is the inverse of its `apply_`; a memory with `invertible` = True says so by that.",
    fields=("invertible",),
)


@law(
    name="memory-inverse",
    statement="H (B v) = v and B (H v) = v",
    source="Byrd, Nocedal & Schnabel 1994, Theorems 2.2 and 2.3: the compact forms of H and of B.",
    group=Group.MATHEMATICS,
    subject=Subject.MEMORY,
    tolerance="inverse",
    kills=("inverse_without_older_pairs", "inverse_is_h"),
    needs=(INVERTIBLE,),
    share=0.5,
    inputs=CASES,
)
def memory_inverse(factory: Factory, case: OperatorCase) -> None:
    """B is the inverse of H."""
    held = Held(factory(), case)
    v = tensor(case.v[None])
    atol = held.allowed(TOLERANCES["inverse"]) * norm(case.v)
    for name, back in (("H B v", held(held.inverse(v))), ("B H v", held.inverse(held(v)))):
        close(array(back)[0], case.v, atol, name)


class InverseIsH(Window):
    """B v is H v."""

    declares: ClassVar[tuple[str, ...]] = ("invertible",)

    def solve_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        return self.apply_(state, v, h0)


class InverseWithoutOlderPairs(Window):
    """B v from the newest pair only."""

    declares: ClassVar[tuple[str, ...]] = ("invertible",)

    def solve_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        slots = torch.arange(state.capacity)
        last = slots == torch.remainder(state.head - 1, state.capacity).unsqueeze(1)
        newest = replace(state, held=state.held & last)
        return newest.solve_(v, h0)  # type: ignore[no-any-return]


LAWS = (memory_inverse,)
MUTANTS = {Subject.MEMORY: by_name(InverseIsH, InverseWithoutOlderPairs)}
