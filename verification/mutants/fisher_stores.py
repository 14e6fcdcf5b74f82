"""Wrong Fisher stores, each with one sin, which its name says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import CentredFisher, Displacement, EmpiricalFisher, MeanTimesBatch, RoundedFisher, SketchedFisher, Step
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


class _WrongRounded(RoundedFisher):
    """What the wrong rounded stores share."""

    declares: ClassVar[tuple[str, ...]] = ("rounded fisher",)


class RoundsNothing(_WrongRounded):
    """The gradients are kept as they are."""

    def init(self, space: Any) -> Any:
        state = super().init(space)
        state.gradients = state.gradients.to(space.dtype)
        return state

    def observe_(self, state: Any, step: Step) -> None:
        EmpiricalFisher(window=self.window).observe_(state, step)


class RoundsY(RoundsNothing):
    """The product is rounded, not the gradients."""

    def pair_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        y = super().pair_(state, move, oracle)
        return y.to(torch.bfloat16).to(y.dtype)


class _WrongSketched(SketchedFisher):
    """What the wrong sketches share."""

    declares: ClassVar[tuple[str, ...]] = ("sketched fisher",)


class SumsWithoutSigns(_WrongSketched):
    """Every sign is plus: each row is a sum."""

    def observe_(self, state: Any, step: Step) -> None:
        seen = state.seen.clone()
        state.seen = torch.zeros_like(seen)
        super().observe_(state, step)
        state.seen = seen + step.where.long()


class MixesRows(_WrongSketched):
    """y from the sum of the rows."""

    def pair_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        rows = state.rows
        state.rows = torch.cat([rows.sum(1, keepdim=True), torch.zeros_like(rows[:, 1:])], 1)
        y = super().pair_(state, move, oracle)
        state.rows = rows
        return y


class DropsRowsEarly(_WrongSketched):
    """The oldest row is left out once all are in use."""

    def pair_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        count = state.count
        state.count = count.clamp(max=self.rows - 1)
        y = super().pair_(state, move, oracle)
        state.count = count
        return y


PAIRS: dict[str, Callable[[], Any]] = by_sin(
    ScalesTheMeanToo,
    LeavesTheMeanOut,
    CentresOnEmptySlots,
    RoundsNothing,
    RoundsY,
    SumsWithoutSigns,
    MixesRows,
    DropsRowsEarly,
    batch_size=5,
    window=3,
    rows=2,
    group=2,
)
