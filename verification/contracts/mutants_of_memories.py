"""Memories which break the contract of every part."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import Diagonal, Displacement, History, Space, Verdict, Window
from adaqn_lab.protocols import InitialMatrix, Operator
from verification.empty import Empty
from verification.law import Subject
from verification.naming import by_name


class WrongWindow(Window):
    """What the wrong windows share."""

    declares: ClassVar[tuple[str, ...]] = ("fifo", "newest")


@dataclass
class Reporting(History):
    """A history with the scalars of the pair last tried, admitted or not; (4, R)."""

    tried: Tensor

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        s_y, s_s, y_y, exists = self.tried
        return s_y, s_s, y_y, exists > 0


@dataclass
class Remembering(History):
    """A history with the last answer, (R, n)."""

    last: Tensor


class ForgetsMask(WrongWindow):
    """Stores the pairs of all runs."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        return super().admit_(state, replace(move, where=torch.ones_like(move.where)), y, operator)


class ResetDoesNothing(WrongWindow):
    """The pairs survive a roll-back."""

    def reset_(self, state: History, where: Tensor) -> None:
        pass


class ResetForgetsMask(WrongWindow):
    """A roll-back of one run drops the pairs of all."""

    def reset_(self, state: History, where: Tensor) -> None:
        super().reset_(state, torch.ones_like(where))


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


class WritesIntoH0(WrongWindow):
    """Takes what H0 is made of for its own: the scaling's accumulator doubles at every product."""

    def apply_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        d = super().apply_(state, v, h0)
        for x in vars(h0).values():
            if isinstance(x, Tensor):
                x.mul_(2.0)
        return d


class _RewritesDiagonal(WrongWindow, ABC):
    """Applies another Diagonal than it was given."""

    @abstractmethod
    def rewritten(self, h0: Diagonal) -> Diagonal:
        """The wrong one."""

    def apply_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        return super().apply_(state, v, self.rewritten(h0) if isinstance(h0, Diagonal) else h0)


class GammaOfTheFirstRun(_RewritesDiagonal):
    """One gamma for all runs."""

    def rewritten(self, h0: Diagonal) -> Diagonal:
        gamma = h0.gamma[:1].expand_as(h0.gamma).contiguous() if isinstance(h0.gamma, Tensor) else h0.gamma
        return replace(h0, gamma=gamma)


class ForgetsTheWeight(_RewritesDiagonal):
    """1 / sqrt(G + eps)."""

    def rewritten(self, h0: Diagonal) -> Diagonal:
        return replace(h0, weight=None)


class ForgetsEps(_RewritesDiagonal):
    """1 / sqrt(weight G)."""

    def rewritten(self, h0: Diagonal) -> Diagonal:
        return replace(h0, eps=0.0)


MUTANTS = {
    Subject.MEMORY: by_name(
        ForgetsMask,
        ResetDoesNothing,
        ResetForgetsMask,
        ReturnsItsState,
        WritesIntoArgument,
        AccumulatesWhenApplied,
        Float64Answer,
        RunsLeak,
        StateOnPart,
        FieldMissingInState,
        WritesIntoH0,
        GammaOfTheFirstRun,
        ForgetsTheWeight,
        ForgetsEps,
        capacity=3,
    )
}
