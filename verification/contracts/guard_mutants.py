"""Wrong guards over a life. Each class is the honest part with one sin, which its name says."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import Displacement, MonitorIncrease, Space
from adaqn_lab.protocols import OracleLike
from verification.contracts.guard_bases import Decrease, Losses
from verification.law import Subject
from verification.naming import by_name


class TellsTheLastLossAsReference(Decrease):
    """The reference is the loss last seen, whoever advanced."""

    def advance_(self, state: Losses, where: Tensor) -> None:
        state.reference = state.loss.clone()


class TellsTheBestAsReference(Decrease):
    """A reference which never rises, although the guard keeps what is a little higher."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        return keep | (torch.isfinite(state.loss) & (state.loss <= state.reference + state.reference.abs() / 100))

    def advance_(self, state: Losses, where: Tensor) -> None:
        state.reference = torch.where(where, torch.fmin(state.loss, state.reference), state.reference)


class TellsAnAverageLoss(Decrease):
    """What is told is smoothed."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        known = torch.isfinite(state.reference) & torch.isfinite(state.loss)
        state.loss = torch.where(known, (state.loss + state.reference) / 2, state.loss)
        return keep


class WritesIntoMove(Decrease):
    """Takes every run for one with a reference."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        move.where.fill_(True)
        return keep


class AnswersInAColumn(Decrease):
    """keep is (R, 1)."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        return super().judge_(state, move, oracle).unsqueeze(1)


class LossInFloat32(Decrease):
    """Halves the state."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        state.loss = state.loss.float()
        return keep


class AsksTwentyTimes(Decrease):
    """As if the monitor were a mini-batch."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        for _ in range(20):
            oracle.loss(move.w_bar)
        return super().judge_(state, move, oracle)


class AsksForTheWrongPoint(Decrease):
    """The loss at the reference, taken for that of the average."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        return super().judge_(state, replace(move, w_bar=move.w_ref), oracle)


class PatienceWithInfinity(Decrease):
    """After four windows anything will do."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        return super().judge_(state, move, oracle) | (state.count > 3)

    def advance_(self, state: Losses, where: Tensor) -> None:
        super().advance_(state, where)
        state.count = state.count + 1


class MinusInfinityIsLow(Decrease):
    """-inf is below everything."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        return super().judge_(state, move, oracle) | (state.loss == -math.inf)


class NanBeforeAReference(Decrease):
    """Without a reference nothing is checked."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        return super().judge_(state, move, oracle) | ~move.where


class KeepsIncreases(Decrease):
    """The sign of the losses is the other way."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        known = move.where & torch.isfinite(state.reference)
        return torch.isfinite(state.loss) & (~known | (state.loss >= state.reference))


class BandAroundTheReference(Decrease):
    """A loss near the reference is kept, on either side, no other."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        super().judge_(state, move, oracle)
        known = move.where & torch.isfinite(state.reference)
        near = (state.loss - state.reference).abs() <= 0.01 * state.reference.abs()
        return torch.isfinite(state.loss) & (~known | near)


class NeverAgainAfterNine(Decrease):
    """Nine references are enough."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        return super().judge_(state, move, oracle) & (state.count < 9)

    def advance_(self, state: Losses, where: Tensor) -> None:
        super().advance_(state, where)
        state.count = state.count + 1


class KeepsNothing(Decrease):
    """With a reference everything goes back."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        return super().judge_(state, move, oracle) & ~move.where


class PatienceTurned(Decrease):
    """After four windows increases are wanted."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        turned = torch.isfinite(state.loss) & ~(state.loss < state.reference)
        return torch.where(state.count > 3, turned, keep)

    def advance_(self, state: Losses, where: Tensor) -> None:
        super().advance_(state, where)
        state.count = state.count + 1


class AsksAtTheDisplacement(Decrease):
    """The average has to be as good as the point s, which is none."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        return keep & (~move.where | (state.loss <= oracle.loss(move.s)))


class CountsItsCalls(Decrease):
    """Patience: the third increase is kept; the calls are counted, not the windows."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        state.count = torch.where(keep, 0, state.count + 1)
        return keep | (torch.isfinite(state.loss) & (state.count >= 3))


class RoomShrinksWithEveryCall(Decrease):
    """An increase is kept within a room which halves at every call."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        state.other = torch.where(torch.isfinite(state.other), state.other, 1.0) / 2
        room = state.other * state.reference.abs()
        return keep | (torch.isfinite(state.loss) & (state.loss - state.reference <= room))


class ForgetsBeforeItAsks(Decrease):
    """The reference is taken out of the state while the oracle is asked."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        reference, state.reference = state.reference, torch.full_like(state.reference, math.nan)
        state.loss = oracle.loss(move.w_bar)
        state.reference = reference
        known = move.where & torch.isfinite(reference)
        return torch.isfinite(state.loss) & (~known | (state.loss <= reference))


class BestOfAllRuns(Decrease):
    """Each run has to be as good as the best one."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        best = torch.nan_to_num(state.reference, nan=math.inf).amin()
        return keep & (~move.where | (state.loss <= best))


class FourthRunAsTheFirst(Decrease):
    """Where there are four runs, the fourth goes with the first."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        return torch.cat((keep[:3], (keep[3:] & keep[:1]))) if len(keep) > 3 else keep


class AdvancesWhenAnyDoes(Decrease):
    """One mask for all."""

    def advance_(self, state: Losses, where: Tensor) -> None:
        super().advance_(state, where.any().expand_as(where))


