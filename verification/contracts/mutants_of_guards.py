"""Guards, each with one fault, which its name says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import Displacement, MonitorIncrease, Space
from adaqn_lab.guards.monitor_increase import MonitorLosses
from adaqn_lab.linalg import dot
from adaqn_lab.protocols import OracleLike
from verification.contracts.guard_bases import Decrease, Losses
from verification.law import Subject
from verification.naming import by_name


class WrongGuard(MonitorIncrease):
    """What the wrong guards share."""

    declares: ClassVar[tuple[str, ...]] = ("monitor bound",)


class NanLossAccepted(WrongGuard):
    """Rolls back iff f > bound: a NaN is never greater (a NaN comparison must reject)."""

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        bound = state.reference + (self.at_most - 1.0) * state.reference.abs() + self.slack
        return ~(move.where & (state.loss > bound))


class RejectsIffTrue(WrongGuard):
    """Checks for NaN and forgets infinity: before there is a reference, an infinite loss becomes one."""

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        return keep | torch.isinf(state.loss)


class NegativeBound(WrongGuard):
    """f <= at_most f_ref: for negative losses the bound lies below the reference."""

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        below = state.loss <= self.at_most * state.reference + self.slack
        return torch.isfinite(state.loss) & (~move.where | below)


class StrictComparison(WrongGuard):
    """f < f_ref + ...: with f_ref = 0 an equal loss rolls back."""

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        bound = state.reference + (self.at_most - 1.0) * state.reference.abs() + self.slack
        return keep & (~move.where | (state.loss < bound))


class ReferenceLossOfRejectedWindow(WrongGuard):
    """The reference loss is the last one seen, whether or not the reference moved (stochQN): it creeps up."""

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        state.reference = torch.where(keep, state.loss, state.reference)
        return keep


class GuardForgetsMask(WrongGuard):
    """The loss last seen becomes the reference's for every run, advanced or not."""

    def advance_(self, state: MonitorLosses, where: Tensor) -> None:
        super().advance_(state, torch.ones_like(where))


class RunsShareTheGuard(WrongGuard):
    """One run's increase rolls all of them back."""

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        return keep.all().expand_as(keep).clone()


class StaleLossOfShortMoves(Decrease):
    """Does not ask for the loss of an average which is nearly the reference."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        old = state.loss
        keep = super().judge_(state, move, oracle)
        short = move.where & (move.s.norm(dim=1) <= 1e-7 * move.w_ref.norm(dim=1))
        state.loss = torch.where(short, old, state.loss)
        return torch.logical_or(keep, short)


@dataclass
class LastVector(Losses):
    """And a vector (R, n) of the window judged last, and of the one before it."""

    latest: Tensor
    before: Tensor


class KeepsTheLastDisplacement(Decrease):
    """Refuses what goes back by half or more of the last window, whose displacement is the optimizer's own vector."""

    def init(self, space: Space) -> LastVector:
        return LastVector(**vars(super().init(space)), latest=space.zeros(), before=space.zeros())

    def judge_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss, state.latest = oracle.loss(move.w_bar), move.s
        back = dot(move.s, state.before) < -0.5 * dot(state.before, state.before)
        return torch.isfinite(state.loss) & ~(move.where & back)

    def advance_(self, state: Any, where: Tensor) -> None:
        super().advance_(state, where)
        state.before = state.latest


class KeepsTheLastAverage(KeepsTheLastDisplacement):
    """A window may not end within its own length of the last average, which is the optimizer's own vector."""

    def judge_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss, state.latest = oracle.loss(move.w_bar), move.w_bar
        way = move.w_bar - state.before
        return torch.isfinite(state.loss) & ~(move.where & (dot(way, way) < dot(move.s, move.s) / 4))


@dataclass
class _Renewed(MonitorLosses):
    stale: Tensor


class RenewsNewReferencesOnly(WrongGuard):
    """f(w_ref) is evaluated anew once, after the reference moved."""

    def init(self, space: Space) -> _Renewed:
        return _Renewed(**vars(super().init(space)), stale=space.mask(True))

    def judge_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        before = state.reference
        keep = super().judge_(state, move, oracle)
        state.reference = torch.where(state.stale, state.reference, before)
        state.stale = torch.zeros_like(state.stale)
        return keep

    def advance_(self, state: Any, where: Tensor) -> None:
        super().advance_(state, where)
        state.stale = state.stale | where


class KeepsTheOldValueForReevaluating(WrongGuard):
    """Says that it evaluates f(w_ref) anew, and does not."""

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        return MonitorIncrease(at_most=self.at_most, slack=self.slack).judge_(state, move, oracle)


class FillsInAnUnknownReference(Decrease):
    """A reference without a loss gets that of the next window, which did not become the reference."""

    def advance_(self, state: Losses, where: Tensor) -> None:
        super().advance_(state, where | ~torch.isfinite(state.reference))


GUARDS = by_name(
    FillsInAnUnknownReference,
    NanLossAccepted,
    RejectsIffTrue,
    NegativeBound,
    StrictComparison,
    ReferenceLossOfRejectedWindow,
    GuardForgetsMask,
    RunsShareTheGuard,
    StaleLossOfShortMoves,
    KeepsTheLastDisplacement,
    KeepsTheLastAverage,
)
REEVALUATING = by_name(RenewsNewReferencesOnly, KeepsTheOldValueForReevaluating, reevaluate=True)
MUTANTS = {Subject.GUARD: GUARDS | REEVALUATING}
