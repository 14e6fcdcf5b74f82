"""A stepper goes downhill whatever the sign of the losses that the closure returned."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Step
from adaqn_lab.protocols import Operator
from verification.compare import holds
from verification.contracts.stepper_bases import Direct
from verification.law import Group, Subject, law
from verification.lives import LifeCase, closure_loss, life_cases, lived
from verification.naming import by_name
from verification.strategies import Array

Factory = Callable[[], Any]


@law(
    name="stepper-whatever-the-loss",
    statement="g_k = g: g'(d_1 + ... + d_k) >= 0 for every k, also for losses below 0, or of any sign",
    source="A constant added to the loss changes no minimiser: a length made of the loss may vanish, not turn.",
    group=Group.MATHEMATICS,
    subject=Subject.STEPPER,
    kills=("length_of_the_loss", "turns_below_zero", "polyak_without_a_floor"),
    inputs=life_cases(),
    share=0.2,
)
def whatever_the_loss(factory: Factory, case: LifeCase) -> None:
    """Losses are logarithms as often as squares."""
    v = case.v.astype(np.float64) / case.units
    for name, shift in {"below 0": -3.0, "of any sign": -1.25}.items():
        d = lived(factory(), case, case.v, home=True, loss=partial(_shifted, shift))
        paths = (d * v).sum(2).cumsum(axis=0)
        for k, run in zip(*np.nonzero(paths < 0), strict=True):
            text = f"g'(d_1 + ... + d_{k + 1}) = {paths[k, run]:.6g} is below 0"
            holds(False, f"run {run}, the same g at every step, losses {name}: {text}")


def _shifted(shift: float, losses: Array) -> Tensor:
    """These losses of a closure, and a constant."""
    return closure_loss(losses + shift)


class LengthOfTheLoss(Direct):
    """d = f / (1 + |f|) H g."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        f = torch.as_tensor(1.0 if step.loss is None else step.loss).reshape(-1, 1)
        return (operator(step.g) * (f / (1.0 + f.abs()))).to(step.g.dtype)


class TurnsBelowZero(Direct):
    """The sign of the loss is that of the step."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        f = torch.ones(1) if step.loss is None else torch.as_tensor(step.loss)
        return operator(step.g) * f.reshape(-1, 1).sign().to(step.g.dtype)


class PolyakWithoutAFloor(Direct):
    """d = (f + 1) H g: -1 is taken for the lowest of all losses."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        f = torch.ones(1) if step.loss is None else torch.as_tensor(step.loss)
        return operator(step.g) * (f.reshape(-1, 1) + 1.0).to(step.g.dtype)


LAWS = (whatever_the_loss,)
MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: by_name(LengthOfTheLoss, TurnsBelowZero, PolyakWithoutAFloor)
}
