"""By what is the sum over the stored gradients multiplied?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from adaqn_lab.checks import require_int


class Normalisation(Protocol):
    """The factor of sum_i g_i (g_i's), from the number of gradients held."""

    def factor(self, count: Tensor) -> Tensor:
        """(R,) int64 -> (R,) float64; ``count`` is at least 1."""
        ...


@dataclass(frozen=True)
class Mean:
    """1/|F| with |F| the gradients held now: y = (1/|F|) sum_i g_i (g_i's)."""

    def factor(self, count: Tensor) -> Tensor:
        """1 / count."""
        return count.double().reciprocal()


@dataclass(frozen=True)
class Sum:
    """1: y = sum_i g_i (g_i's), as in the authors' MATLAB code (minSQN)."""

    def factor(self, count: Tensor) -> Tensor:
        """1."""
        return count.double().fill_(1.0)


@dataclass(frozen=True, kw_only=True)
class MeanTimesBatch:
    """B/|F|: near stationarity the mean over gradients of B-example batches is 1/B of the Fisher matrix.

    E[g g'] = grad f grad f' + Cov/B for a mini-batch mean g, so the mean over stored gradients underestimates
    the per-example second moment about ``batch_size`` times.

    Raises ``ValueError`` or ``TypeError`` for ``batch_size`` < 1.
    """

    batch_size: int

    def __post_init__(self) -> None:
        require_int("MeanTimesBatch", "batch_size", self.batch_size, at_least=1)

    def factor(self, count: Tensor) -> Tensor:
        """batch_size / count."""
        return self.batch_size / count.double()
