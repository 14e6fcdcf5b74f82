"""Parts which keep the vectors, or the masks, that they were given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import Diagonal, Displacement, Space, Step, Verdict, Window
from adaqn_lab.bases import PairGeneratorBase, ScalingBase, StepperBase
from adaqn_lab.protocols import Curvature, InitialMatrix, Operator, OracleLike
from verification.law import Subject
from verification.textbook_memory import Rows, TextbookMemory

NAME = "keeps_the_vectors_themselves"
OF_MASK = "keeps_the_mask_itself"


@dataclass
class Last:
    """``g`` (R, n), the last gradient that concerned every run."""

    g: Tensor


class _KeepsGradient:
    def init(self, space: Space) -> Last:
        return Last(space.zeros())

    def observe_(self, state: Last, step: Step) -> None:
        if bool(step.where.all()):
            state.g = step.g


class KeepingPairs(_KeepsGradient, PairGeneratorBase):
    """y = g (g's) of the last gradient."""

    def pair_(self, state: Last, move: Displacement, oracle: OracleLike) -> Tensor:
        return state.g * (state.g * move.s).sum(dim=1, keepdim=True)

    def reset_(self, state: Last, where: Tensor) -> None:
        state.g = torch.where(where.unsqueeze(1), 0.0, state.g)


class KeepingScaling(_KeepsGradient, ScalingBase):
    """H0 = diag(1 / sqrt(g g + 1)) of the last gradient."""

    def h0(self, state: Last, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.g.square(), eps=1.0)


class KeepingMemory(Window):
    """The one row of S is the displacement itself."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        if bool(verdict.admitted.all()):
            state.s = move.s.unsqueeze(1)
        return verdict


class KeepingStepper(_KeepsGradient, StepperBase):
    """d = H g plus the gradient before."""

    def direction_(self, state: Last, step: Step, operator: Operator) -> Tensor:
        d = operator(step.g) + state.g
        self.observe_(state, step)
        return d

    def rollback_(self, state: Last, where: Tensor) -> None:
        state.g = torch.where(where.unsqueeze(1), 0.0, state.g)


@dataclass
class Sound:
    """``last`` (R,) bool, whose last gradient was sound."""

    last: Tensor


class _KeepsMask:
    def init(self, space: Space) -> Sound:
        return Sound(space.mask(True))

    def observe_(self, state: Sound, step: Step) -> None:
        state.last = step.where


class MaskKeepingPairs(_KeepsMask, PairGeneratorBase):
    """y = s where the last gradient was sound, else 0."""

    def pair_(self, state: Sound, move: Displacement, oracle: OracleLike) -> Tensor:
        return torch.where(state.last.unsqueeze(1), move.s, 0.0)

    def reset_(self, state: Sound, where: Tensor) -> None:
        state.last = state.last | where


class MaskKeepingScaling(_KeepsMask, ScalingBase):
    """H0 = I where the last gradient was sound, else I / 2."""

    def h0(self, state: Sound, curvature: Curvature) -> Diagonal:
        return Diagonal(gamma=torch.where(state.last, 1.0, 0.5).double())


@dataclass
class Offered(Rows):
    """``last`` (R,) bool, who was offered the last pair."""

    last: Tensor


class MaskKeepingMemory(TextbookMemory):
    """H = H0 for the runs which were not offered the last pair."""

    def init(self, space: Space) -> Any:
        return Offered(**vars(super().init(space)), last=space.mask(True))

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        state.last = move.where
        return super().admit_(state, move, y, operator)

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        without = h0.apply_(v.clone())
        return torch.where(state.last.unsqueeze(1), super().apply_(state, v, h0), without)


class MaskKeepingStepper(_KeepsMask, StepperBase):
    """d = H g, and half of it after a gradient that was not sound."""

    def direction_(self, state: Sound, step: Step, operator: Operator) -> Tensor:
        d = torch.where(state.last.unsqueeze(1), 1.0, 0.5).to(step.g.dtype) * operator(step.g)
        self.observe_(state, step)
        return d

    def rollback_(self, state: Sound, where: Tensor) -> None:
        state.last = state.last | where


MUTANTS = {
    Subject.PAIRS: {NAME: KeepingPairs, OF_MASK: MaskKeepingPairs},
    Subject.SCALING: {NAME: KeepingScaling, OF_MASK: MaskKeepingScaling},
    Subject.MEMORY: {NAME: lambda: KeepingMemory(capacity=1), OF_MASK: MaskKeepingMemory},
    Subject.STEPPER: {NAME: KeepingStepper, OF_MASK: MaskKeepingStepper},
}
