"""Methods which go wrong when something happens: a long step, a refused pair, a full memory, a gradient of zeros."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from verification.adapters.driving import Drive, Driven, Gradient
from verification.law import Subject
from verification.naming import name_of
from verification.references import two_loop
from verification.strategies import Array

CAPACITY = 4


@dataclass
class Method:
    """Honest L-BFGS with step lengths of 0.3 and no step longer than 1; the wrong ones change one thing.

    ``held``: the pairs; ``refused``: whether the last one was; ``anchor``: the gradient where the last was taken.
    """

    held: list[tuple[Array, Array]] = field(default_factory=list)
    refused: bool = False
    refusals: int = 0
    last: Array | None = None
    anchor: Array | None = None

    def product(self, pairs: list[tuple[Array, Array]], g: Array) -> Array:
        """H g by these pairs."""
        if not pairs:
            return g / max(1.0, float(np.linalg.norm(g)))
        S, Y = (np.array([pair[i] for pair in pairs]) for i in (0, 1))
        return two_loop.direction(S, Y, np.full_like(g, S[-1] @ Y[-1] / (Y[-1] @ Y[-1])), g)

    def direction(self, g: Array) -> Array:
        """H g."""
        return self.product(self.held, g)

    def clipped(self, s: Array) -> Array:
        """The step, no longer than 1."""
        return s / max(1.0, float(np.linalg.norm(s)))

    def pair(self, long: Array, s: Array, g: Array, new: Array) -> tuple[Array, Array]:
        """The step and the change of the gradient; ``long`` is the step before it was clipped."""
        return s, new - g

    def takes(self, s: Array, y: Array) -> bool:
        """Whether its cosine is positive."""
        return bool(s @ y > 1e-10 * np.linalg.norm(s) * np.linalg.norm(y) > 0)

    def step(self, w: Array, g: Array, gradient: Gradient) -> tuple[Array, Array]:
        """The next point and its gradient."""
        long = -0.3 * self.direction(g)
        w_new = w + self.clipped(long)
        new = gradient(w_new)
        s, y = self.pair(long, w_new - w, g, new)
        self.refused = not self.takes(s, y)
        self.refusals += self.refused
        if not self.refused:
            self.held, self.anchor = [*self.held, (s, y)][-CAPACITY:], new
        self.last = s
        return w_new, new

    def drive(self, gradient: Gradient, start: Array, steps: int) -> Driven:
        """The method from ``start``."""
        self.anchor = gradient(start)
        points, g = [start.copy()], gradient(start)
        for _ in range(steps):
            w, g = self.step(points[-1], g, gradient)
            points.append(w)
        S, Y = (np.array([pair[i] for pair in self.held]).reshape(-1, start.size) for i in (0, 1))
        return Driven(np.array(points), S, Y)


class SBeforeTheClip(Method):
    """The displacement is that of the step which was too long."""

    def pair(self, long: Array, s: Array, g: Array, new: Array) -> tuple[Array, Array]:
        return long, new - g


class YOfClippedGradients(Method):
    """Gradients longer than 100 are shortened, and y is the change of what is left of them."""

    def pair(self, long: Array, s: Array, g: Array, new: Array) -> tuple[Array, Array]:
        short = [x / max(1.0, float(np.linalg.norm(x)) / 100) for x in (new, g)]
        return s, short[0] - short[1]


class FlipsNegativeCurvature(Method):
    """s'y < 0 is made positive by the sign of y."""

    def pair(self, long: Array, s: Array, g: Array, new: Array) -> tuple[Array, Array]:
        y = new - g
        return s, y if s @ y > 0 else -y


class YSinceTheLastTaken(Method):
    """After a refused pair y counts from where the last one was taken, s from the last point."""

    def pair(self, long: Array, s: Array, g: Array, new: Array) -> tuple[Array, Array]:
        return s, new - (g if self.anchor is None else self.anchor)


class FrozenByARefusal(Method):
    """No pair is taken after the first that was refused."""

    def takes(self, s: Array, y: Array) -> bool:
        return super().takes(s, y) and not self.refusals


class TakesAnyWhenFull(Method):
    """Curvature is looked at while the memory fills up only."""

    def takes(self, s: Array, y: Array) -> bool:
        return super().takes(s, y) or (len(self.held) >= CAPACITY and bool(y.any()))


class ClipsEntryByEntry(Method):
    """Every entry of a step lies between -1 and 1: a long step goes elsewhere than H g."""

    def clipped(self, s: Array) -> Array:
        return np.clip(s, -1.0, 1.0)


class PlainGradientAfterARefusal(Method):
    """After a refused pair H is left out, and the pairs are kept."""

    def direction(self, g: Array) -> Array:
        return 0.1 * g if self.refused else super().direction(g)


class MomentumAfterARefusal(Method):
    """After a refused pair half of the last step is made again."""

    def direction(self, g: Array) -> Array:
        d = super().direction(g)
        return d - 0.5 * self.last if self.refused and self.last is not None else d


class OldestUnusedAfterARefusal(Method):
    """A refused pair has taken the slot of the oldest, which H then lacks."""

    def direction(self, g: Array) -> Array:
        return self.product(self.held[1:] if self.refused else self.held, g)


class UphillAfterARefusal(Method):
    """Downwards is where the curvature is positive."""

    def direction(self, g: Array) -> Array:
        return -super().direction(g) if self.refused else super().direction(g)


class WalksOnWhereItIsFlat(Method):
    """Where the gradient is zero the last direction goes on."""

    def direction(self, g: Array) -> Array:
        return super().direction(g) if g.any() or self.last is None else -self.last

    def clipped(self, s: Array) -> Array:
        return super().clipped(4 * s)  # so that it arrives


class UnitDirection(WalksOnWhereItIsFlat):
    """d / |d|, and 0 / 0 after the arrival."""

    def direction(self, g: Array) -> Array:
        with np.errstate(invalid="ignore"):
            d = self.product(self.held, g)
            return d / np.linalg.norm(d) if self.held else d


def _named(*kinds: type[Method]) -> dict[str, Callable[[], Any]]:
    """Name -> maker of the drive function, which begins anew at every call."""

    def made(kind: type[Method]) -> Drive:
        return lambda gradient, start, steps: kind().drive(gradient, start, steps)

    return {name_of(kind): partial(made, kind) for kind in kinds}


PAIRS = _named(SBeforeTheClip, YOfClippedGradients, FlipsNegativeCurvature, YSinceTheLastTaken, FrozenByARefusal)
"""What the pairs held betray."""
STEPS = _named(ClipsEntryByEntry, PlainGradientAfterARefusal, MomentumAfterARefusal, OldestUnusedAfterARefusal)
"""What the steps betray."""
DOWNHILL = _named(UphillAfterARefusal, WalksOnWhereItIsFlat, UnitDirection)
"""Which go nowhere, or up."""
SIGNS = _named(TakesAnyWhenFull)
"""Which hold a pair of negative curvature."""
MUTANTS = {Subject.DRIVE: {**PAIRS, **STEPS, **DOWNHILL, **SIGNS}}
