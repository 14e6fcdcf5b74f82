"""The baselines under their names, each with the centre of its grid of learning rates."""

import torch

from studies.baselines.hessian_free import HessianFree
from studies.baselines.kfac import KFac
from studies.baselines.muon import MuonWithAdamW
from studies.baselines.shampoo import Shampoo
from studies.baselines.soap import SOAP
from studies.baselines.torch_optimizers import TorchOptimizer
from studies.variants.variant import Variant

BASELINES = (
    Variant(name="Adam", method=TorchOptimizer(torch.optim.Adam), centre=0.01),
    Variant(name="AdaGrad", method=TorchOptimizer(torch.optim.Adagrad), centre=0.1),
    Variant(name="RMSProp", method=TorchOptimizer(torch.optim.RMSprop), centre=0.01),
)
"""Adam, AdaGrad and RMSProp, each with the centre of its grid of learning rates: compared by default."""

FURTHER_BASELINES = (
    Variant(name="SGD", method=TorchOptimizer(torch.optim.SGD), centre=1.0),
    Variant(
        name="SGD-Nesterov",
        method=TorchOptimizer(torch.optim.SGD, (("momentum", 0.9), ("nesterov", True))),
        centre=0.3,
    ),
    Variant(name="AdamW", method=TorchOptimizer(torch.optim.AdamW, decay=0.01), centre=0.01),
    Variant(name="Muon", method=MuonWithAdamW(), centre=0.01),
    Variant(name="Shampoo", method=Shampoo(), centre=0.03),
    Variant(name="SOAP", method=SOAP(), centre=0.01),
    Variant(name="K-FAC", method=KFac(), centre=0.3),
    Variant(name="Hessian-free", method=HessianFree(), centre=0.3),
)
"""Baselines that run when they are named: SGD, AdamW and Muon of torch, and the second-order context."""
