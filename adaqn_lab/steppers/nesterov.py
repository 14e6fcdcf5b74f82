"""Nesterov's accelerated step, with a velocity which rolls back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adaqn_lab.checks import require_real
from adaqn_lab.protocols import InnerStepper, Operator, Step
from adaqn_lab.space import Space
from adaqn_lab.steppers.composing import Around, require_stepper
from adaqn_lab.steppers.momentum import moved
from adaqn_lab.steppers.plain import Plain


@dataclass
class Acceleration:
    """``velocity`` and ``kept``, the velocity at the reference, (R, n); ``momentum`` (R,) float64; the inner state."""

    velocity: Tensor
    kept: Tensor
    momentum: Tensor
    of: Any


@dataclass(frozen=True, kw_only=True)
class Nesterov(Around):
    """u <- mu u + d_of,  d = d_of + mu u: the parameters hold the look-ahead points theta = w + mu v, v = -lr u.

    With v_{k+1} = mu v_k - lr d_of(theta_k) and w_{k+1} = w_k + v_{k+1} that is theta_{k+1} = theta_k - lr d, so the
    loop's ordinary gradient is the one at the look-ahead point, as in torch.optim.SGD(nesterov=True).

    When an average becomes the reference the velocity of that moment is kept, and a roll-back restores it (zero
    before the first): with the parameters the velocity goes back. ``mu`` starts at ``momentum``, is multiplied by
    ``shrink`` at a roll-back and by ``grow`` when a window is kept, never above ``at_most``.

    Memory: 2 n elements a run. Raises ``ValueError`` or ``TypeError`` unless 0 <= momentum <= at_most < 1,
    0 < shrink <= 1 <= grow. Source: NAQ, Ninomiya 2017; roll-back and adaptive mu after aSNAQ (Indrapriyadarsini et
    al. 2020), from memory of the literature.
    """

    momentum: float = 0.9
    shrink: float = 1.0
    grow: float = 1.0
    at_most: float = 0.99
    of: InnerStepper = Plain()

    def __post_init__(self) -> None:
        require_real("Nesterov", "at_most", self.at_most, at_least=0.0, below=1.0)
        require_real("Nesterov", "momentum", self.momentum, at_least=0.0, below=1.0)
        if self.momentum > self.at_most:
            raise ValueError(f"Nesterov: momentum={self.momentum} is above at_most={self.at_most}; raise at_most.")
        require_real("Nesterov", "shrink", self.shrink, above=0.0, at_most=1.0)
        require_real("Nesterov", "grow", self.grow, at_least=1.0)
        require_stepper("Nesterov", self.of)

    def init(self, space: Space) -> Acceleration:
        """u = 0."""
        return Acceleration(space.zeros(), space.zeros(), space.scalars(fill=self.momentum), self.of.init(space))

    def direction_(self, state: Acceleration, step: Step, operator: Operator) -> Tensor:
        """Return d_of + mu u with the new u."""
        d = self.of.direction_(state.of, step, operator)
        mu = state.momentum.to(d.dtype).unsqueeze(1)
        state.velocity = moved(state.velocity, d, mu, step)
        return d + mu * state.velocity

    def rollback_(self, state: Acceleration, where: Tensor) -> None:
        """The velocity goes back, mu shrinks."""
        state.velocity = torch.where(where.unsqueeze(1), state.kept, state.velocity)
        state.momentum = torch.where(where, state.momentum * self.shrink, state.momentum)
        self.of.rollback_(state.of, where)

    def advance_(self, state: Acceleration, where: Tensor) -> None:
        """Keep the velocity, let mu grow."""
        state.kept = torch.where(where.unsqueeze(1), state.velocity, state.kept)
        grown = (state.momentum * self.grow).clamp(max=self.at_most)
        state.momentum = torch.where(where, grown, state.momentum)
        self.of.advance_(state.of, where)
