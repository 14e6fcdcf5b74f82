"""Scalings whose H0 is no value: it writes, wears out, or its two products do not belong together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import AdaGrad, BarzilaiBorwein, Diagonal
from adaqn_lab.protocols import Curvature
from verification.mutants.matrices import Product
from verification.mutants.naming import by_sin


class SolveOfAnotherEps(AdaGrad):
    """solve_ has sqrt(G + 1) for sqrt(G + eps)."""

    def h0(self, state: Any, curvature: Curvature) -> Any:
        right = super().h0(state, curvature)
        return Product(right.apply_, replace(right, eps=1.0))


class SolveForgetsGamma(BarzilaiBorwein):
    """solve_ is that of the identity."""

    def h0(self, state: Any, curvature: Curvature) -> Any:
        return Product(super().h0(state, curvature).apply_, Diagonal())


class H0WritesIntoState(AdaGrad):
    """eps is added to the accumulator itself, at every asking."""

    def h0(self, state: Any, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.total.add_(self.eps))


class _Once:
    """H0 by its entries, which the first product writes over."""

    def __init__(self, entries: Tensor) -> None:
        self.entries = entries

    def apply_(self, v: Tensor) -> Tensor:
        """Return H0 v, in the entries."""
        return self.entries.mul_(v)

    def solve_(self, v: Tensor) -> Tensor:
        """Return H0^-1 v."""
        return v.div_(self.entries)


class H0UsedUp(AdaGrad):
    """The first product writes over the entries."""

    def h0(self, state: Any, curvature: Curvature) -> Any:
        return _Once(torch.rsqrt(state.total + self.eps))


SCALING: dict[str, Callable[[], Any]] = by_sin(SolveOfAnotherEps, SolveForgetsGamma, H0WritesIntoState, H0UsedUp)
"""Sin -> factory."""
