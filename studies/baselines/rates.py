"""Optimizers made for one model and one rate, at work on R models with R rates."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.optim import SGD, Adagrad, Optimizer

from studies.baselines.runs import RunsOptimizer, each_run

Make = Callable[[Sequence[Tensor], float], Optimizer]
"""(parameters, lr) to an optimizer over them."""


class RunRates(RunsOptimizer):
    """An elementwise optimizer whose step is in proportion to lr, over (R, ...) parameters with R rates.

    The optimizer itself works at lr = 1 on shadow parameters that are put back to zero after every step, so what it
    leaves in them is minus its direction, by its own arithmetic; then w <- w + lr (shadow). One rounding more than
    with the rate inside. Weight decay would see the zeros, so an optimizer that has some is refused
    (``ValueError``); decoupled ``decay`` is done here, w <- (1 - lr decay) w before the step. Parameters without a
    gradient stay.
    """

    def __init__(self, params: Sequence[Tensor], lr: Sequence[float], make: Make, *, decay: float = 0.0) -> None:
        super().__init__(params, lr)
        self._shadows = [torch.zeros_like(p) for p in params]
        self._inner, self._decay = make(self._shadows, 1.0), decay
        if any(group.get("weight_decay", 0.0) for group in self._inner.param_groups):
            raise ValueError(
                f"{type(self._inner).__name__} has weight decay, which would not see the weights here; "
                "set it to 0, or run it on one run at a time."
            )
        self.capturable = all(_capturable(self._inner, group) for group in self._inner.param_groups)

    def _advance(self) -> None:
        for p, shadow in zip(self._parameters, self._shadows, strict=True):
            shadow.grad = p.grad
        self._inner.step()
        rates = each_run(self._lr, self._parameters)
        moving = [(p, rate) for p, rate in zip(self._parameters, rates, strict=True) if p.grad is not None]
        if self._decay and moving:
            torch._foreach_mul_([p for p, _ in moving], [1.0 - rate * self._decay for _, rate in moving])
        torch._foreach_addcmul_(self._parameters, self._shadows, rates)
        torch._foreach_zero_(self._shadows)


def _capturable(inner: Optimizer, group: dict[str, object]) -> bool:
    """Whether torch's optimizer asks nothing of the device: SGD counts no steps, the others say it themselves.

    Adagrad has no such option. On a GPU it counts steps on the host, and only the decay of its rate asks for them.
    """
    if isinstance(inner, Adagrad):
        return inner.param_groups[0]["params"][0].is_cuda and not group["lr_decay"]
    return isinstance(inner, SGD) or bool(group.get("capturable", False))
