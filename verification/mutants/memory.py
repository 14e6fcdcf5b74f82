"""Wrong memories. Each class is the honest part with one sin, which its name says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import Displacement, History, Space, Verdict, Window
from adaqn_lab.linalg import dot, write_row_
from adaqn_lab.protocols import InitialMatrix, Operator
from verification.mutants.empty import Empty
from verification.mutants.naming import by_sin


class WrongWindow(Window):
    """What the wrong windows share."""

    declares: ClassVar[tuple[str, ...]] = ("fifo", "newest")


class RingOffByOne(WrongWindow):
    """One slot too many: the oldest pair leaves one pair late."""

    def init(self, space: Space) -> History:
        return History.empty(space, self.capacity + 1)


class EvictsNewest(WrongWindow):
    """A full ring overwrites the pair that came last."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        full = state.count == self.capacity
        state.head = torch.where(full, torch.remainder(state.head - 1, self.capacity), state.head)
        return super().admit_(state, move, y, operator)


class StaleInnerProducts(WrongWindow):
    """The column of triu(S Y')^-1 of the slot written over is not renewed."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        before, full = state.inverse, state.count == self.capacity
        verdict = super().admit_(state, move, y, operator)
        eye = torch.eye(self.capacity, dtype=torch.bool)
        stale = full.view(-1, 1, 1) & ~eye
        state.inverse = torch.where(stale, before, state.inverse)
        return verdict


class RejectsIffFalse(WrongWindow):
    """Skips iff s'y <= eps y'y: a NaN passes (stochQN)."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        s_y, s_s, y_y = dot(move.s, y), dot(move.s, move.s), dot(y, y)
        admitted = move.where & ~(s_y <= 1e-4 * y_y)
        state.push_(move.s, y, admitted)
        return Verdict(admitted, s_y, s_s, y_y)


class AdmitsNegativeCurvature(WrongWindow):
    """Any finite pair with s'y != 0 enters."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        s_y, s_s, y_y = dot(move.s, y), dot(move.s, move.s), dot(y, y)
        admitted = move.where & torch.isfinite(s_y) & torch.isfinite(y_y) & (s_y != 0)
        state.push_(move.s, y, admitted)
        return Verdict(admitted, s_y, s_s, y_y)


class AdmitsZero(WrongWindow):
    """s'y >= eps y'y: a pair with y = 0 enters, and divides by zero."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        s_y, s_s, y_y = dot(move.s, y), dot(move.s, move.s), dot(y, y)
        admitted = move.where & torch.isfinite(y_y) & (s_y >= 1e-4 * y_y)
        state.push_(move.s, torch.where(s_y.unsqueeze(1) == 0, move.s * 1e-6, y), admitted)
        return Verdict(admitted, s_y, s_s, y_y)


class WritesBeforeTesting(WrongWindow):
    """The pair is written into its slot, and the slot only counted when the test accepts."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        write_row_(state.s, move.s, state.head, ~verdict.admitted & move.where)
        return verdict


class SwapsSsAndYy(WrongWindow):
    """The verdict reports y'y for s's and s's for y'y."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        return replace(verdict, s_s=verdict.y_y, y_y=verdict.s_s)


class AdmitsOutsideMask(WrongWindow):
    """The verdict admits runs which nobody asked about."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        return replace(verdict, admitted=self.test.accept(verdict.s_y, verdict.s_s, verdict.y_y))


class ForgetsMask(WrongWindow):
    """Stores the pairs of all runs."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        return super().admit_(state, replace(move, where=torch.ones_like(move.where)), y, operator)


class NewestIsOldest(WrongWindow):
    """Reports the oldest pair held as the newest."""

    def init(self, space: Space) -> History:
        return _OldestFirst(**vars(super().init(space)))


class _OldestFirst(History):
    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        exists = self.count > 0
        slot = torch.remainder(self.head - self.count, self.capacity).unsqueeze(1)
        found = [torch.where(exists, x.gather(1, slot).squeeze(1), 1.0) for x in (self.s_y, self.s_s, self.y_y)]
        return found[0], found[1], found[2], exists


@dataclass
class Reporting(History):
    """A history with the scalars of the pair last tried, admitted or not; (4, R)."""

    tried: Tensor

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        s_y, s_s, y_y, exists = self.tried
        return s_y, s_s, y_y, exists > 0


class NewestOfSkippedPair(WrongWindow):
    """H0 is scaled by the pair last tried, also when it was skipped."""

    def init(self, space: Space) -> Reporting:
        start = torch.ones(4, space.runs, dtype=torch.float64)
        start[3] = 0
        return Reporting(**vars(super().init(space)), tried=start)

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        now = torch.stack([verdict.s_y, verdict.s_s, verdict.y_y, torch.ones_like(verdict.s_y)])
        state.tried = torch.where(move.where, now, state.tried)
        return verdict


class NewestSurvivesReset(NewestOfSkippedPair):
    """After a reset H0 is still scaled by a pair that is gone."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = Window.admit_(self, state, move, y, operator)
        now = torch.stack([verdict.s_y, verdict.s_s, verdict.y_y, torch.ones_like(verdict.s_y)])
        state.tried = torch.where(verdict.admitted, now, state.tried)
        return verdict


class ResetDoesNothing(WrongWindow):
    """The pairs survive a roll-back."""

    def reset_(self, state: History, where: Tensor) -> None:
        pass


class ResetForgetsMask(WrongWindow):
    """A roll-back of one run drops the pairs of all."""

    def reset_(self, state: History, where: Tensor) -> None:
        super().reset_(state, torch.ones_like(where))


@dataclass
class Remembering(History):
    """A history with the last answer, (R, n)."""

    last: Tensor


class ReturnsItsState(WrongWindow):
    """H v is kept, and the answer is what is kept: the optimizer's next in-place operation changes it."""

    def init(self, space: Space) -> Any:
        return Remembering(**vars(super().init(space)), last=space.zeros())

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        state.last.copy_(super().apply_(state, v, h0))
        last: Tensor = state.last
        return last


