"""First-order baselines from `torch.optim`, under the same interface as a recipe."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from studies.baselines.factory import Callables
from studies.baselines.rates import RunRates

Options = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class TorchOptimizer:
    """An optimizer class of `torch.optim`, with torch's own defaults except for ``options`` and the learning rate.

    For R runs, and on a GPU for one too, its update must be elementwise, in proportion to lr (`RunRates`); there it is
    made ``capturable``, if the class knows that. ``decay`` is the ``weight_decay`` of a class which decouples it,
    w <- (1 - lr decay) w.
    """

    kind: Callable[..., Optimizer]
    options: Options = ()
    decay: float | None = None

    def build(self, params: Sequence[Tensor], lr: Sequence[float], callables: Callables) -> Optimizer:
        """Return the optimizer over ``params``, (R, ...) each."""
        if len(lr) > 1 or params[0].is_cuda:
            return RunRates(params, lr, self._make, decay=self.decay or 0.0)
        decay = {} if self.decay is None else {"weight_decay": self.decay}
        return self.kind(params, lr=lr[0], **dict(self.options), **decay)

    def _make(self, params: Sequence[Tensor], lr: float) -> Optimizer:
        decay = {} if self.decay is None else {"weight_decay": 0.0}
        return self.kind(params, lr=lr, **dict(self.options), **decay, **self._for(params[0]))

    def _for(self, parameter: Tensor) -> dict[str, bool]:
        known = inspect.signature(self.kind).parameters
        return {"capturable": True} if parameter.is_cuda and "capturable" in known else {}

    def __repr__(self) -> str:
        decay = () if self.decay is None else (("weight_decay", self.decay),)
        options = ", ".join(f"{name}={value!r}" for name, value in (*self.options, *decay))
        module = "torch.optim" if self.kind.__module__.startswith("torch.optim") else self.kind.__module__
        return f"{module}.{self.kind.__name__}({options})"
