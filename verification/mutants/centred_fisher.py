"""Wrong centred Fisher matrices, each with one sin, which its name says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import CentredFisher, Displacement, EmpiricalFisher, MeanTimesBatch
from adaqn_lab.protocols import OracleLike
from verification.mutants.naming import by_sin


class _WrongCentred(CentredFisher):
    """What the wrong centred matrices share."""

    declares: ClassVar[tuple[str, ...]] = ("centred fisher",)


class ScalesTheMeanToo(_WrongCentred):
    """B times everything."""

    def pair_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        whole = EmpiricalFisher(window=self.window, normalisation=MeanTimesBatch(batch_size=self.batch_size))
        return whole.pair_(state, move, oracle)


class LeavesTheMeanOut(_WrongCentred):
    """y = B C s."""

    def pair_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        single = CentredFisher(batch_size=1, window=self.window).pair_(state, move, oracle)
        return (super().pair_(state, move, oracle) - single) * self.batch_size / max(self.batch_size - 1, 1)


class CentresOnEmptySlots(_WrongCentred):
    """The mean is over all slots, held or not."""

    def pair_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        held, state.count = state.count, torch.full_like(state.count, self.window)
        y = super().pair_(state, move, oracle)
        state.count = held
        return y


PAIRS: dict[str, Callable[[], Any]] = by_sin(
    ScalesTheMeanToo, LeavesTheMeanOut, CentresOnEmptySlots, batch_size=5, window=3
)