class WritesIntoArgument(WrongWindow):
    """Makes the caller's displacement a unit vector in place."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        move.s.div_(move.s.norm(dim=1, keepdim=True))
        return verdict


class AccumulatesWhenApplied(WrongWindow):
    """An application drops the oldest pair."""

    def apply_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        d = super().apply_(state, v, h0)
        state.count = (state.count - 1).clamp(min=0)
        return d


class Float64Answer(WrongWindow):
    """Answers in another dtype than the space's."""

    def apply_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        d = super().apply_(state, v, h0)
        return d.double() if d.dtype != torch.float64 else d.float()


class RunsLeak(WrongWindow):
    """One run's skip is everybody's."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        together = move.where.all().expand_as(move.where)
        return super().admit_(state, replace(move, where=move.where & together), y, operator)


class StateOnPart(WrongWindow):
    """Keeps the pairs on itself."""

    def init(self, space: Space) -> Any:
        object.__setattr__(self, "pairs", super().init(space))
        return Empty(space.counts())

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        return super().admit_(self.__dict__["pairs"], move, y, operator)

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        return super().apply_(self.__dict__["pairs"], v, h0)

    def reset_(self, state: Any, where: Tensor) -> None:
        super().reset_(self.__dict__["pairs"], where)


class _Hiding(History):
    def __init__(self, **fields: Tensor) -> None:
        super().__init__(**fields)
        self.hidden = History(**{name: x.clone() for name, x in fields.items()})


class FieldMissingInState(WrongWindow):
    """Keeps the pairs beside the state's fields."""

    def init(self, space: Space) -> Any:
        return _Hiding(**vars(super().init(space)))

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        return super().admit_(state.hidden, move, y, operator)

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        return super().apply_(state.hidden, v, h0)

    def reset_(self, state: Any, where: Tensor) -> None:
        super().reset_(state.hidden, where)


class Float32SmallMatrices(WrongWindow):
    """R^-1 is kept in float32: several digits are gone on ill-conditioned pairs."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        state.inverse = state.inverse.float().double()
        return verdict


class WrongTest(Window):
    """A window which says that it tests in every way, as far as a law looks."""

    declares: ClassVar[tuple[str, ...]] = ("cautious ss", "cautious yy", "cautious cosine")

    def compare(self, s_y: Tensor, s_s: Tensor, y_y: Tensor) -> Tensor:
        """Accept?"""
        return s_y > 0

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        dots = (dot(move.s, y), dot(move.s, move.s), dot(y, y))
        accepted = move.where & self.compare(*dots)
        return Window(capacity=self.capacity, test=_Positive()).admit_(
            state, replace(move, where=accepted), y, operator
        )


class _Positive:
    """s'y > 0 is left to the window."""

    def accept(self, s_y: Tensor, s_s: Tensor, y_y: Tensor) -> Tensor:
        return s_y > 0


class AdmitsEverything(WrongTest):
    """Positive curvature is enough, whatever eps is."""


class ComparesWithTheGradients(WrongTest):
    """y'y for s's: adaQN's sources differ in it."""

    declares: ClassVar[tuple[str, ...]] = ("cautious ss",)

    def compare(self, s_y: Tensor, s_s: Tensor, y_y: Tensor) -> Tensor:
        return s_y > 1e-4 * y_y


class ComparesWithTheDisplacement(WrongTest):
    """s's for y'y."""

    declares: ClassVar[tuple[str, ...]] = ("cautious yy",)

    def compare(self, s_y: Tensor, s_s: Tensor, y_y: Tensor) -> Tensor:
        return s_y > 1e-4 * s_s


class CosineWithoutRoot(WrongTest):
    """s'y > eps |s|^2 |y|^2."""

    declares: ClassVar[tuple[str, ...]] = ("cautious cosine",)

    def compare(self, s_y: Tensor, s_s: Tensor, y_y: Tensor) -> Tensor:
        return s_y > 1e-4 * s_s * y_y


MEMORY: dict[str, Callable[[], Any]] = by_sin(
    RingOffByOne,
    EvictsNewest,
    StaleInnerProducts,
    RejectsIffFalse,
    AdmitsNegativeCurvature,
    AdmitsZero,
    WritesBeforeTesting,
    SwapsSsAndYy,
    AdmitsOutsideMask,
    ForgetsMask,
    NewestIsOldest,
    NewestOfSkippedPair,
    NewestSurvivesReset,
    ResetDoesNothing,
    ResetForgetsMask,
    ReturnsItsState,
    WritesIntoArgument,
    AccumulatesWhenApplied,
    Float64Answer,
    RunsLeak,
    StateOnPart,
    FieldMissingInState,
    Float32SmallMatrices,
    AdmitsEverything,
    ComparesWithTheGradients,
    ComparesWithTheDisplacement,
    CosineWithoutRoot,
    capacity=3,
)
"""Sin -> factory of the wrong part; they hold three pairs, so that they are full soon."""
