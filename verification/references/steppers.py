"""The shipped steppers' rules in NumPy, float64, with a bound on what rounding makes of them.

Every array is (R, n), H = diag(h). A value is a pair (d, e): e bounds |computed - d| in units of the unit roundoff, to
first order, as it goes through the rule (Higham, Accuracy and Stability of Numerical Algorithms, 2002, chapter 3).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.law import Property
from verification.steppers.clipped import CLIPPED
from verification.steppers.decaying import DECAYING
from verification.steppers.gradient import GRADIENT
from verification.steppers.gradient_average import GRADIENT_AVERAGE
from verification.steppers.momentum import HEAVY_BALL
from verification.steppers.nesterov import NESTEROV
from verification.steppers.normalised import UNIT
from verification.steppers.plain import PLAIN
from verification.steppers.plus_gradient import PLUS_GRADIENT
from verification.steppers.warm_start import WARM_START

Array = NDArray[Any]
Value = tuple[Array, Array]


def _norm(x: Array) -> Array:
    return np.asarray(np.linalg.norm(x, axis=1, keepdims=True))


class Rule:
    """d = g; ``part`` has the rule's numbers, ``of`` is the rule inside, if the part has a stepper inside."""

    def __init__(self, part: Any, h: Array) -> None:
        self.part, self.h = part, h.astype(np.float64)
        self.of = rule(part.of, h) if hasattr(part, "of") else None

    def inner(self, k: int, g: Value, where: Array) -> Value:
        """The direction of the rule inside, H g where there is none."""
        if self.of is not None:
            return self.of.step(k, g, where)
        d = self.h * g[0]
        return d, self.h * g[1] + np.abs(d)

    def step(self, k: int, g: Value, where: Array) -> Value:
        """The direction of step k from 1 for the gradient ``g``; ``where`` (R, 1) says whose it is."""
        return g

    def back(self, where: Array) -> None:
        """A roll-back of the runs in ``where`` (R, 1)."""
        if self.of is not None:
            self.of.back(where)

    def on(self, where: Array) -> None:
        """An advance of them."""
        if self.of is not None:
            self.of.on(where)


class Direct(Rule):
    """d = H g."""

    def step(self, k: int, g: Value, where: Array) -> Value:
        """One product each."""
        return self.inner(k, g, where)


class HeavyBall(Rule):
    """u <- momentum u + d_of, d = u."""

    def __init__(self, part: Any, h: Array) -> None:
        super().__init__(part, h)
        self.u: Value = (np.zeros(h.shape), np.zeros(h.shape))

    def step(self, k: int, g: Value, where: Array) -> Value:
        """One product and one sum each."""
        self.u = self._moved(self.inner(k, g, where), self.part.momentum, where)
        return self.u

    def _moved(self, d: Value, mu: Any, where: Array) -> Value:
        u = mu * self.u[0] + d[0]
        e = mu * self.u[1] + d[1] + 2 * np.abs(mu * self.u[0]) + np.abs(u)
        return np.where(where, u, self.u[0]), np.where(where, e, self.u[1])

    def back(self, where: Array) -> None:
        """u = 0."""
        super().back(where)
        self.u = (np.where(where, 0.0, self.u[0]), np.where(where, 0.0, self.u[1]))


class Accelerated(HeavyBall):
    """u <- mu u + d_of, d = d_of + mu u; u and mu follow the windows."""

    def __init__(self, part: Any, h: Array) -> None:
        super().__init__(part, h)
        self.kept, self.mu = self.u, np.full((len(h), 1), part.momentum)

    def step(self, k: int, g: Value, where: Array) -> Value:
        """Look ahead."""
        d = self.inner(k, g, where)
        self.u = self._moved(d, self.mu, where)
        ahead = self.mu * self.u[0]
        return d[0] + ahead, d[1] + self.mu * self.u[1] + 2 * np.abs(ahead) + np.abs(d[0] + ahead)

    def back(self, where: Array) -> None:
        """u as kept, mu shrinks."""
        kept = self.kept
        super().back(where)
        self.u = (np.where(where, kept[0], self.u[0]), np.where(where, kept[1], self.u[1]))
        self.mu = np.where(where, self.mu * self.part.shrink, self.mu)

    def on(self, where: Array) -> None:
        """u is kept, mu grows."""
        super().on(where)
        self.kept = (np.where(where, self.u[0], self.kept[0]), np.where(where, self.u[1], self.kept[1]))
        self.mu = np.where(where, np.minimum(self.mu * self.part.grow, self.part.at_most), self.mu)


