"""Forwarding to the memory inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from adaqn_lab.protocols import Apply, MemoryPolicy
from adaqn_lab.space import Space

if TYPE_CHECKING:
    from adaqn_lab.recipe import Recipe


def require_memory(owner: str, of: object) -> None:
    """Raise ``TypeError`` in one sentence unless ``of`` is a memory policy."""
    if isinstance(of, type) or not isinstance(of, MemoryPolicy):
        raise TypeError(f"{owner}: of={of!r} is no MemoryPolicy; pass a memory, for example Window().")


class Wrapping:
    """What a memory around another memory leaves to it; its state is the inner one's."""

    of: MemoryPolicy

    def init(self, space: Space) -> Any:
        """The inner memory's state."""
        return self.of.init(space)

    def apply(self, state: Any, v: Tensor, h0: Apply) -> Tensor:
        """Return H v."""
        return self.of.apply(state, v, h0)

    def reset_(self, state: Any, where: Tensor) -> None:
        """Drop the pairs."""
        self.of.reset_(state, where)

    def check_recipe(self, recipe: Recipe) -> None:
        """Ask the memory inside."""
        if hasattr(self.of, "check_recipe"):
            self.of.check_recipe(recipe)

    def check_space(self, space: Space) -> None:
        """Ask the memory inside."""
        if hasattr(self.of, "check_space"):
            self.of.check_space(space)

    def __getattr__(self, name: str) -> Any:
        """``apply_inverse`` and ``apply_`` exist where the inner memory has them."""
        if name in ("apply_inverse", "apply_") and "of" in self.__dict__:
            return getattr(self.of, name)
        raise AttributeError(f"{type(self).__name__} has no {name}")
