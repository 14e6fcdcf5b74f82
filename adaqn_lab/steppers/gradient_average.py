"""The moving average of gradients in the gradient's place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from adaqn_lab.checks import require_real
from adaqn_lab.protocols import InnerStepper, Operator, Step
from adaqn_lab.space import Space
from adaqn_lab.steppers.composing import Around, require_stepper
from adaqn_lab.steppers.plain import Plain


@dataclass
class GradientMean:
    """``mean`` (R, n): the moving average of gradients; ``started`` (R,); the inner stepper's state."""

    mean: Tensor
    started: Tensor
    of: Any


@dataclass(frozen=True, kw_only=True)
class GradientAverage(Around):
    """The stepper ``of`` sees M in place of g: M <- decay M + (1 - decay) g, M = g at first.

    Pair generators and scalings see g itself. Not touched by a roll-back. Memory: n elements a run.
    Raises ``ValueError`` or ``TypeError`` unless 0 <= decay < 1. Source: K-BFGS (Goldfarb, Ren & Bahamou 2020) as its
    code does, mL-BFGS (Niu et al. 2023) as documented; the start at the first g is this library's.
    """

    decay: float = 0.9
    of: InnerStepper = Plain()

    def __post_init__(self) -> None:
        require_real("GradientAverage", "decay", self.decay, at_least=0.0, below=1.0)
        require_stepper("GradientAverage", self.of)

    def init(self, space: Space) -> GradientMean:
        """There is no average yet."""
        return GradientMean(space.zeros(), space.mask(False), self.of.init(space))

    def direction_(self, state: GradientMean, step: Step, operator: Operator) -> Tensor:
        """Return the inner stepper's direction for M."""
        averaged = torch.where(state.started.unsqueeze(1), state.mean.lerp(step.g, 1.0 - self.decay), step.g)
        state.mean = torch.where(step.where.unsqueeze(1), averaged, state.mean)
        state.started = state.started | step.where
        g = torch.where(step.where.unsqueeze(1), state.mean, 0.0)
        return self.of.direction_(state.of, replace(step, g=g), operator)

    def rollback_(self, state: GradientMean, where: Tensor) -> None:
        """Tell the inner stepper."""
        self.of.rollback_(state.of, where)

    def advance_(self, state: GradientMean, where: Tensor) -> None:
        """Tell the inner stepper."""
        self.of.advance_(state.of, where)
