"""Guards."""

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


@dataclass
class Losses:
    """Monitor losses at the average last judged and at the reference, (R,) float64, NaN if unknown."""

    loss: Tensor
    reference: Tensor


@dataclass
class Strikes:
    """Monitor losses (R,) float64; ``strikes`` (R,): rises in a row; ``rose`` (R,): whether the last one was one."""

    loss: Tensor
    reference: Tensor
    strikes: Tensor
    rose: Tensor


def _unknown(space: Space) -> tuple[Tensor, Tensor]:
    return space.scalars(fill=math.nan), space.scalars(fill=math.nan)


@dataclass(frozen=True, kw_only=True)
class Patient(GuardBase):
    """Two rises in a row are forgiven; counts while it judges, so that a window judged again counts twice."""

    patience: int = 2

    needs: ClassVar[frozenset[Need]] = MONITOR

    def init(self, space: Space) -> Strikes:
        return Strikes(*_unknown(space), space.counts(), space.mask(False))

    def judge_(self, state: Strikes, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        state.rose = move.where & (state.loss > state.reference)
        state.strikes = torch.where(state.rose, state.strikes + 1, 0)
        return torch.isfinite(state.loss) & (state.strikes <= self.patience)

    def advance_(self, state: Strikes, where: Tensor) -> None:
        state.reference = torch.where(where, state.loss, state.reference)


@dataclass(frozen=True, kw_only=True)
class BestEver(MonitorIncrease):
    """The bound is that of the least loss so far, not of the loss at the reference."""

    declares: ClassVar[frozenset[str]] = frozenset({"monitor bound"})

    def advance_(self, state: MonitorLosses, where: Tensor) -> None:
        state.reference = torch.where(where, torch.fmin(state.loss, state.reference), state.reference)


@dataclass(frozen=True, kw_only=True)
class SingleLosses(MonitorIncrease):
    """Keeps float64 losses as float32 numbers: a rise below 6e-8 of a large loss is none, and the events round."""

    at_most: float = 1.0

    declares: ClassVar[frozenset[str]] = frozenset({"monitor bound"})

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar).float().double()
        bound = state.reference + (self.at_most - 1.0) * state.reference.abs() + self.slack
        known = move.where & torch.isfinite(state.reference)
        return torch.isfinite(state.loss) & (~known | (state.loss <= bound))


@dataclass(frozen=True, kw_only=True)
class Discreet(GuardBase):
    """Right verdicts, but the loss of a refused window is not written down: its event tells that of an earlier one."""

    factor: float = 1.02

    needs: ClassVar[frozenset[Need]] = MONITOR

    def init(self, space: Space) -> Losses:
        return Losses(*_unknown(space))

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        loss = oracle.loss(move.w_bar)
        bound = state.reference + (self.factor - 1.0) * state.reference.abs()
        known = move.where & torch.isfinite(state.reference)
        keep = torch.isfinite(loss) & (~known | (loss <= bound))
        state.loss = torch.where(keep, loss, state.loss)
        return keep

    def advance_(self, state: Losses, where: Tensor) -> None:
        state.reference = torch.where(where, state.loss, state.reference)


@dataclass(frozen=True, kw_only=True)
class LateBegin(GuardBase):
    """Notes losses of compared runs only: the first reference has none, and the first comparison bounds nothing."""

    at_most: float = 1.01
    slack: float = 0.0

    needs: ClassVar[frozenset[Need]] = MONITOR
    declares: ClassVar[frozenset[str]] = frozenset({"monitor bound"})

    def init(self, space: Space) -> Losses:
        return Losses(*_unknown(space))

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        loss = oracle.loss(move.w_bar)
        state.loss = torch.where(move.where, loss, state.loss)
        bound = state.reference + (self.at_most - 1.0) * state.reference.abs() + self.slack
        known = move.where & torch.isfinite(state.reference)
        return torch.isfinite(loss) & (~known | (loss <= bound))

    def advance_(self, state: Losses, where: Tensor) -> None:
        state.reference = torch.where(where, state.loss, state.reference)


@dataclass(frozen=True, kw_only=True)
class PatientOnce(GuardBase):
    """Right: forgives one rise in a row; judging changes nothing that judging reads, only a new reference does."""

    patience: int = 1

    needs: ClassVar[frozenset[Need]] = MONITOR

    def init(self, space: Space) -> Strikes:
        return Strikes(*_unknown(space), space.counts(), space.mask(False))

    def judge_(self, state: Strikes, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        state.rose = move.where & (state.loss > state.reference)
        return torch.isfinite(state.loss) & ~(state.rose & (state.strikes >= self.patience))

    def advance_(self, state: Strikes, where: Tensor) -> None:
        state.reference = torch.where(where, state.loss, state.reference)
        state.strikes = torch.where(where, torch.where(state.rose, state.strikes + 1, 0), state.strikes)


@dataclass(frozen=True, kw_only=True)
class BySlack(GuardBase):
    """Right: the monitor bound written as a rise within an allowance; without a finite reference nothing is bound."""

    at_most: float = 1.05
    slack: float = 0.0

    clear_store: ClassVar[bool] = False
    needs: ClassVar[frozenset[Need]] = MONITOR
    declares: ClassVar[frozenset[str]] = frozenset({"monitor bound"})

    def init(self, space: Space) -> Losses:
        return Losses(*_unknown(space))

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        free = ~move.where | ~torch.isfinite(state.reference)
        allowance = state.reference + (self.at_most - 1.0) * state.reference.abs() + self.slack
        return torch.isfinite(state.loss).logical_and(free.logical_or(allowance.ge(state.loss)))

    def advance_(self, state: Losses, where: Tensor) -> None:
        state.reference = state.loss.where(where, state.reference)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.GUARD: {
        "strikes_counted_while_judging": Patient,
        "bound_by_the_best_loss_ever": BestEver,
        "losses_kept_in_float32": SingleLosses,
        "refused_loss_not_told": Discreet,
        "first_loss_never_noted": LateBegin,
    }
}
HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.GUARD: {"patient_by_references": PatientOnce, "bound_as_an_allowance": BySlack}
}
