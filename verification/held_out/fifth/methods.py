"""Methods, a recipe and an optimizer: wrong ones, and an unusual one that is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import (
    ADAQN,
    ADAQN_STOCHQN,
    AdaGrad,
    BarzilaiBorwein,
    Cadence,
    CautiousSS,
    EmpiricalFisher,
    HessianVector,
    MonitorIncrease,
    Plain,
    QuasiNewton,
    Recipe,
    Window,
)
from adaqn_lab.algorithm import Algorithm
from adaqn_lab.space import per_run
from verification.law import Subject
from verification.methods import Method

FISHER = ADAQN.but(pairs=EmpiricalFisher(window=20), cadence=Cadence(every=5))
HESSIAN = Recipe(
    pairs=HessianVector(),
    scaling=BarzilaiBorwein(),
    memory=Window(capacity=5, test=CautiousSS(eps=0.0)),
    stepper=Plain(),
    guard=None,
    cadence=Cadence(every=4, always_advance=True),
)


class DecaysTwice(QuasiNewton):
    """The parameters shrink by lr weight_decay as in AdamW, and weight decay is in the gradient too."""

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if group["weight_decay"] != 0 and p.grad is not None:
                    lr = group["lr"]
                    lr = per_run(lr.to(p), p) if isinstance(lr, Tensor) else lr
                    p.mul_(1.0 - lr * group["weight_decay"])
        super()._step(parameters, loss)


class SavesHalf(QuasiNewton):
    """To halve its files the checkpoint rounds the pairs to bfloat16: what resumes from it is another run."""

    def state_dict(self) -> dict[str, Any]:
        saved = super().state_dict()
        for key, entry in saved["state"].items():
            small = {n: x.bfloat16().to(x.dtype) for n, x in entry.items() if n in ("memory.s", "memory.y")}
            saved["state"][key] = entry | small
        return saved


class ClipsInPlace(QuasiNewton):
    """The gradients are clipped where they lie, in the user's ``.grad``, by the length of all runs together."""

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        super()._step(parameters, loss)


class SumSurvives(Algorithm):
    """The window's sum of the runs that were rolled back goes into their next window."""

    def decide(self) -> Tensor:
        kept = self.clock.total.clone()
        left = super().decide()
        self.clock.total.copy_(torch.where(left.unsqueeze(1), kept, self.clock.total))
        return left


class KeepsTheSum(QuasiNewton):
    """A roll-back leaves the sum of the window's iterates as it is, so that the next average is none."""

    def _init_state(self) -> Algorithm:
        made = super()._init_state()
        return SumSurvives(**{field.name: getattr(made, field.name) for field in fields(made)})


class FirstRates(QuasiNewton):
    """Each group's lr is looked up once and kept, so that a schedule changes what is printed and nothing else."""

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        if not hasattr(self, "_rates"):
            self._rates = [group["lr"] for group in self.param_groups]
        given = [group["lr"] for group in self.param_groups]
        for group, lr in zip(self.param_groups, self._rates, strict=True):
            group["lr"] = lr
        try:
            super()._step(parameters, loss)
        finally:
            for group, lr in zip(self.param_groups, given, strict=True):
                group["lr"] = lr


class SavesCopies(QuasiNewton):
    """Right: its checkpoint holds copies, so that later steps do not change what was saved."""

    def state_dict(self) -> dict[str, Any]:
        saved = super().state_dict()
        for key, entry in saved["state"].items():
            saved["state"][key] = {n: x.clone() if isinstance(x, Tensor) else x for n, x in entry.items()}
        return saved


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.RECIPE: {
        "weight_decay_twice": lambda: Method(HESSIAN, DecaysTwice),
        "checkpoint_in_half_precision": lambda: Method(FISHER, SavesHalf),
        "gradients_clipped_where_they_lie": lambda: Method(HESSIAN.but(scaling=AdaGrad(eps=1e-3)), ClipsInPlace),
        "sum_survives_a_rollback": lambda: Method(FISHER.but(guard=MonitorIncrease(at_most=1.0)), KeepsTheSum),
        "rates_of_the_first_step": lambda: Method(FISHER.but(cadence=Cadence(every=4, after_step=True)), FirstRates),
    }
}
HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.RECIPE: {
        "saves_copies": lambda: Method(ADAQN_STOCHQN.but(cadence=Cadence(every=7, from_start=True)), SavesCopies)
    }
}
