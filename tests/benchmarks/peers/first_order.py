"""Whole steps of torch's own first-order optimizers."""

from __future__ import annotations

from collections.abc import Callable

import torch

from tests.benchmarks.stepping import LR, GivenGradients

FIRST_ORDER: dict[str, Callable[[GivenGradients], torch.optim.Optimizer]] = {
    "foreach Adam": lambda given: torch.optim.Adam(given.parameters, lr=LR, foreach=True),
    "fused Adam": lambda given: torch.optim.Adam(given.parameters, lr=LR, fused=True),
    "AdaGrad": lambda given: torch.optim.Adagrad(given.parameters, lr=LR, foreach=True),
    "Muon (matrices only)": lambda given: torch.optim.Muon(given.matrices, lr=LR),
}
