"""Wrong memories which do not take H0 for what it is, each with one sin, which its name says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from adaqn_lab import Diagonal, History
from adaqn_lab.protocols import InitialMatrix
from verification.mutants.memory import WrongWindow
from verification.mutants.naming import by_sin


class WritesIntoH0(WrongWindow):
    """Takes what H0 is made of for its own: the scaling's accumulator doubles at every product."""

    def apply_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        d = super().apply_(state, v, h0)
        for x in vars(h0).values():
            if isinstance(x, Tensor):
                x.mul_(2.0)
        return d


class _RewritesDiagonal(WrongWindow, ABC):
    """Applies another Diagonal than it was given."""

    @abstractmethod
    def rewritten(self, h0: Diagonal) -> Diagonal:
        """The wrong one."""

    def apply_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        return super().apply_(state, v, self.rewritten(h0) if isinstance(h0, Diagonal) else h0)


class GammaOfTheFirstRun(_RewritesDiagonal):
    """One gamma for all runs."""

    def rewritten(self, h0: Diagonal) -> Diagonal:
        gamma = h0.gamma[:1].expand_as(h0.gamma).contiguous() if isinstance(h0.gamma, Tensor) else h0.gamma
        return replace(h0, gamma=gamma)


class ForgetsTheWeight(_RewritesDiagonal):
    """1 / sqrt(G + eps)."""

    def rewritten(self, h0: Diagonal) -> Diagonal:
        return replace(h0, weight=None)


class ForgetsEps(_RewritesDiagonal):
    """1 / sqrt(weight G)."""

    def rewritten(self, h0: Diagonal) -> Diagonal:
        return replace(h0, eps=0.0)


MEMORY: dict[str, Callable[[], Any]] = by_sin(
    WritesIntoH0, GammaOfTheFirstRun, ForgetsTheWeight, ForgetsEps, capacity=3
)
"""Sin -> factory."""
