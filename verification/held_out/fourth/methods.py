"""Methods: a recipe and an optimizer class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import ADAQN, Cadence, Momentum, QuasiNewton
from adaqn_lab.events import Log
from verification.law import Subject
from verification.methods import Method

RECIPE = ADAQN.but(cadence=Cadence(every=4))


class OwnRate(QuasiNewton):
    """A checkpoint's rates are not taken over: after a resume the constructor's lr is back."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        rates = [group["lr"] for group in self.param_groups]
        super().load_state_dict(state_dict)
        for group, lr in zip(self.param_groups, rates, strict=True):
            group["lr"] = lr


class LossAtWindows(QuasiNewton):
    """Calls the closure once more when a window closes, for its loss: gradients and random numbers move on."""

    window_loss: Any = None

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = super().step(closure)
        own = self._algorithm
        if closure is not None and own is not None and own.k and own.k % self.recipe.cadence.every == 0:
            with torch.enable_grad():
                self.window_loss = float(torch.as_tensor(closure()).detach().sum())
        return loss


class FilledGradients(QuasiNewton):
    """Gives parameters without a gradient one of zeros, so that weight decay and momentum move them."""

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        for p in parameters:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        super()._step(parameters, loss)


class OneRate(QuasiNewton):
    """Steps every group with the first group's lr."""

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        rates = [group["lr"] for group in self.param_groups]
        for group in self.param_groups:
            group["lr"] = rates[0]
        try:
            super()._step(parameters, loss)
        finally:
            for group, lr in zip(self.param_groups, rates, strict=True):
                group["lr"] = lr


class HalfReset(QuasiNewton):
    """``reset`` forgets pairs, gradients, events and counts, but what scaling, stepper and guard know stays."""

    @torch.no_grad()
    def reset(self) -> None:
        own = self._algorithm
        if own is None:
            return
        everyone = own.flat.space.mask(True)
        own.recipe.memory.reset_(own.states["memory"], everyone)
        if own.recipe.pairs is not None:
            own.recipe.pairs.reset_(own.states["pairs"], everyone)
        own.clock.total.zero_()
        own.clock.anchored.fill_(own.recipe.cadence.from_start)
        own.clock.marks.fill_(True)
        own.k, own.undecided, own.log = 0, False, Log()
        own.oracle.calls.clear()
        own.start()


class Counted(QuasiNewton):
    """Right: a property more, how many windows were decided; the arithmetic is untouched."""

    @property
    def windows(self) -> int:
        """Windows decided so far."""
        return 0 if self._algorithm is None else len(self._algorithm.log.windows)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.RECIPE: {
        "rate_not_restored": lambda: Method(RECIPE, OwnRate),
        "closure_called_again_at_windows": lambda: Method(RECIPE, LossAtWindows),
        "missing_gradients_filled": lambda: Method(RECIPE, FilledGradients),
        "first_rate_for_all_groups": lambda: Method(RECIPE, OneRate),
        "reset_leaves_the_scaling": lambda: Method(RECIPE, HalfReset),
    }
}
HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.RECIPE: {
        "momentum_and_averages_after_steps": lambda: Method(
            ADAQN.but(stepper=Momentum(momentum=0.5), cadence=Cadence(every=3, after_step=True, always_advance=True)),
            Counted,
        )
    }
}
