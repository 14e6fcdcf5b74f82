"""Whole methods: wrong ones, and an unusual one which is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from adaqn_lab import (
    ADAQN,
    BlockDiagonal,
    Cadence,
    CautiousSS,
    Clipped,
    EmpiricalFisher,
    EventKind,
    Momentum,
    MonitorIncrease,
    QuasiNewton,
    Recipe,
    RMSProp,
    Window,
)
from verification.law import Subject
from verification.methods import Method

SHORT = ADAQN.but(
    pairs=EmpiricalFisher(window=20),
    memory=Window(capacity=5, test=CautiousSS(eps=1e-8)),
    cadence=Cadence(every=4),
)


class Decoupled(QuasiNewton):
    """Weight decay of the parameters themselves before the step, also of those which have no gradient."""

    shrink = 1e-2

    def step(self, closure=None):
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.is_floating_point():
                        p.sub_(p, alpha=float(torch.as_tensor(group["lr"]).max()) * self.shrink)
        return super().step(closure)


class ClippedInPlace(QuasiNewton):
    """Gradients are clipped to length one in `.grad` itself, the length that of all runs together."""

    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        torch.nn.utils.clip_grad_norm_([p for group in self.param_groups for p in group["params"]], 1.0)
        super().step()
        return loss


class WarmedUp(QuasiNewton):
    """lr grows over the first 12 steps by a count of its own, which no checkpoint has and no reset sets back."""

    _made = 0

    def step(self, closure=None):
        self._made += 1
        share = min(1.0, self._made / 12.0)
        kept = [group["lr"] for group in self.param_groups]
        for group in self.param_groups:
            group["lr"] = group["lr"] * share
        try:
            return super().step(closure)
        finally:
            for group, lr in zip(self.param_groups, kept, strict=True):
                group["lr"] = lr


class BackedOff(QuasiNewton):
    """lr is halved while the newest event is a roll-back of any run: at every step of the window after it."""

    def step(self, closure=None):
        loss = super().step(closure)
        windows = [event for event in self.events if event.kind is not EventKind.STEP_SKIPPED]
        if windows and windows[-1].kind is EventKind.ROLLED_BACK:
            for group in self.param_groups:
                group["lr"] = group["lr"] * 0.5
        return loss


class Cleaned(QuasiNewton):
    """What is not finite in a gradient becomes zero and the rest is used, where the step should be skipped."""

    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        held = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        kept = [p.grad for p in held]
        for p in held:
            p.grad = torch.nan_to_num(p.grad, nan=0.0, posinf=0.0, neginf=0.0)
        try:
            super().step()
        finally:
            for p, g in zip(held, kept, strict=True):
                p.grad = g
        return loss


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.RECIPE: {
        "decoupled_decay_of_parameters_without_gradient": lambda: Method(SHORT, Decoupled),
        "gradients_clipped_in_place_over_all_runs": lambda: Method(SHORT, ClippedInPlace),
        "warm_up_count_lost_on_resume": lambda: Method(SHORT, WarmedUp),
        "lr_halved_at_every_step_after_a_rollback": lambda: Method(SHORT, BackedOff),
        "not_finite_entries_zeroed_and_the_rest_used": lambda: Method(SHORT, Cleaned),
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.RECIPE: {
        "clipped_momentum_by_tensor": lambda: Method(
            Recipe(
                pairs=EmpiricalFisher(window=20, dtype=torch.bfloat16),
                scaling=RMSProp(decay=0.95),
                memory=BlockDiagonal(of=Window(capacity=4)),
                stepper=Clipped(of=Momentum(momentum=0.5), radius=0.5),
                guard=MonitorIncrease(at_most=1.1, slack=1e-3),
                cadence=Cadence(every=5, after_step=True, from_start=True),
            ),
            QuasiNewton,
        ),
    }
}
