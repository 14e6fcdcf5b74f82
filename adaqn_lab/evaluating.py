"""A monitor which does not change the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn


def evaluating(model: nn.Module, monitor: Callable[[], Any]) -> Callable[[], Any]:
    """``monitor`` with ``model`` in eval mode while it runs; every module's own mode is restored, whatever is raised.

    In training mode batch normalisation learns its statistics from the monitor's data, and dropout makes two
    evaluations at one point differ. Works for the other callables too. ``TypeError`` for anything else.

    >>> import torch
    >>> model = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout())
    >>> monitor = evaluating(model, lambda: model(torch.ones(4, 2)).square().mean())
    >>> _ = monitor(); int(model[0].num_batches_tracked), model.training
    (0, True)
    """
    if not isinstance(model, nn.Module) or not callable(monitor):
        raise TypeError(f"evaluating: model={model!r}, monitor={monitor!r} will not do; pass a module and () -> loss.")

    def evaluated() -> Any:
        modes = [(module, module.training) for module in model.modules()]
        try:
            model.eval()
            return monitor()
        finally:
            for module, training in modes:
                module.training = training

    return evaluated
