"""Whole methods: five wrong, one unusual but right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import QuasiNewton
from adaqn_lab.algorithm import Algorithm
from adaqn_lab.recipes import ADAQN
from adaqn_lab.scaling import RMSProp
from adaqn_lab.steppers import Clipped
from verification.law import Subject
from verification.methods import Method


@contextmanager
def _options(groups: list[dict[str, Any]], name: str, values: list[Any]) -> Iterator[None]:
    """The groups have other values of an option inside the block."""
    kept = [group[name] for group in groups]
    try:
        for group, value in zip(groups, values, strict=True):
            group[name] = value
        yield
    finally:
        for group, value in zip(groups, kept, strict=True):
            group[name] = value


class DecoupledDecay(QuasiNewton):
    """Weight decay shrinks the weights by lr weight_decay past H instead of being added to the gradient."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None and group["weight_decay"]:
                    rate = group["lr"] * group["weight_decay"]
                    p.sub_(
                        p * (rate.view(-1, *(1,) * (p.dim() - 1)) if isinstance(rate, Tensor) and rate.dim() else rate)
                    )
        with _options(self.param_groups, "weight_decay", [0.0] * len(self.param_groups)):
            super().step(None if closure is None else lambda: loss)
        return loss


class LastIterate(Algorithm):
    """The algorithm with the last iterate for the window's average."""

    def end_step(self) -> None:
        """Count the step; at the window's end the iterate stands for the sum."""
        every = self.recipe.cadence.every
        if (self.k + 1) % every == 0:
            self.clock.total.copy_(self.flat.gather().sub_(self.clock.reference).mul_(every))
        super().end_step()


class NoAverage(QuasiNewton):
    """The window's last iterate takes the place of its average w_bar: in s, for the guard, and as the reference."""

    def _init_state(self) -> Algorithm:
        made = super()._init_state()
        return LastIterate.begin(made.recipe, made.flat, made.oracle)


class OpenWindowLost(QuasiNewton):
    """A checkpoint is loaded without the sum of the window under way: right only if it was saved at a window's end."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load, and begin the window's sum anew."""
        super().load_state_dict(state_dict)
        if self._algorithm is not None and not self._algorithm.undecided:
            self._algorithm.clock.total.zero_()


class FirstGroupsRate(QuasiNewton):
    """Every group moves by the lr of the first group."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step."""
        rate = self.param_groups[0]["lr"]
        with _options(self.param_groups, "lr", [rate] * len(self.param_groups)):
            return super().step(closure)


class NansAreZeros(QuasiNewton):
    """Entries of a gradient that are not finite are taken for 0 and the step is made, where it should be skipped."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        parameters = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        kept = [p.grad for p in parameters]
        try:
            for p in parameters:
                p.grad = torch.nan_to_num(p.grad, nan=0.0, posinf=0.0, neginf=0.0)
            super().step(None if closure is None else lambda: loss)
        finally:
            for p, gradient in zip(parameters, kept, strict=True):
                p.grad = gradient
        return loss


class RemembersItsLoss(QuasiNewton):
    """Right: keeps what the closure returned last, for whoever prints it, and changes nothing else."""

    last_loss: Any = None

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step."""
        self.last_loss = super().step(closure)
        return self.last_loss


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.RECIPE: {
        "decay_decoupled_from_the_gradient": lambda: Method(ADAQN, DecoupledDecay),
        "last_iterate_in_place_of_the_average": lambda: Method(ADAQN, NoAverage),
        "resume_loses_the_open_window": lambda: Method(ADAQN, OpenWindowLost),
        "rate_of_the_first_group_for_all": lambda: Method(ADAQN, FirstGroupsRate),
        "gradient_that_is_not_finite_taken_for_zero": lambda: Method(ADAQN, NansAreZeros),
    }
}
HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.RECIPE: {
        "keeps_the_last_loss": lambda: Method(
            ADAQN.but(scaling=RMSProp(decay=0.95), stepper=Clipped(radius=5.0)), RemembersItsLoss
        )
    }
}
