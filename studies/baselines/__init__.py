"""What adaQN is compared with: first-order optimizers, and the second-order methods of the paper's context."""

import torch

from studies.baselines.rates import RunByRun, RunRates
from studies.baselines.torch_optimizers import MuonWithAdamW, TorchOptimizer
from studies.variants import Variant

BASELINES = (
    Variant(name="Adam", method=TorchOptimizer(torch.optim.Adam), centre=0.01),
    Variant(name="AdaGrad", method=TorchOptimizer(torch.optim.Adagrad), centre=0.1),
    Variant(name="RMSProp", method=TorchOptimizer(torch.optim.RMSprop), centre=0.01),
)
"""Adam, AdaGrad and RMSProp, each with the centre of its grid of learning rates: compared by default."""

FURTHER_BASELINES = (
    Variant(
        name="SGD-Nesterov",
        method=TorchOptimizer(torch.optim.SGD, (("momentum", 0.9), ("nesterov", True))),
        centre=0.3,
    ),
    Variant(name="AdamW", method=TorchOptimizer(torch.optim.AdamW, decay=0.01), centre=0.01),
    Variant(name="Muon", method=MuonWithAdamW(), centre=0.01),
)
"""Baselines that run when they are named."""

__all__ = ["BASELINES", "FURTHER_BASELINES", "MuonWithAdamW", "RunByRun", "RunRates", "TorchOptimizer"]
