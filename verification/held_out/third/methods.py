"""Methods whose optimizer is wrong, and right ones that look odd."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import QuasiNewton, Recipe
from adaqn_lab.cadence import Cadence
from adaqn_lab.guards import MonitorIncrease
from adaqn_lab.memory import CautiousSS, Dense, Window
from adaqn_lab.pairs import EmpiricalFisher, SketchedFisher
from adaqn_lab.recipes import ADAQN
from adaqn_lab.scaling import BarzilaiBorwein, RMSProp
from adaqn_lab.steppers import Clipped, Momentum
from verification.law import Subject
from verification.methods import Method

SHORT = ADAQN.but(pairs=EmpiricalFisher(window=12), memory=Window(capacity=4), cadence=Cadence(every=4))
TWICE = SHORT.but(guard=MonitorIncrease(at_most=1.01, reevaluate=True))


def _parameters(optimizer: QuasiNewton) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


class ClipsInPlace(QuasiNewton):
    """Gradients longer than 10 are shortened where they lie, in ``.grad``."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        torch.nn.utils.clip_grad_norm_(_parameters(self), 10.0)
        super().step()
        return loss


class DecaysWhatHasNoGradient(QuasiNewton):
    """Weight decay shrinks the parameters before the step, those without a gradient too."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        decays = [group["weight_decay"] for group in self.param_groups]
        for group in self.param_groups:
            if group["weight_decay"]:
                for p in group["params"]:
                    p.mul_(1.0 - float(torch.as_tensor(group["lr"]).max()) * group["weight_decay"])
            group["weight_decay"] = 0.0
        try:
            return super().step(closure)
        finally:
            for group, decay in zip(self.param_groups, decays, strict=True):
                group["weight_decay"] = decay


class ReturnsWhatItMaximises(QuasiNewton):
    """With ``maximize`` the step returns the closure's value with its sign turned."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = super().step(closure)
        return -loss if loss is not None and self.param_groups[0]["maximize"] else loss


class OneGroup(QuasiNewton):
    """Parameter groups are made one, and what a group sets for itself is lost."""

    def __init__(self, params: Iterable[Any], recipe: Recipe = SHORT, **options: Any) -> None:
        params = list(params)
        if params and isinstance(params[0], dict):
            own = [group["params"] for group in params]
            params = [p for some in own for p in ([some] if isinstance(some, Tensor) else some)]
        super().__init__(params, recipe, **options)


class ZeroGradientIsNoStep(QuasiNewton):
    """A gradient which is exactly zero makes no step: none is counted and no window comes nearer."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if any(p.grad is not None and bool(p.grad.any()) for p in _parameters(self)):
            super().step()
        return loss


class MakesContiguous(QuasiNewton):
    """Parameters which are not contiguous are copied at a step: the tensor of which they were a view stays behind."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        for p in _parameters(self):
            if not p.is_contiguous():
                p.data = p.data.contiguous()
        return super().step(closure)


class MonitorOnceAStep(QuasiNewton):
    """The monitor's value is kept for the step, so that a guard which looks at two points sees one."""

    def __init__(
        self, params: Iterable[Any], recipe: Recipe = TWICE, *, monitor: Callable[[], Any] | None = None, **options: Any
    ) -> None:
        self._seen: dict[int, Any] = {}
        super().__init__(params, recipe, monitor=None if monitor is None else self._once(monitor), **options)

    def _once(self, monitor: Callable[[], Any]) -> Callable[[], Any]:
        def value() -> Any:
            k = -1 if self._algorithm is None else self._algorithm.k
            if k not in self._seen:
                self._seen = {k: monitor()}
            return self._seen[k]

        return value


class RaisedLossesAreForgotten(QuasiNewton):
    """A callable that raises is taken as a window without a decision: the error is swallowed."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        try:
            return super().step(closure)
        except ArithmeticError:
            return None


class NoStateBeforeItsWindow(QuasiNewton):
    """A checkpoint taken within a window says that its first step was the last: the rest of it counts anew."""

    def state_dict(self) -> dict[str, Any]:
        saved = super().state_dict()
        every = self.recipe.cadence.every
        for entry in saved["state"].values():
            if "step" in entry:
                entry["step"] -= entry["step"] % every
        return saved


class SchedulesByHand(QuasiNewton):
    """The rate of the first group is used for all where a schedule made them differ by less than a tenth."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        first = self.param_groups[0]["lr"]
        for group in self.param_groups[1:]:
            if not isinstance(group["lr"], Tensor) and not isinstance(first, Tensor):
                near = math.isclose(group["lr"], first, rel_tol=0.1)
                group["lr"] = first if near else group["lr"]
        return super().step(closure)


class Counting(QuasiNewton):
    """Right: it counts its calls and keeps the last value returned."""

    calls = 0
    last: Any = None

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        self.calls += 1
        self.last = super().step(closure)
        return self.last


class Terse(QuasiNewton):
    """Right: it only prints less."""

    def __repr__(self) -> str:
        return f"{type(self).__name__} of {len(self.param_groups)} group(s)"


ODD = Recipe(
    pairs=SketchedFisher(rows=4, group=3),
    scaling=BarzilaiBorwein(),
    memory=Dense(test=CautiousSS(eps=1e-4)),
    stepper=Clipped(radius=2.0, of=Momentum(momentum=0.5)),
    guard=MonitorIncrease(at_most=1.2, slack=0.1, clear_store=False),
    cadence=Cadence(every=3, after_step=True, from_start=True),
)
EVEN_ODDER = ADAQN.but(
    pairs=EmpiricalFisher(window=5),
    scaling=RMSProp(decay=0.0, eps=1e-2),
    memory=Window(capacity=1),
    guard=None,
    cadence=Cadence(every=1, always_advance=True),
)

MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.RECIPE: {
        "long_gradients_are_clipped_in_place": lambda: Method(SHORT, ClipsInPlace),
        "decay_shrinks_parameters_without_a_gradient": lambda: Method(SHORT, DecaysWhatHasNoGradient),
        "returned_value_changes_sign_with_maximize": lambda: Method(SHORT, ReturnsWhatItMaximises),
        "rates_of_the_groups_are_lost": lambda: Method(SHORT, OneGroup),
        "zero_gradient_counts_no_step": lambda: Method(SHORT, ZeroGradientIsNoStep),
        "copies_parameters_that_are_not_contiguous": lambda: Method(SHORT, MakesContiguous),
        "monitor_of_two_points_seen_once": lambda: Method(TWICE, MonitorOnceAStep),
        "errors_of_arithmetic_are_swallowed": lambda: Method(SHORT, RaisedLossesAreForgotten),
        "checkpoint_within_a_window_begins_it_anew": lambda: Method(SHORT, NoStateBeforeItsWindow),
        "near_rates_become_the_first": lambda: Method(SHORT, SchedulesByHand),
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.RECIPE: {
        "counts_its_calls": lambda: Method(ODD, Counting),
        "prints_less": lambda: Method(EVEN_ODDER, Terse),
    }
}
