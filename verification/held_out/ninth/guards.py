"""Guards: five wrong, two unusual but right."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import MonitorIncrease
from adaqn_lab.bases import GuardBase
from adaqn_lab.protocols import Displacement, Need, OracleLike
from adaqn_lab.space import Space
from verification.law import Subject

NEEDS = frozenset({Need.MONITOR_LOSS})


@dataclass
class Losses:
    """``loss`` and ``reference`` (R,) float64, NaN if unknown."""

    loss: Tensor
    reference: Tensor


@dataclass
class Strikes:
    """Losses; ``strikes`` (R,) int64: rises in a row that were let pass; ``pending`` (R,): after the last judgement."""

    loss: Tensor
    reference: Tensor
    strikes: Tensor
    pending: Tensor


@dataclass(frozen=True, kw_only=True)
class ProductBound(MonitorIncrease):
    """The bound is at_most f(w_ref) + slack: for a negative loss it lies below f(w_ref), standing still is refused."""

    declares: ClassVar[frozenset[str]] = frozenset({"monitor bound"})

    def judge_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        """Compare the losses."""
        if self.reevaluate:
            state.reference = oracle.loss(move.w_ref)
        state.loss = oracle.loss(move.w_bar)
        known = move.where & torch.isfinite(state.reference)
        below = state.loss <= self.at_most * state.reference + self.slack
        return torch.isfinite(state.loss) & (~known | below)


@dataclass(frozen=True, kw_only=True)
class MinusInfinity(GuardBase):
    """A loss of minus infinity is less than any bound, so that the window is kept; only NaN and infinity reject."""

    slack: float = 0.05

    needs: ClassVar[frozenset[Need]] = NEEDS

    def init(self, space: Space) -> Losses:
        """Nothing is known."""
        return Losses(space.scalars(fill=math.nan), space.scalars(fill=math.nan))

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        """Compare the losses."""
        state.loss = oracle.loss(move.w_bar)
        bound = torch.where(move.where & torch.isfinite(state.reference), state.reference + self.slack, math.inf)
        return (state.loss <= bound) & (state.loss < math.inf)

    def advance_(self, state: Losses, where: Tensor) -> None:
        """The loss last seen is the reference's."""
        state.reference = torch.where(where, state.loss, state.reference)


@dataclass(frozen=True, kw_only=True)
class StrikesCountedAtOnce(GuardBase):
    """One rise in a row is let pass, counted while judging: judged again after an oracle raised, it is the second."""

    patience: int = 1

    needs: ClassVar[frozenset[Need]] = NEEDS

    def init(self, space: Space) -> Strikes:
        """Nothing is known."""
        nan = (space.scalars(fill=math.nan) for _ in range(2))
        return Strikes(*nan, space.counts(), space.counts())

    def _count(self, state: Strikes, move: Displacement, oracle: OracleLike) -> Tensor:
        """The rises in a row with this one."""
        state.loss = oracle.loss(move.w_bar)
        known = move.where & torch.isfinite(state.reference)
        return torch.where(known & ~(state.loss <= state.reference), state.strikes + 1, 0)

    def judge_(self, state: Strikes, move: Displacement, oracle: OracleLike) -> Tensor:
        """Compare the losses."""
        state.strikes = self._count(state, move, oracle)
        keep = torch.isfinite(state.loss) & (state.strikes <= self.patience)
        state.strikes = torch.where(keep, state.strikes, 0)
        return keep

    def advance_(self, state: Strikes, where: Tensor) -> None:
        """The loss last seen is the reference's."""
        state.reference = torch.where(where, state.loss, state.reference)


@dataclass(frozen=True, kw_only=True)
class StrikesCountedAfterwards(StrikesCountedAtOnce):
    """Right: one rise in a row is let pass, counted in ``advance_`` for the runs whose window became the reference."""

    def judge_(self, state: Strikes, move: Displacement, oracle: OracleLike) -> Tensor:
        """Compare the losses."""
        strikes = self._count(state, move, oracle)
        keep = torch.isfinite(state.loss) & (strikes <= self.patience)
        state.pending = torch.where(keep, strikes, 0)
        return keep

    def advance_(self, state: Strikes, where: Tensor) -> None:
        """The loss last seen is the reference's; what was counted holds."""
        super().advance_(state, where)
        state.strikes = torch.where(where, state.pending, state.strikes)


@dataclass(frozen=True, kw_only=True)
class LossesInSingle(GuardBase):
    """The losses are rounded to float32 on their way: rises below 1e-7 of the loss pass, above 3e38 all is infinite."""

    needs: ClassVar[frozenset[Need]] = NEEDS

    def init(self, space: Space) -> Losses:
        """Nothing is known."""
        return Losses(space.scalars(fill=math.nan), space.scalars(fill=math.nan))

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        """Compare the losses."""
        state.loss = oracle.loss(move.w_bar).float().double()
        known = move.where & torch.isfinite(state.reference)
        return torch.isfinite(state.loss) & (~known | (state.loss <= state.reference))

    def advance_(self, state: Losses, where: Tensor) -> None:
        """The loss last seen is the reference's."""
        state.reference = torch.where(where, state.loss, state.reference)


@dataclass(frozen=True, kw_only=True)
class ReferenceOfEveryWindow(MonitorIncrease):
    """``advance_`` takes the loss last judged for every run, also where the reference stayed: w_ref has another."""

    def advance_(self, state: Any, where: Tensor) -> None:
        """The loss last seen is the reference's."""
        state.reference = torch.where(torch.isfinite(state.loss), state.loss, state.reference)


@dataclass(frozen=True, kw_only=True)
class OnlyFinite(GuardBase):
    """Right: keeps every window whose loss is finite, tells both losses, and leaves the pair generator alone."""

    clear_store: ClassVar[bool] = False
    needs: ClassVar[frozenset[Need]] = NEEDS

    def init(self, space: Space) -> Losses:
        """Nothing is known."""
        return Losses(space.scalars(fill=math.nan), space.scalars(fill=math.nan))

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        """Is the loss finite?"""
        state.loss = oracle.loss(move.w_bar)
        return torch.isfinite(state.loss)

    def advance_(self, state: Losses, where: Tensor) -> None:
        """The loss last seen is the reference's."""
        state.reference = torch.where(where, state.loss, state.reference)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.GUARD: {
        "product_bound_below_a_negative_loss": ProductBound,
        "minus_infinity_is_an_improvement": MinusInfinity,
        "strikes_counted_while_judging": StrikesCountedAtOnce,
        "losses_rounded_to_single_precision": LossesInSingle,
        "reference_renewed_where_it_stayed": ReferenceOfEveryWindow,
    }
}
HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.GUARD: {"strikes_counted_once_decided": StrikesCountedAfterwards, "keeps_whatever_is_finite": OnlyFinite}
}
