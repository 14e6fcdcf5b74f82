"""Losses: what a model's outputs are worth on a batch's targets, a mean over what counts, one number a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

NOT_COUNTED = -100
"""The target of a position whose prediction is not charged."""


class Objective(Protocol):
    """``outputs`` (R, T, B, O), time before batch, and ``targets`` (R, B, ...) to losses (R,)."""

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each run; no run's numbers enter another's."""
        ...

    def sampled(self, outputs: Tensor, targets: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Return the loss of each run on targets drawn from what the outputs predict, each run by its generator.

        Its gradients have the Fisher matrix as their second moment. Of ``targets`` only the places count.
        """
        ...


@dataclass(frozen=True)
class CrossEntropy:
    """Mean of -ln p(target) over all positions, in nats; targets (R, B, T), `NOT_COUNTED` is left out."""

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each run."""
        wanted = targets.transpose(1, 2).reshape(-1)
        # reshape, not flatten: the model hands the logits on as one block, so this copies nothing.
        charged = functional.cross_entropy(
            outputs.reshape(-1, outputs.shape[-1]), wanted, reduction="none", ignore_index=NOT_COUNTED
        )
        runs = outputs.shape[0]
        counted = (wanted != NOT_COUNTED).view(runs, -1).sum(1)
        return charged.view(runs, -1).sum(1) / counted

    def sampled(self, outputs: Tensor, targets: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Return the loss on drawn symbols: the largest of the logits after Gumbel noise."""
        drawn = []
        for logits, generator in zip(outputs.detach(), generators, strict=True):
            noise = torch.rand(logits.shape, generator=generator).to(logits)
            drawn.append((logits - torch.log(-torch.log(noise))).argmax(-1).T)
        return self(outputs, torch.where(targets == NOT_COUNTED, NOT_COUNTED, torch.stack(drawn)))


@dataclass(frozen=True)
class SquaredErrorAtEnd:
    """Mean of (output - target)^2 at the last position; targets (R, B) numbers, one output."""

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each run."""
        return torch.mean((outputs[:, -1, :, 0] - targets) ** 2, dim=1)

    def sampled(self, outputs: Tensor, targets: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Return the loss on outputs + noise: a squared error is -ln p, but for a constant, at variance 1/2."""
        told = outputs[:, -1, :, 0].detach()
        noise = torch.stack([torch.randn(targets.shape[1], generator=generator) for generator in generators])
        return self(outputs, told + noise.to(told) / 2**0.5)
