"""Guards: wrong ones, and unusual ones that are right."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import MonitorIncrease
from adaqn_lab.bases import GuardBase
from adaqn_lab.guards.monitor_increase import MonitorLosses
from adaqn_lab.linalg import dot
from adaqn_lab.protocols import Displacement, Need, OracleLike
from adaqn_lab.space import Space
from verification.law import Subject

MONITOR = frozenset({Need.MONITOR_LOSS})


def unknown(space: Space) -> tuple[Tensor, Tensor]:
    """Two losses that nobody knows yet."""
    return space.scalars(fill=math.nan), space.scalars(fill=math.nan)


@dataclass
class Strikes(MonitorLosses):
    """And ``strikes`` (R,): how many windows in a row rose."""

    strikes: Tensor


@dataclass(frozen=True, kw_only=True)
class TwoStrikes(GuardBase):
    """A rise is forgiven once, and counted whenever it is asked about: asked again, the same window is the second."""

    needs: ClassVar[frozenset[Need]] = MONITOR

    def init(self, space: Space) -> Strikes:
        return Strikes(*unknown(space), space.counts())

    def judge_(self, state: Strikes, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        rose = move.where & (state.loss > state.reference)
        state.strikes = torch.where(rose, state.strikes + 1, 0)
        return torch.isfinite(state.loss) & (state.strikes < 2)

    def advance_(self, state: Strikes, where: Tensor) -> None:
        state.reference = torch.where(where, state.loss, state.reference)


@dataclass(frozen=True, kw_only=True)
class InSinglePrecision(GuardBase):
    """The losses are rounded to float32 on their way, where a small rise is none and a loss beyond 3e38 is infinite."""

    at_most: float = 1.0
    slack: float = 0.0

    declares: ClassVar[frozenset[str]] = frozenset({"monitor bound"})
    needs: ClassVar[frozenset[Need]] = MONITOR

    def init(self, space: Space) -> MonitorLosses:
        return MonitorLosses(*unknown(space))

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar).float().double()
        bound = state.reference + (self.at_most - 1.0) * state.reference.abs() + self.slack
        known = move.where & torch.isfinite(state.reference)
        return torch.isfinite(state.loss) & (~known | (state.loss <= bound))

    def advance_(self, state: MonitorLosses, where: Tensor) -> None:
        state.reference = torch.where(where, state.loss, state.reference)


class BestSoFar(MonitorIncrease):
    """The loss of the best reference so far bounds the window, not that of the reference which it started from."""

    declares: ClassVar[frozenset[str]] = frozenset({"monitor bound"})

    def advance_(self, state: MonitorLosses, where: Tensor) -> None:
        state.reference = torch.where(where, torch.fmin(state.loss, state.reference), state.reference)


@dataclass
class Displaced(MonitorLosses):
    """``latest`` and ``previous`` displacement (R, n); ``known`` (R,)."""

    latest: Tensor
    previous: Tensor
    known: Tensor


@dataclass(frozen=True, kw_only=True)
class NoTurningBack(GuardBase):
    """A window that undoes the last one is refused; the last one's s is the optimizer's vector: it holds this one."""

    def init(self, space: Space) -> Displaced:
        return Displaced(*unknown(space), space.zeros(), space.zeros(), space.mask(False))

    def judge_(self, state: Displaced, move: Displacement, oracle: OracleLike) -> Tensor:
        s, old = move.s, state.previous
        along = dot(s, old) / (dot(s, s) * dot(old, old)).sqrt()
        state.latest = move.s
        return ~(move.where & state.known & (along < -0.5))

    def advance_(self, state: Displaced, where: Tensor) -> None:
        state.previous = state.latest
        state.known = state.known | where


@dataclass(frozen=True, kw_only=True)
class LooksAhead(GuardBase):
    """The point ahead is made by adding s to w_bar in place and taking it off again: w_bar is rounded."""

    needs: ClassVar[frozenset[Need]] = MONITOR

    def init(self, space: Space) -> MonitorLosses:
        return MonitorLosses(*unknown(space))

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        loss = oracle.loss(move.w_bar)
        move.w_bar.add_(move.s)
        ahead = oracle.loss(move.w_bar)
        move.w_bar.sub_(move.s)
        state.loss = loss
        known = move.where & torch.isfinite(state.reference)
        return torch.isfinite(loss) & (~known | (torch.fmin(loss, ahead) <= state.reference))

    def advance_(self, state: MonitorLosses, where: Tensor) -> None:
        state.reference = torch.where(where, state.loss, state.reference)


@dataclass
class Recent(MonitorLosses):
    """And the losses of the last references ``recent`` (R, m), NaN where there was none."""

    recent: Tensor


@dataclass(frozen=True, kw_only=True)
class NonMonotone(GuardBase):
    """Right: a window may be as bad as the worst of the last three references; the list moves in ``advance_`` alone."""

    needs: ClassVar[frozenset[Need]] = MONITOR

    def init(self, space: Space) -> Recent:
        return Recent(*unknown(space), space.scalars(3, fill=math.nan))

    def judge_(self, state: Recent, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        known = torch.isfinite(state.recent)
        worst = torch.where(known, state.recent, -math.inf).amax(dim=1)
        bounded = move.where & known.any(dim=1)
        return torch.isfinite(state.loss) & (~bounded | (state.loss <= worst))

    def advance_(self, state: Recent, where: Tensor) -> None:
        moved = torch.cat([state.recent[:, 1:], state.loss.unsqueeze(1)], dim=1)
        state.recent = torch.where(where.unsqueeze(1), moved, state.recent)
        state.reference = torch.where(where, state.loss, state.reference)


@dataclass(frozen=True, kw_only=True)
class NotTooFar(GuardBase):
    """Right: no monitor; a window is kept unless it went further than ``radius`` (1 + |w_ref|). Losses stay NaN."""

    radius: float = 0.5

    def init(self, space: Space) -> MonitorLosses:
        return MonitorLosses(*unknown(space))

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        most = self.radius * (1.0 + dot(move.w_ref, move.w_ref).sqrt())
        return ~move.where | (dot(move.s, move.s).sqrt() <= most)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.GUARD: {
        "strikes_counted_at_every_asking": TwoStrikes,
        "losses_in_single_precision": InSinglePrecision,
        "bound_of_the_best_reference": lambda: BestSoFar(at_most=1.05),
        "previous_displacement_is_the_present_one": NoTurningBack,
        "trial_point_made_in_place": LooksAhead,
    }
}
HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.GUARD: {"worst_of_three_references": NonMonotone, "no_further_than_a_radius": NotTooFar}
}
