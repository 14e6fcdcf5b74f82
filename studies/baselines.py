"""First-order baselines from `torch.optim`, under the same interface as a recipe."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from studies.variants import Variant


@dataclass(frozen=True)
class TorchOptimizer:
    """An optimizer class of `torch.optim` with torch's own defaults, except for the learning rate."""

    kind: Callable[..., Optimizer]

    def build(self, params: Sequence[Tensor], lr: float) -> Optimizer:
        """Return the optimizer over ``params``."""
        return self.kind(params, lr=lr)

    def __repr__(self) -> str:
        return f"torch.optim.{self.kind.__name__}()"


BASELINES = (
    Variant(name="Adam", method=TorchOptimizer(torch.optim.Adam), centre=0.01),
    Variant(name="AdaGrad", method=TorchOptimizer(torch.optim.Adagrad), centre=0.1),
    Variant(name="RMSProp", method=TorchOptimizer(torch.optim.RMSprop), centre=0.01),
)
"""Adam, AdaGrad and RMSProp, each with the centre of its grid of learning rates."""
