"""Wrong pair generators. Each class is the honest part with one sin, which its name says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import Displacement, EmpiricalFisher, HessianVector, Space, Step
from adaqn_lab import ring as rings
from adaqn_lab.linalg import combine
from adaqn_lab.pairs.empirical_fisher import FisherStore
from adaqn_lab.protocols import OracleLike
from verification.mutants.empty import Empty
from verification.mutants.naming import by_sin


class Fisher(EmpiricalFisher):
    """What the wrong Fisher pairs share: they declare what the honest part is held to."""

    declares: ClassVar[tuple[str, ...]] = ("linear pairs", "fisher")

    def products(self, state: FisherStore, s: Tensor) -> Tensor:
        """g_i's of the gradients held, zero elsewhere."""
        return state.products(s)


class Hessian(HessianVector):
    """What the wrong Hessian pairs share."""

    declares: ClassVar[tuple[str, ...]] = ("linear pairs", "hessian")


class MissingMean(Fisher):
    """sum g (g's) without 1/|F|, whatever the field says (minSQN)."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        return combine(self.products(state, move.s), state.gradients)


class StaleNormaliser(Fisher):
    """Divides by the window's length, not by the number of gradients held."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        full = torch.full_like(state.count, self.window)
        factor = self.normalisation.factor(full).unsqueeze(1)
        return combine(self.products(state, move.s) * factor, state.gradients)


class WindowOffByOne(Fisher):
    """Holds one gradient too many."""

    def init(self, space: Space) -> FisherStore:
        return FisherStore.empty(space, self.window + 1, space.dtype)

    def observe_(self, state: FisherStore, step: Step) -> None:
        longer = EmpiricalFisher(window=self.window + 1, normalisation=self.normalisation)
        longer.observe_(state, step)

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        longer = EmpiricalFisher(window=self.window + 1, normalisation=self.normalisation)
        return longer.pair_(state, move, oracle)


class StoresOneGradientOnly(Fisher):
    """The slot to write next never moves."""

    def observe_(self, state: FisherStore, step: Step) -> None:
        state.head = torch.where(step.where, 0, state.head)
        super().observe_(state, step)


class YAliasesS(Fisher):
    """Returns the displacement itself."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        return move.s


class AddsDampingToY(Fisher):
    """y + s / 8, unasked."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        return super().pair_(state, move, oracle) + move.s / 8


class AbsoluteThresholdOnGradients(Fisher):
    """Does not store gradients shorter than 2: a threshold in units of the loss."""

    def observe_(self, state: FisherStore, step: Step) -> None:
        super().observe_(state, replace(step, where=step.where & (step.g.norm(dim=1) > 2.0)))


class GradientsCrossProducts(Fisher):
    """sum g_i (g_{i+1}'s): the ring of products has slipped by one."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        products = self.products(state, move.s).roll(1, dims=1)
        return combine(products / state.count.clamp(min=1).unsqueeze(1), state.gradients)


class NewestCountsTwice(Fisher):
    """Weights the newest gradient by two: the beginning of a decaying mean."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        slots = self.window + 1
        newest = rings.age(state.head, slots) == slots - 1
        products = torch.where(newest, 2.0, 1.0) * self.products(state, move.s)
        factor = self.normalisation.factor(state.count.clamp(min=1)).unsqueeze(1)
        return combine(products * factor, state.gradients)


class ShiftedRows(Fisher):
    """y is off by one parameter."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        return super().pair_(state, move, oracle).roll(1, dims=1)


class NegativeCurvature(Fisher):
    """-y: the sign of a difference taken the wrong way round."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        return -super().pair_(state, move, oracle)


class NormalisesS(Fisher):
    """F s / |s|."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        length = move.s.norm(dim=1, keepdim=True).clamp(min=1e-30)
        return super().pair_(state, replace(move, s=move.s / length), oracle)


class PairOfSquaredGradients(Fisher):
    """sum g (g's)^2."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        return combine(self.products(state, move.s).square(), state.gradients)


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


class HalfHessian(Hessian):
    """y = A s / 2: the factor of the quadratic, forgotten."""

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        return super().pair_(state, move, oracle) / 2


class GaussNewtonOfGradient(Hessian):
    """y = g (g's) with g the gradient at w_bar (on the quadratic of the laws, g = A w_bar)."""

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        g = oracle.hessian_vector(move.w_bar, move.w_bar)
        return g * (g * move.s).sum(1, keepdim=True)


class HessianRunsLeak(Hessian):
    """The mean of the runs' products for every run."""

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        y = super().pair_(state, move, oracle)
        return y.mean(0, keepdim=True).expand_as(y).contiguous()


PAIRS: dict[str, Callable[[], Any]] = by_sin(
    MissingMean,
    StaleNormaliser,
    WindowOffByOne,
    StoresOneGradientOnly,
    YAliasesS,
    AddsDampingToY,
    AbsoluteThresholdOnGradients,
    GradientsCrossProducts,
    NewestCountsTwice,
    ShiftedRows,
    NegativeCurvature,
    NormalisesS,
    PairOfSquaredGradients,
    ForgetsMask,
    AccumulatesWhenApplied,
    WritesIntoArgument,
    Float64Answer,
    RunsLeak,
    ResetDoesNothing,
    ResetForgetsMask,
    StateOnPart,
    FieldMissingInState,
    HalfHessian,
    GaussNewtonOfGradient,
    HessianRunsLeak,
    window=3,
)
"""Sin -> factory of the wrong part; Fisher stores hold three gradients, so that they are full soon."""
