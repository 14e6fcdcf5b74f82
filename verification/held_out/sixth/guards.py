"""Guards as a port leaves them: five wrong, two right."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import MonitorIncrease
from adaqn_lab.bases import GuardBase
from adaqn_lab.protocols import Displacement, Need, OracleLike
from adaqn_lab.space import Space
from verification.law import Subject


@dataclass
class Losses:
    """``loss`` and ``reference`` (R,) float64."""

    loss: Tensor
    reference: Tensor


@dataclass(frozen=True, kw_only=True)
class Watching(GuardBase):
    """What the guards below share: the losses and the bound."""

    at_most: float = 1.05
    slack: float = 0.0

    needs: ClassVar[frozenset[Need]] = frozenset({Need.MONITOR_LOSS})

    def init(self, space: Space) -> Losses:
        return Losses(space.scalars(fill=math.nan), space.scalars(fill=math.nan))

    def bound(self, reference: Tensor) -> Tensor:
        return reference + (self.at_most - 1.0) * reference.abs() + self.slack

    def advance_(self, state: Losses, where: Tensor) -> None:
        state.reference = torch.where(where, state.loss, state.reference)


@dataclass(frozen=True, kw_only=True)
class RatchetReference(Watching):
    """The reference's loss only falls: after a rise within the bound it is that of a point left long ago."""

    declares: ClassVar[frozenset[str]] = frozenset({"monitor bound"})

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        known = move.where & torch.isfinite(state.reference)
        return torch.isfinite(state.loss) & (~known | (state.loss <= self.bound(state.reference)))

    def advance_(self, state: Losses, where: Tensor) -> None:
        state.reference = torch.where(where, torch.fmin(state.loss, state.reference), state.reference)


@dataclass(frozen=True, kw_only=True)
class MarginOfTheNewLoss(Watching):
    """The margin is a share of the new loss where it should be one of the reference's."""

    declares: ClassVar[frozenset[str]] = frozenset({"monitor bound"})

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        known = move.where & torch.isfinite(state.reference)
        rise = state.loss - state.reference
        within = rise <= (self.at_most - 1.0) * state.loss.abs() + self.slack
        return torch.isfinite(state.loss) & (~known | within)


@dataclass
class Patience:
    """``loss``, ``reference`` (R,) float64; ``strikes`` (R,): rises in a row that were let pass."""

    loss: Tensor
    reference: Tensor
    strikes: Tensor


@dataclass(frozen=True, kw_only=True)
class StrikesCountedInJudge(Watching):
    """Two rises in a row are let pass; judged again, because a callable raised, one rise counts twice."""

    patience: int = 2

    def init(self, space: Space) -> Patience:
        return Patience(space.scalars(fill=math.nan), space.scalars(fill=math.nan), space.counts())

    def judge_(self, state: Patience, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        known = move.where & torch.isfinite(state.reference)
        rose = known & ~(state.loss <= self.bound(state.reference))
        state.strikes = torch.where(rose, state.strikes + 1, torch.where(known, 0, state.strikes))
        keep = torch.isfinite(state.loss) & (~rose | (state.strikes <= self.patience))
        state.strikes = torch.where(rose & ~keep, 0, state.strikes)
        return keep


@dataclass(frozen=True, kw_only=True)
class NotAbove(Watching):
    """Keeps what is not above the bound, so that a loss of NaN is kept and becomes the reference's."""

    declares: ClassVar[frozenset[str]] = frozenset({"monitor bound"})

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        known = move.where & torch.isfinite(state.reference)
        return ~(known & (state.loss > self.bound(state.reference))) & ~torch.isinf(state.loss)


@dataclass(frozen=True, kw_only=True)
class GraceOnThePart(MonitorIncrease):
    """The first ``grace`` rises are let pass, counted in a list that lives on the part and not in the state."""

    grace: int = 2
    passed: list[int] = field(default_factory=list, compare=False, repr=False)

    def judge_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        self.passed.append(1)
        return keep | torch.isfinite(state.loss) if len(self.passed) <= self.grace else keep


@dataclass
class Pending:
    """``loss``, ``reference`` (R,) float64; ``rose`` (R,), of the window last judged; ``strikes`` (R,)."""

    loss: Tensor
    reference: Tensor
    rose: Tensor
    strikes: Tensor


@dataclass(frozen=True, kw_only=True)
class PatientGuard(Watching):
    """Right: one advance in a row in spite of a rise; the advance counts it, so that judging twice is judging once."""

    patience: int = 1

    def init(self, space: Space) -> Pending:
        nan = (space.scalars(fill=math.nan) for _ in range(2))
        return Pending(*nan, space.mask(False), space.counts())

    def judge_(self, state: Pending, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        known = move.where & torch.isfinite(state.reference)
        state.rose = known & ~(state.loss <= self.bound(state.reference))
        return torch.isfinite(state.loss) & (~state.rose | (state.strikes < self.patience))

    def advance_(self, state: Pending, where: Tensor) -> None:
        strikes = torch.where(state.rose, state.strikes + 1, 0)
        state.strikes = torch.where(where, strikes, state.strikes)
        super().advance_(state, where)


@dataclass(frozen=True, kw_only=True)
class StrictAndAnew(Watching):
    """Right: no rise at all, and the reference's loss is evaluated anew at every window; the store is kept."""

    clear_store: ClassVar[bool] = False

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        before, after = oracle.loss(move.w_ref), oracle.loss(move.w_bar)
        state.loss, state.reference = after, before
        known = move.where & torch.isfinite(before)
        return torch.isfinite(after) & (~known | (after <= before))


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.GUARD: {
        "reference_loss_only_falls": RatchetReference,
        "margin_by_the_new_loss": MarginOfTheNewLoss,
        "strikes_counted_again_when_judged_again": StrikesCountedInJudge,
        "not_above_keeps_nan": NotAbove,
        "grace_counted_on_the_part": GraceOnThePart,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.GUARD: {"patience_counted_at_the_advance": PatientGuard, "strict_and_evaluated_anew": StrictAndAnew}
}
