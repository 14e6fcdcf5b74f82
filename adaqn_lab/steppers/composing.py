"""Steppers around another stepper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from adaqn_lab.linalg import dot
from adaqn_lab.protocols import InnerStepper, Need, lacking

if TYPE_CHECKING:
    from adaqn_lab.recipe import Recipe
    from adaqn_lab.space import Space


def require_stepper(owner: str, of: object) -> None:
    """Raise ``TypeError`` in one sentence unless ``of`` is an inner stepper."""
    if isinstance(of, type) or lacking(InnerStepper, of):
        raise TypeError(f"{owner}: of={of!r} is no InnerStepper; pass a stepper, for example Plain().")


UP = 2.0**64
"""Squares of float32 vectors shorter than 1e-19 vanish, those of their multiples by this do not."""


def length_of(d: Tensor) -> Tensor:
    """|d| (R, 1) in d's dtype, of short vectors too."""
    squares, longer = dot(d, d), d * UP
    squares = torch.where(squares < 1 / UP, dot(longer, longer) / UP**2, squares)
    return squares.sqrt().to(d.dtype).unsqueeze(1)


class Around:
    """What every stepper around another one asks of the training loop: what the inner one does."""

    of: InnerStepper

    @property
    def needs(self) -> frozenset[Need]:
        """The inner stepper's."""
        return self.of.needs

    def check_recipe(self, recipe: Recipe) -> None:
        """Ask the inner stepper."""
        self.of.check_recipe(recipe)


class Composing(Around):
    """What a stepper without a state of its own leaves to the one inside: its state is the inner one's."""

    def init(self, space: Space) -> Any:
        """The inner stepper's state."""
        return self.of.init(space)

    def advance_(self, state: Any, where: Tensor) -> None:
        """Tell the inner stepper."""
        self.of.advance_(state, where)

    def rollback_(self, state: Any, where: Tensor) -> None:
        """Tell the inner stepper."""
        self.of.rollback_(state, where)
