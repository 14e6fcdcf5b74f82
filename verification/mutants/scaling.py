"""Wrong scaling initializers. Each class is the honest part with one sin, which its name says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import AdaGrad, BarzilaiBorwein, BarzilaiBorweinMean, Diagonal, Identity, RMSProp, Space, Step
from adaqn_lab.diagonal import Entries
from adaqn_lab.protocols import Curvature
from adaqn_lab.scaling.adagrad import SquareSum
from adaqn_lab.scaling.rmsprop import SquareMean
from verification.mutants.empty import Empty
from verification.mutants.matrices import Product
from verification.mutants.naming import by_sin


class WrongAdaGrad(AdaGrad):
    """What the wrong AdaGrads share."""

    declares: ClassVar[tuple[str, ...]] = ("adagrad",)


class WrongRMSProp(RMSProp):
    """What the wrong RMSProps share."""

    declares: ClassVar[tuple[str, ...]] = ("rmsprop",)


class GradientAsScaling(WrongAdaGrad):
    """stochQN (commit 73e6132): g / sqrt(G + eps) is used as the diagonal and multiplied by g once more."""

    def h0(self, state: SquareSum, curvature: Curvature) -> Any:
        right = super().h0(state, curvature)
        return Product(lambda v: right.apply_(v.square()), right)


class SignOfGradient(WrongAdaGrad):
    """H0 |v|."""

    def h0(self, state: SquareSum, curvature: Curvature) -> Any:
        right = super().h0(state, curvature)
        return Product(lambda v: right.apply_(v.abs()), right)


class NormalisesDirection(WrongAdaGrad):
    """H0 v / |H0 v|."""

    def h0(self, state: SquareSum, curvature: Curvature) -> Any:
        right = super().h0(state, curvature)

        def product(v: Tensor) -> Tensor:
            p = right.apply_(v)
            length: Tensor = torch.linalg.vector_norm(p, dim=1, keepdim=True)
            return p / length.clamp(min=1e-30)

        return Product(product, right)


class AccumulatorNeverUpdated(WrongAdaGrad):
    """minSQN with 'ADAGRAD': G stays zero, and H0 is a constant."""

    def observe_(self, state: SquareSum, step: Step) -> None:
        pass


class RmspropNeverUpdated(WrongRMSProp):
    """V stays zero."""

    def observe_(self, state: SquareMean, step: Step) -> None:
        pass


class EpsOutsideRoot(WrongAdaGrad):
    """sqrt(G) + eps, as torch.optim.Adagrad has it: another method."""

    def h0(self, state: SquareSum, curvature: Curvature) -> Any:
        return Entries(inverse=state.total.sqrt() + self.eps)


class RmspropEpsOutsideRoot(WrongRMSProp):
    """sqrt(V) + eps."""

    def h0(self, state: SquareMean, curvature: Curvature) -> Any:
        return Entries(inverse=state.mean.sqrt() + self.eps)


class EpsForgotten(WrongAdaGrad):
    """1 / sqrt(G): infinite for a parameter that had no gradient yet."""

    def h0(self, state: SquareSum, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.total)


class MissingRoot(WrongAdaGrad):
    """1 / (G + eps)."""

    def h0(self, state: SquareSum, curvature: Curvature) -> Any:
        return Entries(inverse=state.total + self.eps)


class RmspropMissingRoot(WrongRMSProp):
    """1 / (V + eps)."""

    def h0(self, state: SquareMean, curvature: Curvature) -> Any:
        return Entries(inverse=state.mean + self.eps)


class SumForMean(WrongAdaGrad):
    """Accumulates the running mean where the sum belongs."""

    def observe_(self, state: SquareSum, step: Step) -> None:
        share = 1 / int(step.k)
        state.total.mul_(1 - share).addcmul_(step.g, step.g, value=share)


@dataclass
class Delayed(SquareSum):
    """The sum and the last square, which is not in it yet."""

    last: Tensor


class CurrentGradientLeftOut(WrongAdaGrad):
    """The accumulator is used before the current gradient enters it."""

    def init(self, space: Space) -> Delayed:
        return Delayed(space.zeros(), space.zeros())

    def observe_(self, state: Any, step: Step) -> None:
        state.total.add_(state.last)
        state.last = step.g.square()


class AccumulatesWhenApplied(WrongAdaGrad):
    """Every application is taken for a gradient: damping or a solver pollutes H0 (minSQN)."""

    def h0(self, state: SquareSum, curvature: Curvature) -> Any:
        right = super().h0(state, curvature)

        def product(v: Tensor) -> Tensor:
            state.total.addcmul_(v, v)
            return right.apply_(v)

        return Product(product, right)


class StaleH0(WrongAdaGrad):
    """eps is scaled with the first gradient's square sum only: H0 stops where it began."""

    def observe_(self, state: SquareSum, step: Step) -> None:
        fresh = state.total.abs().sum(dim=1, keepdim=True) == 0
        state.total.add_(torch.where(fresh, step.g.square(), 0.0))


class WritesIntoArgument(WrongAdaGrad):
    """Squares the caller's gradient in place."""

    def observe_(self, state: SquareSum, step: Step) -> None:
        state.total.add_(step.g.square_())


