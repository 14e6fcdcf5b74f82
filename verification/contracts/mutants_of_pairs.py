"""Pair generators which break the contract of every part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import Displacement, EmpiricalFisher, Space, Step
from adaqn_lab.linalg import combine
from adaqn_lab.pairs.empirical_fisher import FisherStore
from adaqn_lab.protocols import OracleLike
from verification.empty import Empty
from verification.law import Subject
from verification.naming import by_name


class Fisher(EmpiricalFisher):
    """What the wrong Fisher pairs share: they declare what the honest part is held to."""

    declares: ClassVar[tuple[str, ...]] = ("linear pairs", "fisher")

    def products(self, state: FisherStore, s: Tensor) -> Tensor:
        """g_i's of the gradients held, zero elsewhere."""
        return state.products(s)


class ForgetsMask(Fisher):
    """Stores the gradient of every run, also of those whose gradient was bad."""

    def observe_(self, state: FisherStore, step: Step) -> None:
        super().observe_(state, replace(step, where=torch.ones_like(step.where)))


class AccumulatesWhenApplied(Fisher):
    """Stores y as if it were a gradient: asking changes the answer (minSQN's two-loop did so to H0)."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        y = super().pair_(state, move, oracle)
        super().observe_(state, Step(0, y, torch.ones_like(move.where), lambda: y))
        return y


class EmptiesItsStore(Fisher):
    """The gradients of a pair are used up: the next one has none of them."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        y = super().pair_(state, move, oracle)
        self.reset_(state, move.where)
        return y


class WritesIntoArgument(Fisher):
    """Scales the caller's displacement in place."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        y = super().pair_(state, move, oracle)
        move.s.mul_(0.5)
        return y


class Float64Answer(Fisher):
    """Answers in the dtype of its sums, whatever the space's."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        y = super().pair_(state, move, oracle)
        return y.double() if y.dtype != torch.float64 else y.float()


class RunsLeak(Fisher):
    """One normaliser for all runs: the largest count."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        most = state.count.max().clamp(min=1).expand_as(state.count)
        factor = self.normalisation.factor(most).unsqueeze(1)
        return combine(self.products(state, move.s) * factor, state.gradients)


class ResetDoesNothing(Fisher):
    """A roll-back keeps the store whatever it is told."""

    def reset_(self, state: FisherStore, where: Tensor) -> None:
        pass


class ResetForgetsMask(Fisher):
    """A roll-back of one run empties the store of all."""

    def reset_(self, state: FisherStore, where: Tensor) -> None:
        super().reset_(state, torch.ones_like(where))


class StateOnPart(Fisher):
    """Keeps its store on itself: a second optimizer wipes the first one's, and a checkpoint has none."""

    def init(self, space: Space) -> Any:
        object.__setattr__(self, "store", super().init(space))
        return Empty(space.counts())

    def observe_(self, state: Any, step: Step) -> None:
        super().observe_(self.__dict__["store"], step)

    def pair_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        return super().pair_(self.__dict__["store"], move, oracle)

    def reset_(self, state: Any, where: Tensor) -> None:
        super().reset_(self.__dict__["store"], where)


@dataclass
class ForgetfulStore(FisherStore):
    """A store whose count of gradients is no field, and so in no checkpoint."""

    def __post_init__(self) -> None:
        self.hidden = self.count.clone()


class FieldMissingInState(Fisher):
    """Counts its gradients beside the state."""

    def init(self, space: Space) -> FisherStore:
        return ForgetfulStore.empty(space, self.window, space.dtype)

    def observe_(self, state: Any, step: Step) -> None:
        state.count = state.hidden
        super().observe_(state, step)
        state.hidden, state.count = state.count, torch.zeros_like(state.count)

    def pair_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        return super().pair_(FisherStore(state.gradients, state.head, state.hidden), move, oracle)

    def reset_(self, state: Any, where: Tensor) -> None:
        super().reset_(state, where)
        state.hidden = torch.where(where, 0, state.hidden)


class NobodyMovesIfOneRests(Fisher):
    """0 for all runs if one is at rest."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        moved = (move.s.norm(dim=1) > 0).all()
        return torch.where(moved, super().pair_(state, move, oracle), 0.0)


MUTANTS = {
    Subject.PAIRS: by_name(
        ForgetsMask,
        AccumulatesWhenApplied,
        EmptiesItsStore,
        WritesIntoArgument,
        Float64Answer,
        RunsLeak,
        ResetDoesNothing,
        ResetForgetsMask,
        StateOnPart,
        FieldMissingInState,
        NobodyMovesIfOneRests,
        window=3,
    )
}
