"""Guards: wrong ones, and right ones that look odd."""

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


@dataclass
class Strikes(MonitorLosses):
    """With the increases in a row, and whether the window judged last was one."""

    strikes: Tensor
    rose: Tensor


@dataclass(frozen=True, kw_only=True)
class StruckWhileJudging(GuardBase):
    """The second increase in a row rolls back; a window judged twice, as its pair raised, counts twice."""

    patience: int = 2

    needs: ClassVar[frozenset[Need]] = frozenset({Need.MONITOR_LOSS})

    def init(self, space: Space) -> Strikes:
        return Strikes(*(space.scalars(fill=math.nan) for _ in range(2)), space.counts(), space.mask(False))

    def judge_(self, state: Strikes, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        state.rose = move.where & torch.isfinite(state.reference) & ~(state.loss <= state.reference)
        state.strikes = torch.where(state.rose, state.strikes + 1, 0)
        return torch.isfinite(state.loss) & (state.strikes < self.patience)

    def advance_(self, state: Strikes, where: Tensor) -> None:
        state.reference = torch.where(where, state.loss, state.reference)


@dataclass(frozen=True, kw_only=True)
class BestForReference(MonitorIncrease):
    """An allowed increase does not raise the reference's loss: that stays the best one seen."""

    at_most: float = 1.1
    declares: ClassVar[frozenset[str]] = frozenset({"monitor bound"})

    def advance_(self, state: MonitorLosses, where: Tensor) -> None:
        state.reference = torch.where(where, torch.fmin(state.loss, state.reference), state.reference)


@dataclass(frozen=True, kw_only=True)
class ComparedInFloat32(MonitorIncrease):
    """The losses are compared in float32: an increase in the ninth digit is none."""

    at_most: float = 1.0
    declares: ClassVar[frozenset[str]] = frozenset({"monitor bound"})

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        if self.reevaluate:
            state.reference = oracle.loss(move.w_ref)
        state.loss = oracle.loss(move.w_bar)
        loss, reference = state.loss.float(), state.reference.float()
        bound = reference + (self.at_most - 1.0) * reference.abs() + self.slack
        known = move.where & torch.isfinite(reference)
        return torch.isfinite(loss) & (~known | (loss <= bound))


@dataclass(frozen=True, kw_only=True)
class FirstIsKeptWhateverItsLoss(GuardBase):
    """Without a reference to compare with the window is kept, also if its loss is not finite."""

    at_most: float = 1.01

    needs: ClassVar[frozenset[Need]] = frozenset({Need.MONITOR_LOSS})

    def init(self, space: Space) -> MonitorLosses:
        return MonitorLosses(space.scalars(fill=math.nan), space.scalars(fill=math.nan))

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        bound = state.reference + (self.at_most - 1.0) * state.reference.abs()
        return ~move.where | ~torch.isfinite(state.reference) | (state.loss <= bound)

    def advance_(self, state: MonitorLosses, where: Tensor) -> None:
        state.reference = torch.where(where, state.loss, state.reference)


@dataclass
class Recent(MonitorLosses):
    """With the last losses of references, -inf where there is none, and the slot to write next."""

    losses: Tensor
    head: Tensor


@dataclass(frozen=True, kw_only=True)
class WorstOfTheLast(GuardBase):
    """Right: no worse than the worst of the last references, each run with its own ring."""

    last: int = 3

    needs: ClassVar[frozenset[Need]] = frozenset({Need.MONITOR_LOSS})

    def init(self, space: Space) -> Recent:
        unknown = [space.scalars(fill=math.nan) for _ in range(2)]
        return Recent(*unknown, space.scalars(self.last, fill=-math.inf), space.counts())

    def judge_(self, state: Recent, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        worst = state.losses.amax(1)
        known = move.where & torch.isfinite(worst)
        return torch.isfinite(state.loss) & (~known | (state.loss <= worst))

    def moves(self, where: Tensor) -> Tensor:
        """By how much each run's slot moves on."""
        return where.long()

    def advance_(self, state: Recent, where: Tensor) -> None:
        state.reference = torch.where(where, state.loss, state.reference)
        here = torch.arange(self.last, device=where.device) == state.head.unsqueeze(1)
        state.losses = torch.where(here & where.unsqueeze(1), state.loss.unsqueeze(1), state.losses)
        state.head = torch.remainder(state.head + self.moves(where), self.last)


@dataclass(frozen=True, kw_only=True)
class WorstOfTheLastInOneRing(WorstOfTheLast):
    """The slot to write next moves on in all runs when any of them advances: old losses stay too long in the others."""

    def moves(self, where: Tensor) -> Tensor:
        return where.any().long()


@dataclass
class Kept(MonitorLosses):
    """With what was answered."""

    kept: Tensor


@dataclass(frozen=True, kw_only=True)
class ReferenceOfWhatWasKept(MonitorIncrease):
    """The reference's loss moves with every window kept, also where the pair was refused and the reference stayed."""

    declares: ClassVar[frozenset[str]] = frozenset({"monitor bound"})

    def init(self, space: Space) -> Kept:
        return Kept(space.scalars(fill=math.nan), space.scalars(fill=math.nan), space.mask(False))

    def judge_(self, state: Kept, move: Displacement, oracle: OracleLike) -> Tensor:
        state.kept = super().judge_(state, move, oracle)
        return state.kept.clone()

    def advance_(self, state: Kept, where: Tensor) -> None:
        state.reference = torch.where(state.kept, state.loss, state.reference)


@dataclass(frozen=True, kw_only=True)
class ReferenceMovedByRollingBack(MonitorIncrease):
    """After a window that was refused the bound is relaxed by what it was missed by, at once and in the state."""

    relax: float = 0.1

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        missed = move.where & ~keep & torch.isfinite(state.loss)
        state.reference = torch.where(missed, state.reference.lerp(state.loss, self.relax), state.reference)
        return keep


@dataclass(frozen=True, kw_only=True)
class AllowsTwoIncreases(GuardBase):
    """Right: at most two windows in a row that end above their reference are kept; counted when the reference moves."""

    patience: int = 2

    needs: ClassVar[frozenset[Need]] = frozenset({Need.MONITOR_LOSS})

    def init(self, space: Space) -> Strikes:
        return Strikes(*(space.scalars(fill=math.nan) for _ in range(2)), space.counts(), space.mask(False))

    def judge_(self, state: Strikes, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        state.rose = move.where & torch.isfinite(state.reference) & ~(state.loss <= state.reference)
        return torch.isfinite(state.loss) & (~state.rose | (state.strikes < self.patience))

    def advance_(self, state: Strikes, where: Tensor) -> None:
        state.reference = torch.where(where, state.loss, state.reference)
        state.strikes = torch.where(where, torch.where(state.rose, state.strikes + 1, 0), state.strikes)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.GUARD: {
        "window_judged_twice_counts_twice": StruckWhileJudging,
        "reference_is_the_best_loss": BestForReference,
        "compared_in_float32": ComparedInFloat32,
        "first_window_kept_with_a_loss_that_is_not_finite": FirstIsKeptWhateverItsLoss,
        "one_ring_of_losses_moves_on_for_all_runs": WorstOfTheLastInOneRing,
        "reference_loss_moves_though_the_pair_was_refused": ReferenceOfWhatWasKept,
        "refusal_moves_the_bound_and_a_second_look_moves_it_again": ReferenceMovedByRollingBack,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.GUARD: {
        "no_worse_than_the_worst_of_three": WorstOfTheLast,
        "allows_two_increases_in_a_row": AllowsTwoIncreases,
    }
}
