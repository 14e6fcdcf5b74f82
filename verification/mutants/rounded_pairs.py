"""Memories which round their pairs in the wrong place, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor

from adaqn_lab import Displacement, Verdict, Window
from adaqn_lab.protocols import Operator
from verification.mutants.naming import by_sin


class KeepsEveryDigitOfPairs(Window):
    """Nothing is rounded."""

    declares: ClassVar[tuple[str, ...]] = ("rounded pairs",)


class RoundsTheRowsOnly(KeepsEveryDigitOfPairs):
    """The rows are rounded after R and D were made of the unrounded pair."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        state.s, state.y = (rows.bfloat16().to(rows.dtype) for rows in (state.s, state.y))
        return verdict


MEMORY: dict[str, Callable[[], Any]] = by_sin(KeepsEveryDigitOfPairs, RoundsTheRowsOnly, capacity=3)
"""Sin -> factory."""
