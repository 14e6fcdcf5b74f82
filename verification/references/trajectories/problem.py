"""The problem on which trajectories are compared: regularised logistic regression, mini-batches fixed by the step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Array = NDArray[Any]
SIZES = (4, 3)
"""The parameters are two tensors, so that a block-diagonal memory has two blocks."""


@dataclass(frozen=True)
class Problem:
    """f(w) = mean log(1 + exp(-b a'w)) + ridge |w|^2 / 2 on 96 points (a, b), b = +-1; n = 7.

    Step k = 1, 2, ... uses 24 successive rows S_k of a shuffled cycle, half of which are S_{k+1}'s too; the curvature
    batch is every third row and the monitor all rows. With ``convex=False`` the loss is mean 1 / (1 + exp(b a'w))
    + the penalty, whose Hessian is indefinite: dampings and tests have something to do.
    """

    seed: int = 0
    rows: int = 96
    ridge: float = 0.02
    convex: bool = True

    @cached_property
    def data(self) -> tuple[Array, Array]:
        """a (N, n), b (N,): columns of different scale, noisy labels."""
        rng = np.random.default_rng(self.seed)
        n = sum(SIZES)
        a = rng.standard_normal((self.rows, n)) * np.linspace(0.5, 2.0, n)
        b = np.sign(a @ rng.standard_normal(n) + 2.0 * rng.standard_normal(self.rows))
        return a, b

    @property
    def start(self) -> Array:
        """The initial point."""
        return 0.3 * np.random.default_rng([self.seed, 1]).standard_normal(sum(SIZES))

    def batch(self, k: int) -> Array:
        """Rows of S_k."""
        return (12 * (k - 1) + np.arange(24)) % self.rows

    def overlap(self, k: int) -> Array:
        """Rows of S_k and S_{k+1}."""
        return (12 * k + np.arange(12)) % self.rows

    @property
    def curvature(self) -> Array:
        """Rows of the curvature batch."""
        return np.arange(0, self.rows, 3)

    def loss(self, w: Array) -> float:
        """f(w) on all rows."""
        a, b = self.data
        z = -b * (a @ w)
        return float((np.logaddexp(0.0, z) if self.convex else expit(z)).mean() + self.ridge * (w @ w) / 2)

    def gradient(self, w: Array, rows: Array) -> Array:
        """Gradient on ``rows``."""
        a, b = self.data[0][rows], self.data[1][rows]
        p = expit(-b * (a @ w))
        slope = -b * (p if self.convex else p * (1 - p))
        result: Array = a.T @ slope / len(rows) + self.ridge * w
        return result

    def gauss_newton(self, w: Array, s: Array) -> Array:
        """A'D A s / N on the curvature batch, D the loss's curvature in the outputs: without the penalty."""
        a, b = (x[self.curvature] for x in self.data)
        p = expit(-b * (a @ w))
        curved = p * (1 - p) * (1.0 if self.convex else 1 - 2 * p)
        result: Array = a.T @ (curved * (a @ s)) / len(a)
        return result

    def hessian(self, w: Array, s: Array) -> Array:
        """Hessian of the curvature batch times s."""
        return self.gauss_newton(w, s) + self.ridge * s
