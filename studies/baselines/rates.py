"""Optimizers made for one model and one rate, at work on R models with R rates."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from adaqn_lab.space import per_run

Make = Callable[[Sequence[Tensor], float], Optimizer]
"""(parameters, lr) to an optimizer over them."""


class RunRates(Optimizer):
    """An elementwise optimizer whose step is in proportion to lr, over (R, ...) parameters with R rates.

    The optimizer itself works at lr = 1 on shadow parameters that are put back to zero after every step, so what it
    leaves in them is minus its direction, by its own arithmetic; then w <- w + lr (shadow). One rounding more than
    with the rate inside. Weight decay would see the zeros, so an optimizer that has some is refused
    (``ValueError``); decoupled ``decay`` is done here, w <- (1 - lr decay) w before the step.
    """

    def __init__(self, params: Sequence[Tensor], lr: Sequence[float], make: Make, *, decay: float = 0.0) -> None:
        super().__init__(params, {"lr": torch.tensor(lr, dtype=torch.float64)})
        self._parameters: list[Tensor] = list(params)
        self._shadows = [torch.zeros_like(p) for p in params]
        self._inner, self._decay = make(self._shadows, 1.0), decay
        if any(group.get("weight_decay", 0.0) for group in self._inner.param_groups):
            raise ValueError(
                f"{type(self._inner).__name__} has weight decay, which would not see the weights here; "
                "set it to 0, or run it on one run at a time."
            )

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step from the gradients in ``.grad``; parameters without one stay."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        lr = self.param_groups[0]["lr"]
        for p, shadow in zip(self._parameters, self._shadows, strict=True):
            shadow.grad = p.grad
        self._inner.step()
        for p, shadow in zip(self._parameters, self._shadows, strict=True):
            rate = per_run(lr, shadow).to(shadow)
            if self._decay and p.grad is not None:
                p.mul_(1.0 - rate * self._decay)
            p.addcmul_(shadow, rate)
        torch._foreach_zero_(self._shadows)
        return loss


class RunByRun(Optimizer):
    """Any optimizer that treats its tensors apart from each other's runs: one of its own for each run.

    ``make`` is given the run's slices of the (R, ...) parameters as leaves which share their memory, and returns the
    optimizers that together step one run. Costs R times the calls of one. A run in which one raises `LinAlgError` has
    come to numbers that are not finite: its parameters become NaN, so that it ends as diverged, and the others go on.
    """

    def __init__(
        self, params: Sequence[Tensor], lr: Sequence[float], make: Callable[[Sequence[Tensor], float], list[Optimizer]]
    ) -> None:
        super().__init__(params, {"lr": torch.tensor(lr, dtype=torch.float64)})
        self._parameters: list[Tensor] = list(params)
        self._slices = [[p.detach()[run].requires_grad_() for p in params] for run in range(len(lr))]
        self._inner = [make(slices, rate) for slices, rate in zip(self._slices, lr, strict=True)]
        self._lost: set[int] = set()

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step from the gradients in ``.grad``; parameters without one stay."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for run, slices in enumerate(self._slices):
            if run in self._lost:
                continue
            for p, own in zip(self._parameters, slices, strict=True):
                own.grad = None if p.grad is None else p.grad[run]
            try:
                for optimizer in self._inner[run]:
                    optimizer.step()
            except torch.linalg.LinAlgError:  # type: ignore[attr-defined]  # public by its documentation
                self._lost.add(run)
                torch._foreach_mul_(slices, torch.nan)
        return loss
