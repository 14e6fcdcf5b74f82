"""What the scalings with a diagonal H0 share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from adaqn_lab.diagonal import Diagonal
from adaqn_lab.protocols import Curvature


class Elementwise(ABC):
    """``apply_`` and ``apply_inverse_`` of a scaling which says H0 as a :class:`~adaqn_lab.diagonal.Diagonal`."""

    @abstractmethod
    def diagonal(self, state: Any, history: Curvature) -> Diagonal:
        """H0 as data."""

    def apply_(self, state: Any, history: Curvature, v: Tensor) -> Tensor:
        """Return H0 v, in place."""
        return self.diagonal(state, history).apply_(v)

    def apply_inverse_(self, state: Any, history: Curvature, v: Tensor) -> Tensor:
        """Return H0^-1 v, in place."""
        return self.diagonal(state, history).apply_inverse_(v)
