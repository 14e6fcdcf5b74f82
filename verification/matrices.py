"""What wrong scalings make their H0 of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from adaqn_lab.protocols import InitialMatrix


@dataclass(frozen=True)
class Product:
    """An H0 whose product is any function of v; ``honest`` solves."""

    product: Callable[[Tensor], Tensor]
    honest: InitialMatrix

    def apply_(self, v: Tensor) -> Tensor:
        """Return the function's value."""
        return self.product(v)

    def solve_(self, v: Tensor) -> Tensor:
        """Return what the honest one returns."""
        return self.honest.solve_(v)
