"""Steppers around another stepper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from adaqn_lab.linalg import dot
from adaqn_lab.protocols import InnerStepper

if TYPE_CHECKING:
    from adaqn_lab.space import Space


def require_stepper(owner: str, of: object) -> None:
    """Raise ``TypeError`` in one sentence unless ``of`` is an inner stepper."""
    if isinstance(of, type) or not isinstance(of, InnerStepper):
        raise TypeError(f"{owner}: of={of!r} is no InnerStepper; pass a stepper, for example Plain().")


def length_of(d: Tensor) -> Tensor:
    """|d| (R, 1) in d's dtype."""
    return dot(d, d).sqrt().to(d.dtype).unsqueeze(1)


def advance_inner_(of: Any, state: Any, where: Tensor) -> None:
    """Pass ``advance_`` on to a stepper which has it."""
    if hasattr(of, "advance_"):
        of.advance_(state, where)


class Composing:
    """What a stepper without a state of its own leaves to the one inside: its state is the inner one's."""

    of: InnerStepper

    def init(self, space: Space) -> Any:
        """The inner stepper's state."""
        return self.of.init(space)

    def rollback_(self, state: Any, where: Tensor) -> None:
        """Tell the inner stepper."""
        self.of.rollback_(state, where)

    def advance_(self, state: Any, where: Tensor) -> None:
        """Tell the inner stepper."""
        advance_inner_(self.of, state, where)
