"""Guards: five wrong ones, two that are right."""

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
from adaqn_lab.protocols import Displacement, Need, OracleLike
from adaqn_lab.space import Space
from verification.law import Subject

MONITOR = frozenset({Need.MONITOR_LOSS})


def unknown(space: Space) -> Tensor:
    """A loss (R,) that nobody knows yet."""
    return space.scalars(fill=math.nan)


@dataclass(frozen=True, kw_only=True)
class BestReference(MonitorIncrease):
    """The reference's loss is the least of all references so far, not that of the point to go back to."""

    declares: ClassVar[frozenset[str]] = frozenset({"monitor bound"})

    def advance_(self, state: MonitorLosses, where: Tensor) -> None:
        state.reference = torch.where(where, torch.fmin(state.loss, state.reference), state.reference)


@dataclass
class Recent:
    """``loss``, ``reference`` (R,), and ``ring`` (R, M), losses of late with the newest first."""

    loss: Tensor
    reference: Tensor
    ring: Tensor


def pushed(ring: Tensor, loss: Tensor, where: Tensor) -> Tensor:
    """The ring with the loss in front for the runs in ``where``."""
    return torch.where(where.unsqueeze(1), torch.cat([loss.unsqueeze(1), ring[:, :-1]], dim=1), ring)


@dataclass(frozen=True, kw_only=True)
class NonMonotoneJudged(GuardBase):
    """Bound by the largest of the last losses, where a loss is put when it is judged: called again it bounds itself."""

    last: int = 3
    at_most: float = 1.01
    needs: ClassVar[frozenset[Need]] = MONITOR

    def init(self, space: Space) -> Recent:
        return Recent(unknown(space), unknown(space), space.scalars(self.last, fill=-math.inf))

    def judge_(self, state: Recent, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        most = state.ring.amax(dim=1)
        finite = torch.isfinite(state.loss)
        known = move.where & torch.isfinite(most)
        state.ring = pushed(state.ring, state.loss, finite)
        return finite & (~known | (state.loss <= most + (self.at_most - 1.0) * most.abs()))

    def advance_(self, state: Recent, where: Tensor) -> None:
        state.reference = torch.where(where, state.loss, state.reference)


@dataclass(frozen=True, kw_only=True)
class RefusesNaNOnly(GuardBase):
    """Asks for NaN alone: without a reference an infinite loss is kept, and then nothing is ever above it."""

    at_most: float = 1.02
    needs: ClassVar[frozenset[Need]] = MONITOR

    def init(self, space: Space) -> MonitorLosses:
        return MonitorLosses(unknown(space), unknown(space))

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        bound = state.reference + (self.at_most - 1.0) * state.reference.abs()
        known = move.where & ~torch.isnan(state.reference)
        return ~torch.isnan(state.loss) & (~known | (state.loss <= bound))

    def advance_(self, state: MonitorLosses, where: Tensor) -> None:
        state.reference = torch.where(where, state.loss, state.reference)


@dataclass(frozen=True, kw_only=True)
class MeasuresOnlyComparisons(GuardBase):
    """The loss is written for the runs with something to compare with: the first reference has none, or an old one."""

    at_most: float = 1.01
    needs: ClassVar[frozenset[Need]] = MONITOR

    def init(self, space: Space) -> MonitorLosses:
        return MonitorLosses(unknown(space), unknown(space))

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        loss = oracle.loss(move.w_bar)
        state.loss = torch.where(move.where, loss, state.loss)
        bound = state.reference + (self.at_most - 1.0) * state.reference.abs()
        known = move.where & torch.isfinite(state.reference)
        return torch.isfinite(loss) & (~known | (loss <= bound))

    def advance_(self, state: MonitorLosses, where: Tensor) -> None:
        state.reference = torch.where(where, state.loss, state.reference)


@dataclass(frozen=True, kw_only=True)
class FillsTheUnknown(GuardBase):
    """An unknown reference takes the loss of the next average, though that one did not become the reference."""

    at_most: float = 1.01
    needs: ClassVar[frozenset[Need]] = MONITOR

    def init(self, space: Space) -> MonitorLosses:
        return MonitorLosses(unknown(space), unknown(space))

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        bound = state.reference + (self.at_most - 1.0) * state.reference.abs()
        known = move.where & torch.isfinite(state.reference)
        return torch.isfinite(state.loss) & (~known | (state.loss <= bound))

    def advance_(self, state: MonitorLosses, where: Tensor) -> None:
        take = where | ~torch.isfinite(state.reference)
        state.reference = torch.where(take, state.loss, state.reference)


@dataclass(frozen=True, kw_only=True)
class NonMonotone(GuardBase):
    """Right: bound by the largest loss of the last references; a loss joins them when its point does."""

    last: int = 3
    at_most: float = 1.01
    needs: ClassVar[frozenset[Need]] = MONITOR

    def init(self, space: Space) -> Recent:
        return Recent(unknown(space), unknown(space), space.scalars(self.last, fill=-math.inf))

    def judge_(self, state: Recent, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        most = state.ring.amax(dim=1)
        known = move.where & torch.isfinite(most)
        return torch.isfinite(state.loss) & (~known | (state.loss <= most + (self.at_most - 1.0) * most.abs()))

    def advance_(self, state: Recent, where: Tensor) -> None:
        state.reference = torch.where(where, state.loss, state.reference)
        state.ring = pushed(state.ring, state.loss, where & torch.isfinite(state.loss))


@dataclass
class Strikes:
    """``loss``, ``reference`` (R,); ``strikes`` (R,) windows in a row that were worse, ``pending`` with the last."""

    loss: Tensor
    reference: Tensor
    strikes: Tensor
    pending: Tensor


@dataclass(frozen=True, kw_only=True)
class Patient(GuardBase):
    """Right: rolls back at the second worse window in a row; what judge_ counts is valid only once it is decided."""

    allowed: int = 1
    needs: ClassVar[frozenset[Need]] = MONITOR

    def init(self, space: Space) -> Strikes:
        return Strikes(unknown(space), unknown(space), space.counts(), space.counts())

    def judge_(self, state: Strikes, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        worse = move.where & (state.loss > state.reference)
        state.pending = torch.where(worse, state.strikes + 1, 0)
        return torch.isfinite(state.loss) & (state.pending <= self.allowed)

    def advance_(self, state: Strikes, where: Tensor) -> None:
        state.reference = torch.where(where, state.loss, state.reference)
        over = (state.pending > self.allowed) | ~torch.isfinite(state.loss)
        state.strikes = torch.where(over, 0, state.pending)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.GUARD: {
        "reference_is_the_least_so_far": BestReference,
        "loss_joins_its_bound_when_judged": NonMonotoneJudged,
        "infinite_loss_kept_without_reference": RefusesNaNOnly,
        "loss_unwritten_without_comparison": MeasuresOnlyComparisons,
        "unknown_reference_filled_by_a_skipped_average": FillsTheUnknown,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.GUARD: {"nonmonotone_by_references": NonMonotone, "patient_for_one_window": Patient}
}
