"""blackjax's Pathfinder: the inverse Hessian which it rebuilds from the path of an L-BFGS run."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from blackjax.optimizers import lbfgs
from numpy.typing import NDArray

from verification.adapters.driving import Driven, Gradient
from verification.adapters.emulation import padded, up
from verification.adapters.jax_objective import asking, objective

Array = NDArray[Any]
PAIRS = 10
"""Its default."""


@jax.jit
def _product(S: Any, Z: Any, alpha: Any, g: Any) -> Any:
    """Its matrix from its factors, times g."""
    beta, gamma = lbfgs.lbfgs_inverse_hessian_factors(S, Z, alpha)
    return lbfgs.lbfgs_inverse_hessian_formula_1(alpha, beta, gamma) @ g


def direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H g with H = diag(alpha) + beta gamma beta', alpha = h0; free slots are zeros, as Pathfinder has them."""
    m, n = up(max(len(S), 1)), up(g.size)
    with jax.enable_x64(g.dtype == np.float64):
        pairs = (jnp.asarray(padded(x.astype(g.dtype), m, n).T) for x in (S, Y))
        alpha = np.pad(h0.astype(g.dtype), (0, n - g.size), constant_values=1.0)
        return np.asarray(_product(*pairs, jnp.asarray(alpha), jnp.asarray(padded(g, n))))[: g.size]


@cache
def _run(steps: int) -> Any:
    """So many steps of its L-BFGS, compiled."""
    return jax.jit(lambda w: lbfgs.minimize_lbfgs(objective, w, maxiter=steps, gtol=0.0, ftol=-1.0)[1])


def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
    """Its path (it walks by ``optax.lbfgs``) and the last ten differences on it which its own test admits."""
    n = start.size
    with asking(gradient, n):
        path = _run(steps)(jnp.asarray(padded(start, up(n))))
        points, gradients = (np.asarray(x)[:, :n] for x in (path.x, path.g))
        admitted = np.asarray(path.update_mask)[1:, 0]
    S, Y = (np.diff(x, axis=0)[admitted][-PAIRS:] for x in (points, gradients))
    return Driven(points, S, Y)
