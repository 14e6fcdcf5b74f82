"""Methods: five wrong ones, one that is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import QuasiNewton
from adaqn_lab.algorithm import Algorithm
from adaqn_lab.cadence import Cadence
from adaqn_lab.guards import MonitorIncrease
from adaqn_lab.memory import AggregatedWindow, CautiousCosine, CautiousYY, Window
from adaqn_lab.pairs import EmpiricalFisher, SketchedFisher
from adaqn_lab.recipe import Recipe
from adaqn_lab.scaling import AdaGrad, BiasCorrectedRMSProp
from adaqn_lab.steppers import Clipped, Momentum, Plain
from verification.law import Subject
from verification.methods import Method

SHORT = Recipe(
    pairs=EmpiricalFisher(window=20),
    scaling=AdaGrad(eps=1e-2),
    memory=Window(capacity=5, test=CautiousYY(eps=1e-4)),
    stepper=Plain(),
    guard=MonitorIncrease(at_most=1.01),
    cadence=Cadence(every=4),
)


class ClipsInPlace(QuasiNewton):
    """Gradients are clipped where they lie, in .grad, and by the norm of all runs together."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        parameters = [p for group in self.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, max_norm=1.0, error_if_nonfinite=False)
        super().step()
        return loss


class WarmsUp(QuasiNewton):
    """The first steps are made with a fraction of lr; how many there were is not in the checkpoint."""

    WARM = 8

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        self._steps_made = getattr(self, "_steps_made", 0) + 1
        share = min(1.0, self._steps_made / self.WARM)
        rates = [group["lr"] for group in self.param_groups]
        try:
            for group in self.param_groups:
                group["lr"] = group["lr"] * share
            return super().step(closure)
        finally:
            for group, lr in zip(self.param_groups, rates, strict=True):
                group["lr"] = lr


class FillsGradients(QuasiNewton):
    """Parameters without a gradient are given one of zeros, so that weight decay and old pairs move them."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    p.grad = torch.zeros_like(p)
        super().step()
        return loss


class KeepsTheSum(Algorithm):
    """A window's sum goes on after a roll-back."""

    def decide(self) -> Tensor:
        s = self.clock.total.clone()
        left = super().decide()
        self.clock.total.copy_(torch.where(left.unsqueeze(1), s.nan_to_num(), self.clock.total))
        return left


class SumOverRollBacks(QuasiNewton):
    """What a refused window summed is not cleared, so that the next average begins with it."""

    def _init_state(self) -> Algorithm:
        own = super()._init_state()
        made = KeepsTheSum(**{each.name: getattr(own, each.name) for each in fields(own)})
        made.keep_views()
        return made


class DecaysBeforeTheSign(QuasiNewton):
    """Weight decay is added to the gradient before maximize turns it round: ascending, the weights grow."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        kept = []
        decays = [group["weight_decay"] for group in self.param_groups]
        try:
            for group, decay in zip(self.param_groups, decays, strict=True):
                if decay == 0:
                    continue
                group["weight_decay"] = 0.0
                for p in group["params"]:
                    if p.grad is not None:
                        kept.append((p, p.grad))
                        p.grad = p.grad.detach().add(p.detach(), alpha=decay)
            super().step()
        finally:
            for p, grad in kept:
                p.grad = grad
            for group, decay in zip(self.param_groups, decays, strict=True):
                group["weight_decay"] = decay
        return loss


class TellsItsWindow(QuasiNewton):
    """Right: the optimizer as it is, which can also say how many windows it has decided."""

    @property
    def windows(self) -> int:
        """Closed so far."""
        return 0 if self._algorithm is None else self._algorithm.k // self.recipe.cadence.every


UNUSUAL = Recipe(
    pairs=SketchedFisher(rows=6, group=3, seed=5),
    scaling=BiasCorrectedRMSProp(decay=0.95, eps=1e-4),
    memory=AggregatedWindow(capacity=4, parallel=0.95, test=CautiousCosine(eps=1e-3)),
    stepper=Clipped(radius=5.0, of=Momentum(momentum=0.5)),
    guard=MonitorIncrease(at_most=1.2, slack=1e-3, reevaluate=True, clear_store=False),
    cadence=Cadence(every=5, after_step=True, from_start=True),
)

MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.RECIPE: {
        "gradients_clipped_in_place": lambda: Method(SHORT, ClipsInPlace),
        "warm_up_count_not_saved": lambda: Method(SHORT, WarmsUp),
        "missing_gradients_filled_with_zeros": lambda: Method(SHORT, FillsGradients),
        "window_sum_kept_over_a_roll_back": lambda: Method(SHORT, SumOverRollBacks),
        "weight_decay_before_the_sign_of_maximize": lambda: Method(SHORT, DecaysBeforeTheSign),
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.RECIPE: {"sketched_momentum_with_reevaluation": lambda: Method(UNUSUAL, TellsItsWindow)}
}