class Unit(Rule):
    """d = d_of / |d_of|, 0 for 0."""

    def step(self, k: int, g: Value, where: Array) -> Value:
        """A length is a sum of n squares."""
        d, e = self.inner(k, g, where)
        length = _norm(d) + (_norm(d) == 0)
        return d / length, (e + np.abs(d) * (_norm(e) / length + d.shape[1] + 2)) / length


class Shortened(Rule):
    """d = d_of min(1, radius / |d_of|)."""

    def step(self, k: int, g: Value, where: Array) -> Value:
        """The same; on either side of the radius the factor is 1 up to rounding."""
        d, e = self.inner(k, g, where)
        length = _norm(d) + (_norm(d) == 0)
        factor = np.minimum(1.0, self.part.radius / length)
        return d * factor, factor * (e + np.abs(d) * (_norm(e) / length + d.shape[1] + 2))


class WithGradient(Rule):
    """d = d_of + weight g."""

    def step(self, k: int, g: Value, where: Array) -> Value:
        """One product and one sum each."""
        d, e = self.inner(k, g, where)
        more = self.part.weight * g[0]
        return d + more, e + self.part.weight * g[1] + 2 * np.abs(more) + np.abs(d + more)


class Averaged(Rule):
    """M <- decay M + (1 - decay) g from M = g on, d = d_of for M."""

    def __init__(self, part: Any, h: Array) -> None:
        super().__init__(part, h)
        self.mean: Value = (np.zeros(h.shape), np.zeros(h.shape))
        self.begun = np.zeros((len(h), 1), bool)

    def step(self, k: int, g: Value, where: Array) -> Value:
        """Two products and two sums each."""
        decay, (mean, e) = self.part.decay, self.mean
        new = np.where(self.begun, decay * mean + (1 - decay) * g[0], g[0])
        size = 4 * (np.abs(mean) + np.abs(g[0]))
        error = np.where(self.begun, decay * e + (1 - decay) * g[1] + size, g[1])
        self.mean = (np.where(where, new, mean), np.where(where, error, e))
        self.begun = self.begun | where
        return self.inner(k, (np.where(where, self.mean[0], 0.0), self.mean[1]), where)


class Fading(Rule):
    """d = d_of (tau / (tau + k - 1))^power."""

    def step(self, k: int, g: Value, where: Array) -> Value:
        """A quotient and a power, as a number of the vectors' precision."""
        d, e = self.inner(k, g, where)
        factor = (self.part.tau / (self.part.tau + k - 1)) ** self.part.power
        return d * factor, factor * (e + (4 + 2 * self.part.power) * np.abs(d))


class Warming(Rule):
    """d = g for the first ``steps`` steps, then d_of, which is asked from the first on."""

    def step(self, k: int, g: Value, where: Array) -> Value:
        """No arithmetic."""
        inside = self.inner(k, g, where)
        return g if k <= self.part.steps else inside


RULES: dict[Property, type[Rule]] = {
    PLAIN: Direct,
    GRADIENT: Rule,
    HEAVY_BALL: HeavyBall,
    NESTEROV: Accelerated,
    UNIT: Unit,
    CLIPPED: Shortened,
    PLUS_GRADIENT: WithGradient,
    GRADIENT_AVERAGE: Averaged,
    DECAYING: Fading,
    WARM_START: Warming,
}
"""Declared property -> the rule."""


class UnknownRuleError(Exception):
    """A stepper inside declares none of the rules."""


def rule(part: Any, h: Array, of: Property | None = None) -> Rule:
    """The rule ``of``, by default the one that ``part`` declares, with the part's numbers around H = diag(h)."""
    from verification.properties import declared

    for known in RULES if of is None else (of,):
        if of is not None or known in declared(part):
            return RULES[known](part, h)
    raise UnknownRuleError(f"{part!r} declares none of the rules")