class ReferenceOnThePart(Decrease):
    """The bound lies on the part."""

    best: Tensor | None = None

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        if self.best is None or self.best.shape != keep.shape:
            return keep
        return keep & (~move.where | (state.loss <= self.best))

    def advance_(self, state: Losses, where: Tensor) -> None:
        super().advance_(state, where)
        self.best = state.reference.clone()


@dataclass
class Hidden(Losses):
    """A counter which is no field."""

    def __post_init__(self) -> None:
        self.windows = 0


class CounterBesideTheFields(Decrease):
    """Laxer with every window, by a count that no checkpoint holds."""

    def init(self, space: Space) -> Losses:
        return Hidden(**vars(super().init(space)))

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        assert isinstance(state, Hidden)
        keep = super().judge_(state, move, oracle)
        room = state.reference.abs() * state.windows / 100
        return keep | (torch.isfinite(state.loss) & (state.loss <= state.reference + room))

    def advance_(self, state: Losses, where: Tensor) -> None:
        assert isinstance(state, Hidden)
        super().advance_(state, where)
        state.windows += 1


class PatienceOnThePart(Decrease):
    """The windows seen are counted on the part."""

    seen = 0

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        return keep | (torch.isfinite(state.loss) & (self.seen % 3 == 2))

    def advance_(self, state: Losses, where: Tensor) -> None:
        super().advance_(state, where)
        self.seen += 1


class Bounded(MonitorIncrease):
    """What the wrong guards share which declare adaQN's bound."""

    declares: ClassVar[tuple[str, ...]] = ("monitor bound",)


class Remembering(Bounded):
    """``other`` is what the losses are compared with; told is the loss at w_ref."""

    def init(self, space: Space) -> Any:
        return Decrease().init(space)

    def judge_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        true, state.reference = state.reference, state.other
        try:
            return super().judge_(state, move, oracle)
        finally:
            state.reference = true


class ReferenceIsTheBest(Remembering):
    """The bound is that of the lowest reference."""

    def advance_(self, state: Any, where: Tensor) -> None:
        super().advance_(state, where)
        state.other = torch.where(where, torch.fmin(state.loss, state.other), state.other)


class ReferenceIsTheMean(Remembering):
    """The bound is that of a moving average."""

    def advance_(self, state: Any, where: Tensor) -> None:
        super().advance_(state, where)
        mean = torch.where(torch.isfinite(state.other), (state.other + state.loss) / 2, state.loss)
        state.other = torch.where(where, mean, state.other)


class ReferenceIsTheFirst(Remembering):
    """The bound is that of the first reference."""

    def advance_(self, state: Any, where: Tensor) -> None:
        super().advance_(state, where)
        state.other = torch.where(where & ~torch.isfinite(state.other), state.loss, state.other)


class BoundInFloat32(Bounded):
    """A loss in the eighth digit above the bound is kept."""

    def judge_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        limit = (state.reference + (self.at_most - 1) * state.reference.abs() + self.slack).float()
        found: Tensor = keep | (torch.isfinite(state.loss) & (state.loss.float() <= limit))
        return found


class PatienceOfFour(Bounded):
    """From the fifth window on increases are kept."""

    def init(self, space: Space) -> Any:
        return Decrease().init(space)

    def judge_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        found: Tensor = super().judge_(state, move, oracle) | (torch.isfinite(state.loss) & (state.count > 3))
        return found

    def advance_(self, state: Any, where: Tensor) -> None:
        super().advance_(state, where)
        state.count = state.count + 1


class StricterWithTime(PatienceOfFour):
    """After nine windows an increase within the bound goes back."""

    def judge_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = MonitorIncrease.judge_(self, state, move, oracle)
        found: Tensor = keep & ~((state.count >= 9) & (state.loss > state.reference))
        return found


class AbsoluteRoomToo(Bounded):
    """1e-9 of slack that nobody asked for."""

    def judge_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        found: Tensor = keep | (torch.isfinite(state.loss) & (state.loss <= state.reference + self.slack + 1e-9))
        return found


class ForgetsTheBoundOfTinyLosses(Bounded):
    """A reference below 1e-12 counts as none."""

    def judge_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        found: Tensor = keep | (torch.isfinite(state.loss) & (state.reference.abs() < 1e-12))
        return found


class NeedsAFiniteReference(Bounded):
    """A starting point with a loss that is no number bounds everything: nothing is kept."""

    def judge_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        return keep & (~move.where | torch.isfinite(state.reference))


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.GUARD: by_name(
        *(TellsTheLastLossAsReference, TellsTheBestAsReference, TellsAnAverageLoss, WritesIntoMove),
        *(AnswersInAColumn, LossInFloat32, AsksTwentyTimes, AsksForTheWrongPoint),
        *(PatienceWithInfinity, MinusInfinityIsLow, NanBeforeAReference),
        *(KeepsIncreases, BandAroundTheReference, NeverAgainAfterNine, KeepsNothing, PatienceTurned),
        *(AsksAtTheDisplacement, NeedsAFiniteReference),
        *(CountsItsCalls, RoomShrinksWithEveryCall, ForgetsBeforeItAsks),
        *(BestOfAllRuns, FourthRunAsTheFirst, AdvancesWhenAnyDoes),
        *(ReferenceOnThePart, CounterBesideTheFields, PatienceOnThePart),
        *(ReferenceIsTheBest, ReferenceIsTheMean, ReferenceIsTheFirst, BoundInFloat32),
        *(PatienceOfFour, StricterWithTime, AbsoluteRoomToo, ForgetsTheBoundOfTinyLosses),
    )
}
