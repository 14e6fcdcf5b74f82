"""A memory whose pairs are repaired before it judges them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from torch import Tensor

from adaqn_lab.memory.repairs import PowellB, Repair
from adaqn_lab.memory.window import Window
from adaqn_lab.memory.wrapping import Wrapping, require_memory
from adaqn_lab.operator import require_inverse
from adaqn_lab.protocols import Displacement, MemoryPolicy, Operator, Verdict

if TYPE_CHECKING:
    from adaqn_lab.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Repaired(Wrapping):
    """``of`` holds (s, y) as ``by`` repairs them with the H of the pairs held so far; its test sees the repaired pair.

    Two dampings are two of these, the outer one first. The verdict's s'y, s's, y'y are the repaired pair's.
    Raises ``TypeError`` if ``of`` is no memory, ``by`` no repair, or B is needed and cannot be formed.
    """

    by: Repair = PowellB()
    of: MemoryPolicy = Window()

    def __post_init__(self) -> None:
        require_memory("Repaired", self.of)
        if isinstance(self.by, type) or not callable(getattr(self.by, "repair", None)):
            raise TypeError(f"Repaired: by={self.by!r} is no Repair; pass one, for example PowellB().")

    def check_recipe(self, recipe: Recipe) -> None:
        """B must exist where the repair needs it."""
        if self.by.needs_inverse:
            require_inverse(f"Repaired(by={self.by!r})", self.of)
        super().check_recipe(recipe)

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        """Repair, then let ``of`` judge."""
        s, repaired = self.by.repair(move.s, y, operator)
        return self.of.admit_(state, replace(move, s=s), repaired, operator)
