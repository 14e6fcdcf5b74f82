"""How a baseline enters a study."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor
from torch.optim import Optimizer

Callables = Mapping[str, Callable[[], Any]]
"""What training can tell beside gradients, by the argument of `QuasiNewton` that takes it."""


@runtime_checkable
class OptimizerFactory(Protocol):
    """Anything with `build`: how a baseline enters a study."""

    def build(self, params: Sequence[Tensor], lr: Sequence[float], callables: Callables) -> Optimizer:
        """Return the optimizer over ``params``, (R, ...) each, for R runs with the rates ``lr``."""
        ...
