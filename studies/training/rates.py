"""An optimizer's learning rates over a run."""

import torch
from torch import Tensor
from torch.optim import Optimizer

from studies.training.schedule import Schedule


class Rates:
    """Multiplies the rates with which an optimizer was built by a schedule's factor at every step.

    A rate that is a tensor is filled in place, so that a captured step sees it; nothing is done where the schedule is
    constant.
    """

    def __init__(self, optimizer: Optimizer, schedule: Schedule) -> None:
        groups = [] if schedule.constant else optimizer.param_groups
        self._schedule = schedule
        self._given = [(g, g["lr"].clone() if isinstance(g["lr"], Tensor) else g["lr"]) for g in groups]

    def set(self, step: int) -> None:
        """Set the rates of ``step`` = 1, 2, ..."""
        for group, given in self._given:
            factor = self._schedule.factor(step)
            if isinstance(given, Tensor):
                torch.mul(given, factor, out=group["lr"])
            else:
                group["lr"] = given * factor
