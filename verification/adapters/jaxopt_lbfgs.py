"""``jaxopt.LBFGS`` and its ``inv_hessian_product``."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import jaxopt
import numpy as np
from jaxopt._src.lbfgs import inv_hessian_product
from numpy.typing import NDArray

from verification.adapters.driving import Driven, Gradient
from verification.adapters.emulation import padded, reciprocals, up
from verification.adapters.jax_objective import asking, objective

Array = NDArray[Any]
_product = jax.jit(inv_hessian_product)


def direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H g; free slots of its history are zero pairs of weight zero. Its gamma multiplies entry by entry."""
    m, n = up(max(len(S), 1)), up(g.size)
    with jax.enable_x64(g.dtype == np.float64):
        pairs = (jnp.asarray(padded(x.astype(g.dtype), m, n)) for x in (S, Y))
        weights, gamma = padded(reciprocals(S, Y), m), padded(h0.astype(g.dtype), n)
        product = _product(jnp.asarray(padded(g, n)), *pairs, jnp.asarray(weights), jnp.asarray(gamma))
        return np.asarray(product)[: g.size]


@cache
def _solver() -> tuple[Any, Any]:
    """Its defaults (a zoom line search); the first state, and the update compiled."""
    solver = jaxopt.LBFGS(objective, tol=0.0)
    return solver.init_state, jax.jit(solver.update)


def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
    """One ``update`` a step."""
    n, (init, update) = start.size, _solver()
    with asking(gradient, n):
        point = jnp.asarray(padded(start, up(n)))
        state, points = init(point), [start]
        for _ in range(steps):
            point, state = update(point, state)
            points.append(np.asarray(point)[:n])
        used = np.flatnonzero(np.asarray(state.rho_history))
        oldest_first = sorted(used, key=lambda slot: (slot - int(state.iter_num)) % state.rho_history.size)
        S, Y = (np.asarray(x)[oldest_first, :n] for x in (state.s_history, state.y_history))
        return Driven(np.array(points), S, Y)
