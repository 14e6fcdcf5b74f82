"""Forwarding to the memory inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from adaqn_lab.protocols import InitialMatrix, MemoryPolicy, Need, lacking
from adaqn_lab.space import Space

if TYPE_CHECKING:
    from adaqn_lab.recipe import Recipe


def require_memory(owner: str, of: object) -> None:
    """Raise ``TypeError`` in one sentence unless ``of`` is a memory policy."""
    if isinstance(of, type) or lacking(MemoryPolicy, of):
        raise TypeError(f"{owner}: of={of!r} is no MemoryPolicy; pass a memory, for example Window().")


class Wrapping:
    """What a memory around another memory leaves to it; its state is the inner one's, unless it makes its own."""

    of: MemoryPolicy

    @property
    def needs(self) -> frozenset[Need]:
        """The inner memory's."""
        return self.of.needs

    @property
    def invertible(self) -> bool:
        """Whether the inner memory is."""
        return self.of.invertible

    def check_recipe(self, recipe: Recipe) -> None:
        """Ask the memory inside."""
        self.of.check_recipe(recipe)

    def init(self, space: Space) -> Any:
        """The inner memory's state."""
        return self.of.init(space)

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Return H v."""
        return self.of.apply_(state, v, h0)

    def solve_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Return B v."""
        return self.of.solve_(state, v, h0)

    def reset_(self, state: Any, where: Tensor) -> None:
        """Drop the pairs."""
        self.of.reset_(state, where)