class Float64Answer(WrongAdaGrad):
    """Answers in another dtype than the space's."""

    def h0(self, state: SquareSum, curvature: Curvature) -> Any:
        right = super().h0(state, curvature)

        def product(v: Tensor) -> Tensor:
            p = right.apply_(v)
            return p.double() if p.dtype != torch.float64 else p.float()

        return Product(product, right)


class ForgetsMask(WrongRMSProp):
    """V decays for every run, also for those whose gradient was bad."""

    def observe_(self, state: SquareMean, step: Step) -> None:
        super().observe_(state, replace(step, where=torch.ones_like(step.where)))


class DecaysMaskedRuns(ForgetsMask):
    """The same sin by its other name: a skipped step still forgets."""


class BiasCorrected(WrongRMSProp):
    """V / (1 - decay^k) for V, unasked: Adam's correction."""

    def h0(self, state: SquareMean, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.mean / (1 - self.decay), eps=self.eps)


class RunsLeak(WrongAdaGrad):
    """One accumulator for all runs: their mean."""

    def observe_(self, state: SquareSum, step: Step) -> None:
        state.total.add_(step.g.square().mean(0, keepdim=True))


class StateOnPart(WrongAdaGrad):
    """Keeps the accumulator on itself."""

    def init(self, space: Space) -> Any:
        object.__setattr__(self, "sum", super().init(space))
        return Empty(space.counts())

    def observe_(self, state: Any, step: Step) -> None:
        super().observe_(self.__dict__["sum"], step)

    def h0(self, state: Any, curvature: Curvature) -> Diagonal:
        return super().h0(self.__dict__["sum"], curvature)


class HiddenSum(SquareSum):
    """A state with an attribute that is no field, and so in no checkpoint."""

    def __init__(self, total: Tensor) -> None:
        super().__init__(total)
        self.hidden = total.clone()


class FieldMissingInState(WrongAdaGrad):
    """Accumulates beside the state's fields."""

    def init(self, space: Space) -> HiddenSum:
        return HiddenSum(space.zeros())

    def observe_(self, state: Any, step: Step) -> None:
        state.hidden.addcmul_(step.g, step.g)

    def h0(self, state: Any, curvature: Curvature) -> Diagonal:
        return super().h0(SquareSum(state.hidden), curvature)


class FirstBarzilaiBorwein(BarzilaiBorwein):
    """s's / s'y where s'y / y'y belongs."""

    declares: ClassVar[tuple[str, ...]] = ("barzilai-borwein",)

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        s_y, s_s, _, exists = curvature.newest()
        return Diagonal(gamma=torch.where(exists, s_s / s_y, 1.0))


class ForgetsThatThereIsNoPair(BarzilaiBorwein):
    """gamma = 0 before there is a pair: the first steps go nowhere."""

    declares: ClassVar[tuple[str, ...]] = ("barzilai-borwein",)

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        s_y, _, y_y, exists = curvature.newest()
        return Diagonal(gamma=torch.where(exists, s_y / y_y, 0.0))


class WrongMean(BarzilaiBorweinMean):
    """What the wrong means share."""

    declares: ClassVar[tuple[str, ...]] = ("barzilai-borwein mean",)


class MeanOverEmptySlots(WrongMean):
    """Divides by the slots, not by the pairs held."""

    def _gamma(self, history: Any) -> Tensor:
        held = history.products()[3]
        share = held.sum(dim=1) / held.shape[1]
        return super()._gamma(history) * torch.where(share > 0, share, 1.0)


class NewestForMean(WrongMean):
    """gamma of the newest pair."""

    def _gamma(self, history: Any) -> Tensor:
        s_y, _, y_y, exists = history.newest()
        return torch.where(exists, s_y / y_y, self.initial)


class RatioOfSums(WrongMean):
    """sum s'y / sum y'y for the mean of the ratios."""

    def _gamma(self, history: Any) -> Tensor:
        s_y, _, y_y, held = history.products()
        gamma = torch.where(held, s_y, 0.0).sum(1) / torch.where(held, y_y, 0.0).sum(1)
        return torch.where(held.any(dim=1), gamma, self.initial)


class InitialIsOne(WrongMean):
    """I before there is a pair, whatever the field says."""

    def _gamma(self, history: Any) -> Tensor:
        held = history.products()[3].any(dim=1)
        return torch.where(held, super()._gamma(history), 1.0)


class HalvesIdentity(Identity):
    """H0 = I / 2."""

    declares: ClassVar[tuple[str, ...]] = ("identity",)

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        return Diagonal(gamma=0.5)


SCALING: dict[str, Callable[[], Any]] = by_sin(
    GradientAsScaling,
    SignOfGradient,
    NormalisesDirection,
    AccumulatorNeverUpdated,
    RmspropNeverUpdated,
    EpsOutsideRoot,
    RmspropEpsOutsideRoot,
    EpsForgotten,
    MissingRoot,
    RmspropMissingRoot,
    SumForMean,
    CurrentGradientLeftOut,
    AccumulatesWhenApplied,
    StaleH0,
    WritesIntoArgument,
    Float64Answer,
    ForgetsMask,
    DecaysMaskedRuns,
    BiasCorrected,
    RunsLeak,
    StateOnPart,
    FieldMissingInState,
    FirstBarzilaiBorwein,
    ForgetsThatThereIsNoPair,
    MeanOverEmptySlots,
    NewestForMean,
    RatioOfSums,
    InitialIsOne,
    HalvesIdentity,
    initial=0.5,
)
"""Sin -> factory of the wrong part."""
