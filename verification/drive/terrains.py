"""Where methods are driven: functions on which pairs are refused, steps are long, and gradients vanish before the end.

All are homogeneous of degree 2, so that f(w) = w'g(w) / 2 (Euler), which is what line searches are given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from hypothesis import strategies as st

from verification.adapters.driving import Gradient
from verification.strategies import Array

NEAR = 1 / 64
"""Size of a start at which gradients are shorter than 1, and a step along one is long enough to cross the minimum."""
FAR = 1024.0
"""Size of a start from which many steps are longer than 1, and gradients too."""
FAR_AWAY = 1e6
"""What comes after a point so many times as far from the origin as the start is not looked at."""


@dataclass(frozen=True)
class Terrain:
    """f in n dimensions, driven for ``steps`` steps from a start whose entries are about ``size``.

    ``shape``, with A of eigenvalues 10^(-digits/2) to 10^(digits/2) in random directions:

    valley   w'Aw / 2, of which no pair need be refused
    saddle   the same with the smaller half of the eigenvalues below zero: pairs of negative curvature from some step on
    ridges   sum a_i r_i^2 (1 + cos(32 phi_i) / 2) / 2 in polar coordinates of planes: refused pairs between others
    kinks    sum a_i z_i^2 / 2, z = Q'w, a_i 16 times as large where z_i < 0: the curvature jumps, and stays positive
    plateau  the same with 8 a_i, and 0 where z_i < 0: who arrives there has a gradient of zeros
    """

    n: int
    steps: int
    digits: float
    seed: int
    shape: str = "valley"
    size: float = 1.0

    @cached_property
    def _axes(self) -> tuple[Array, Array]:
        """Eigenvalues (n,), and directions in the columns of Q (n, n)."""
        rng = np.random.default_rng(self.seed)
        Q = np.linalg.qr(rng.standard_normal((self.n, self.n)))[0]
        return 10.0 ** np.linspace(-self.digits / 2, self.digits / 2, self.n), Q

    @property
    def start(self) -> Array:
        """The first point."""
        w: Array = self.size * np.random.default_rng([self.seed, 1]).standard_normal(self.n)
        return w

    @property
    def gradient(self) -> Gradient:
        """The gradient of f, fresh at every call."""
        a, Q = self._axes
        made: dict[str, Callable[[], Gradient]] = {
            "valley": lambda: _quadratic(Q, a),
            "saddle": lambda: _quadratic(Q, np.where(np.arange(self.n) < self.n // 2, -a, a)),
            "ridges": lambda: _ridges(Q, a),
            "kinks": lambda: _one_sided(Q, a, 16 * a),
            "plateau": lambda: _one_sided(Q, 8 * a, 0 * a),
        }
        return made[self.shape]()

    @property
    def convex_quadratic(self) -> bool:
        """Whether every pair has a positive curvature of a condition number of 10^digits at most."""
        return self.shape == "valley"


def _quadratic(Q: Array, a: Array) -> Gradient:
    """Of w'Q diag(a) Q'w / 2."""
    A = (Q * a) @ Q.T
    A = (A + A.T) / 2
    return lambda w: A @ w


def _ridges(Q: Array, a: Array) -> Gradient:
    """Of sum_i a_i r_i^2 (1 + cos(32 phi_i) / 2) / 2 over planes of two of the directions each; w'w / 2 in the last."""
    planes = len(a) // 2

    def gradient(w: Array) -> Array:
        z = Q.T @ w
        x, y = z[:planes], z[planes : 2 * planes]
        angle = 32 * np.arctan2(y, x)
        outwards, around = 1 + np.cos(angle) / 2, -8 * np.sin(angle)
        along = (outwards * x - around * y, outwards * y + around * x)
        result: Array = Q @ np.concatenate([*(a[:planes] * x for x in along), z[2 * planes :]])
        return result

    return gradient


def _one_sided(Q: Array, above: Array, below: Array) -> Gradient:
    """Of sum_i a_i z_i^2 / 2, z = Q'w, a_i another number where z_i < 0."""

    def gradient(w: Array) -> Array:
        z = Q.T @ w
        result: Array = Q @ (np.where(z < 0, below, above) * z)
        return result

    return gradient


def before_far_away(points: Array) -> Array:
    """The points before the first that is far away: f of a saddle has no bound, and its numbers overflow at last."""
    away = np.flatnonzero(np.abs(points).max(axis=1) > FAR_AWAY * np.linalg.norm(points[0]))
    result: Array = points[: int(away[0])] if away.size else points
    return result


def valleys(long: bool = True) -> st.SearchStrategy[Terrain]:
    """Up to 6 steps in 6 to 9 dimensions; with ``long`` some of 24 steps in 32, which fill small memories."""
    few = st.builds(
        Terrain, st.integers(6, 9), st.integers(1, 6), st.sampled_from((0.5, 1.0, 2.0)), st.integers(0, 2**16)
    )
    return st.one_of(few, few, _long("valley")) if long else few


def _long(shape: str) -> st.SearchStrategy[Terrain]:
    """24 steps in 32 dimensions."""
    return st.builds(Terrain, st.just(32), st.just(24), st.just(2.0), st.integers(0, 2**16), st.just(shape))


def terrains() -> st.SearchStrategy[Terrain]:
    """Valleys, near and far; every other shape, most of them of up to 12 steps in 2 to 6 dimensions."""
    seeds, sizes = st.integers(0, 2**16), st.sampled_from((1.0, FAR))
    far = st.builds(Terrain, st.integers(6, 9), st.integers(2, 6), st.just(1.0), seeds, st.just("valley"), st.just(FAR))

    def shape(name: str, sizes: st.SearchStrategy[float], longest: int = 8) -> st.SearchStrategy[Terrain]:
        steps, digits = st.integers(3, longest), st.sampled_from((0.5, 1.0))
        return st.builds(Terrain, st.integers(2, 6), steps, digits, seeds, st.just(name), sizes)

    ridges = shape("ridges", st.just(1.0), 12)
    others = [shape(name, sizes) for name in ("saddle", "kinks")]
    return st.one_of(valleys(), far, ridges, ridges, *others, shape("plateau", st.just(NEAR)), _long("saddle"))
