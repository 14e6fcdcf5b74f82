"""Scalings whose H0 as data is not their H0: the direction would use another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from adaqn_lab import AdaGrad
from adaqn_lab.diagonal import Diagonal
from adaqn_lab.protocols import Curvature
from verification.mutants.naming import by_sin


class _Two(AdaGrad):
    """``apply_`` is AdaGrad's own; the diagonal is somebody's second version of it."""

    def apply_(self, state: Any, history: Curvature, v: Tensor) -> Tensor:
        return AdaGrad.diagonal(self, state, history).apply_(v)


class DiagonalOfAnotherEps(_Two):
    """1 / sqrt(G + 1) for 1 / sqrt(G + eps)."""

    def diagonal(self, state: Any, history: Curvature) -> Diagonal:
        return replace(super().diagonal(state, history), eps=1.0)


class DiagonalOfHalfTheRoot(_Two):
    """2 / sqrt(G + 4 eps): a weight that apply_ knows nothing of."""

    def diagonal(self, state: Any, history: Curvature) -> Diagonal:
        weight = state.total.new_ones(len(state.total)).double() / 4
        return replace(super().diagonal(state, history), weight=weight)


SCALING: dict[str, Callable[[], Any]] = by_sin(DiagonalOfAnotherEps, DiagonalOfHalfTheRoot)
"""Sin -> factory."""
