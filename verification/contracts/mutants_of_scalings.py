"""Scalings which break the contract of every part."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import Diagonal, Space, Step
from adaqn_lab.bases import ScalingBase
from adaqn_lab.protocols import Curvature
from adaqn_lab.scaling.adagrad import SquareSum
from verification.empty import Empty
from verification.law import Subject
from verification.matrices import Product
from verification.naming import by_name
from verification.scaling.adagrad import WrongAdaGrad


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


class TensorsOfTheLastModel(WrongAdaGrad):
    """One sum for each parameter tensor, whose sizes it keeps on itself."""

    def init(self, space: Space) -> SquareSum:
        object.__setattr__(self, "sizes", space.sizes)
        return super().init(space)

    def observe_(self, state: SquareSum, step: Step) -> None:
        ends = [0, *itertools.accumulate(self.__dict__["sizes"])]
        for start, end in itertools.pairwise(ends):
            state.total[:, start:end] += step.g[:, start:end].square().mean(1, keepdim=True)


class KeptByTheNumberOfSteps(WrongAdaGrad):
    """H0 is made once a step and kept on the part, whichever state of this size asks."""

    def h0(self, state: SquareSum, curvature: Curvature) -> Any:
        key = (state.total._version, state.total.shape)
        made = self.__dict__.get("made", (None, None))
        if made[0] != key:
            made = key, super().h0(state, curvature)
            object.__setattr__(self, "made", made)
        return made[1]


class OneWithoutAPair(ScalingBase):
    """s'y / y'y, but 1 in all runs while one has no pair."""

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        s_y, _, y_y, exists = curvature.newest()
        return Diagonal(gamma=torch.where(exists.all(), s_y / y_y, 1.0))


MUTANTS = {
    Subject.SCALING: by_name(
        *(WritesIntoArgument, Float64Answer, RunsLeak, StateOnPart, FieldMissingInState, TensorsOfTheLastModel),
        *(OneWithoutAPair, KeptByTheNumberOfSteps),
    )
}
