"""Wrong optimizers: what shows where a user sets lr, weight decay, maximize, or passes a closure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import ADAQN, QuasiNewton
from adaqn_lab.algorithm import Algorithm
from verification.law import Subject
from verification.optimizer.mutants_of_loops import methods


class _Options(QuasiNewton):
    """The honest optimizer in other groups: ``change`` returns what to put into them for the step."""

    def change(self, index: int, group: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        kept = [dict(group) for group in self.param_groups]
        for index, group in enumerate(self.param_groups):
            group.update(self.change(index, group))
        super()._step(parameters, loss)
        for group, old in zip(self.param_groups, kept, strict=True):
            group.update(old)


class LrReadOnce(_Options):
    """The lr of the first step for ever: a schedule has no effect."""

    def change(self, index: int, group: dict[str, Any]) -> dict[str, Any]:
        first = self.__dict__.setdefault("first", {})
        lr = group["lr"]
        return {"lr": first.setdefault(index, lr.clone() if isinstance(lr, Tensor) else lr)}


class TensorLrReadOnce(_Options):
    """The same for an lr which is a tensor only: written into in place, nobody looks again."""

    def change(self, index: int, group: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(group["lr"], Tensor):
            return {}
        first = self.__dict__.setdefault("first", {})
        return {"lr": first.setdefault((index, id(group["lr"])), group["lr"].clone())}


class LrOfTheFirstGroup(_Options):
    """One rate for all groups."""

    def change(self, index: int, group: dict[str, Any]) -> dict[str, Any]:
        return {"lr": self.param_groups[0]["lr"]}


class NearRatesAsOne(_Options):
    """Rates that differ by less than a tenth are taken for one, with which fewer operations are launched."""

    def change(self, index: int, group: dict[str, Any]) -> dict[str, Any]:
        first, lr = self.param_groups[0]["lr"], group["lr"]
        near = all(torch.as_tensor(x).numel() == 1 for x in (first, lr)) and abs(float(lr) / float(first) - 1) < 0.1
        return {"lr": first} if near else {}


class LrOfTheMeanRun(_Options):
    """Rates of single runs are averaged."""

    def change(self, index: int, group: dict[str, Any]) -> dict[str, Any]:
        lr = group["lr"]
        return {"lr": lr.mean()} if isinstance(lr, Tensor) else {}


class DecaysEveryGroup(_Options):
    """The first group's weight decay for all."""

    def change(self, index: int, group: dict[str, Any]) -> dict[str, Any]:
        return {"weight_decay": self.param_groups[0]["weight_decay"]}


class DecayTimesLr(_Options):
    """Weight decay in units of lr."""

    def change(self, index: int, group: dict[str, Any]) -> dict[str, Any]:
        lr = group["lr"]
        return {"weight_decay": group["weight_decay"] * float(lr.mean() if isinstance(lr, Tensor) else lr)}


class MaximizesTheMonitor(QuasiNewton):
    """``maximize`` turns the gradients and not the losses."""

    def _init_state(self) -> Algorithm:
        made = super()._init_state()
        honest, sign = made.oracle.loss, -1.0 if made.oracle.maximize else 1.0
        made.oracle.loss = lambda w: sign * honest(w)  # type: ignore[method-assign]
        return made


class MissingGradientsDecay(QuasiNewton):
    """A parameter without gradient is given a zero one: weight decay and old pairs move it."""

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        missing = [p for p in parameters if p.grad is None]
        for p in missing:
            p.grad = torch.zeros_like(p)
        super()._step(parameters, loss)
        for p in missing:
            p.grad = None


class ClosureTwice(QuasiNewton):
    """Evaluates the closure before and after."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        value = super().step(closure)
        if closure is not None:
            closure()
        return value


class ClosureWithoutGradients(QuasiNewton):
    """Calls the closure where no gradient can be computed."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        value = None if closure is None else closure()
        super().step()
        return value

    step = torch.no_grad()(step)


class ClosureValueLost(QuasiNewton):
    """Returns None."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        super().step(closure)


class NoStepAtRateZero(QuasiNewton):
    """A step at lr 0 is no step: its gradient is not seen and it does not count."""

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        if self._algorithm is None or any(bool(torch.as_tensor(g["lr"]).any()) for g in self.param_groups):
            super()._step(parameters, loss)


OPTIONS = {
    **methods(ADAQN, LrReadOnce, TensorLrReadOnce, LrOfTheFirstGroup, NearRatesAsOne, LrOfTheMeanRun),
    **methods(ADAQN, DecaysEveryGroup, DecayTimesLr),
    **methods(ADAQN, MaximizesTheMonitor, MissingGradientsDecay, ClosureTwice, ClosureWithoutGradients),
    **methods(ADAQN, ClosureValueLost, NoStepAtRateZero),
}
"""What shows where a user sets something."""
MUTANTS = {Subject.RECIPE: OPTIONS}
