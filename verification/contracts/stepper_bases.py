"""Honest steppers, for the wrong ones to be wrong in one thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import Space, Step
from adaqn_lab.bases import StepperBase
from adaqn_lab.protocols import Operator


@dataclass
class Velocity:
    """``v`` (R, n)."""

    v: Tensor


class Direct(StepperBase):
    """d = H g, and nothing is declared."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        """Return H g."""
        return operator(step.g)


class Rolling(StepperBase):
    """v <- v / 2 + H g; a roll-back sets v = 0."""

    def init(self, space: Space) -> Velocity:
        """v = 0."""
        return Velocity(space.zeros())

    def direction_(self, state: Velocity, step: Step, operator: Operator) -> Tensor:
        """Return the new v."""
        state.v = torch.where(step.where.unsqueeze(1), state.v / 2 + operator(step.g), state.v)
        return torch.clone(state.v)

    def rollback_(self, state: Velocity, where: Tensor) -> None:
        """v = 0 for the runs in ``where``."""
        state.v = torch.where(where.unsqueeze(1), 0.0, state.v)


def unit(d: Tensor) -> Tensor:
    """d / |d|, 0 for 0."""
    length = torch.linalg.vector_norm(d.double(), dim=1, keepdim=True)
    return (d / torch.where(length == 0, 1.0, length)).to(d.dtype)
