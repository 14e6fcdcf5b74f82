"""Parts which keep the vectors that they were given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import Diagonal, Displacement, Space, Step, Verdict, Window
from adaqn_lab.bases import PairGeneratorBase, ScalingBase, StepperBase
from adaqn_lab.protocols import Curvature, Operator, OracleLike
from verification.law import Subject

NAME = "keeps_the_vectors_themselves"


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


MUTANTS = {
    Subject.PAIRS: {NAME: KeepingPairs},
    Subject.SCALING: {NAME: KeepingScaling},
    Subject.MEMORY: {NAME: lambda: KeepingMemory(capacity=1)},
    Subject.STEPPER: {NAME: KeepingStepper},
}
