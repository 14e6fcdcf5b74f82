"""Guards: seven wrong ones and an unusual right one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab.bases import GuardBase
from adaqn_lab.guards import MonitorIncrease
from adaqn_lab.guards.monitor_increase import MonitorLosses
from adaqn_lab.linalg import dot
from adaqn_lab.protocols import Displacement, Need, OracleLike
from adaqn_lab.space import Space
from verification.law import Subject


@dataclass(frozen=True, kw_only=True)
class MovesAllReferences(MonitorIncrease):
    """When one run advances, every run's reference loss becomes that of the average last judged."""

    def advance_(self, state: MonitorLosses, where: Tensor) -> None:
        state.reference = torch.where(where.any(), state.loss, state.reference)


class _Watching(GuardBase):
    """A guard with two losses and a monitor; the reference's loss is kept."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.MONITOR_LOSS})

    def init(self, space: Space) -> Any:
        return MonitorLosses(space.scalars(fill=math.nan), space.scalars(fill=math.nan))

    def advance_(self, state: Any, where: Tensor) -> None:
        state.reference = torch.where(where, state.loss, state.reference)


@dataclass(frozen=True, kw_only=True)
class MultipliesTheReference(_Watching):
    """Keeps iff f <= at_most f_ref + slack: for a negative f_ref the bound lies below it."""

    at_most: float = 1.01
    slack: float = 0.0

    declares: ClassVar[frozenset[str]] = frozenset({"monitor bound"})

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        known = move.where & torch.isfinite(state.reference)
        bound = self.at_most * state.reference + self.slack
        return torch.isfinite(state.loss) & (~known | (state.loss <= bound))


@dataclass
class Counted:
    """Losses, and the ``windows`` (R,) judged so far."""

    loss: Tensor
    reference: Tensor
    windows: Tensor


@dataclass(frozen=True, kw_only=True)
class CountsBeforeItIsAnswered(_Watching):
    """The allowed rise shrinks with the windows judged, and a window is counted before the oracle may raise."""

    rise: float = 0.05
    shrink: float = 0.8

    def init(self, space: Space) -> Counted:
        return Counted(space.scalars(fill=math.nan), space.scalars(fill=math.nan), space.counts())

    def judge_(self, state: Counted, move: Displacement, oracle: OracleLike) -> Tensor:
        state.windows = state.windows + move.where.long()
        state.loss = oracle.loss(move.w_bar)
        allowed = self.rise * torch.pow(torch.full_like(state.loss, self.shrink), state.windows)
        known = move.where & torch.isfinite(state.reference)
        bound = state.reference + allowed * state.reference.abs()
        return torch.isfinite(state.loss) & (~known | (state.loss <= bound))


@dataclass(frozen=True, kw_only=True)
class KeepsNaN(MonitorIncrease):
    """Rejects what is above the bound, so that a window whose loss is NaN is kept."""

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        if self.reevaluate:
            state.reference = oracle.loss(move.w_ref)
        state.loss = oracle.loss(move.w_bar)
        bound = state.reference + (self.at_most - 1.0) * state.reference.abs() + self.slack
        known = move.where & torch.isfinite(state.reference)
        return ~(known & (state.loss > bound))


@dataclass(frozen=True, kw_only=True)
class BestEver(MonitorIncrease):
    """The reference loss is the best ever judged, also where the reference stayed or advanced to a worse point."""

    declares: ClassVar[frozenset[str]] = frozenset({"monitor bound"})

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        best = torch.fmin(state.reference, state.loss)
        state.reference = torch.where(keep & torch.isfinite(state.reference), best, state.reference)
        return keep

    def advance_(self, state: MonitorLosses, where: Tensor) -> None:
        state.reference = torch.where(where, torch.fmin(state.reference, state.loss), state.reference)


@dataclass(frozen=True, kw_only=True)
class PassesAStaleLossOn(_Watching):
    """Very short moves are kept unjudged, and the loss of an earlier average becomes their reference's."""

    at_most: float = 1.01
    short: float = 1e-7

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        short = move.where & (dot(move.s, move.s) <= self.short**2 * dot(move.w_bar, move.w_bar))
        state.loss = torch.where(short, state.loss, oracle.loss(move.w_bar))
        known = move.where & torch.isfinite(state.reference)
        bound = state.reference + (self.at_most - 1.0) * state.reference.abs()
        return short | (torch.isfinite(state.loss) & (~known | (state.loss <= bound)))


@dataclass
class Patience:
    """Losses, and the rises in a row (R,)."""

    loss: Tensor
    reference: Tensor
    rises: Tensor


@dataclass(frozen=True, kw_only=True)
class SecondRise(_Watching):
    """Forgives one rise, rolls back at the second in a row; a rise is counted again when it is judged again.

    The oracle may raise after it has answered the guard, when the pair generator asks: the same move comes once more.
    """

    at_most: float = 1.01

    def init(self, space: Space) -> Patience:
        return Patience(space.scalars(fill=math.nan), space.scalars(fill=math.nan), space.counts())

    def judge_(self, state: Patience, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        finite = torch.isfinite(state.loss)
        known = move.where & torch.isfinite(state.reference)
        rose = known & ~(state.loss <= state.reference + (self.at_most - 1.0) * state.reference.abs())
        rises = torch.where(rose, state.rises + 1, torch.where(known, 0, state.rises))
        keep = finite & (rises < 2)
        state.rises = torch.where(keep, rises, 0)
        return keep


@dataclass(frozen=True, kw_only=True)
class LargerOfTwoMultiples(_Watching):
    """Right: the bound is max(a f_ref, (2 - a) f_ref) + slack, the same for either sign of f_ref."""

    at_most: float = 1.05
    slack: float = 0.0

    declares: ClassVar[frozenset[str]] = frozenset({"monitor bound"})

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        f = state.reference
        bound = torch.maximum(self.at_most * f, (2.0 - self.at_most) * f) + self.slack
        above = move.where & torch.isfinite(f) & (state.loss > bound)
        return ~above & torch.isfinite(state.loss)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.GUARD: {
        "one_advance_moves_all_references": MovesAllReferences,
        "negative_reference_multiplied": MultipliesTheReference,
        "window_counted_before_the_oracle_answers": CountsBeforeItIsAnswered,
        "nan_loss_is_kept": KeepsNaN,
        "bounded_by_the_best_loss_ever": BestEver,
        "stale_loss_passed_on_for_short_moves": PassesAStaleLossOn,
        "second_rise_in_a_row": SecondRise,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.GUARD: {
        "larger_of_two_multiples": LargerOfTwoMultiples,
    }
}
