"""``tensorflow_probability.optimizer.lbfgs_minimize``, on JAX."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from tensorflow_probability.substrates.jax.optimizer import lbfgs as library

from verification.adapters.driving import Driven, Gradient
from verification.adapters.emulation import multiple, padded, up, with_scale
from verification.adapters.jax_objective import asking, value_and_gradient

Array = NDArray[Any]


@cache
def _search(count: int) -> Any:
    """Its direction with so many pairs held, compiled; what else is in its state does not matter."""
    unused = dict.fromkeys(library.LBfgsOptimizerResults._fields)

    def search(S: Any, Y: Any, g: Any) -> Any:
        used = {"num_iterations": count, "position_deltas": S, "gradient_deltas": Y, "objective_gradient": g}
        return library._get_search_direction(library.LBfgsOptimizerResults(**{**unused, **used}))

    return jax.jit(search)


def direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H g from its two loops; H0 = h I by a pair in one more variable."""
    n = g.size
    S, Y, g = with_scale(S, Y, multiple(h0, "tfp lbfgs_minimize"), g)
    slots, size = up(len(S)), up(g.size)
    with jax.enable_x64(g.dtype == np.float64):
        # Its queue ends with the newest pair.
        pairs = (jnp.asarray(padded(x[::-1], slots, size)[::-1]) for x in (S, Y))
        return -np.asarray(_search(len(S))(*pairs, jnp.asarray(padded(g, size))))[:n]


@cache
def _iteration(size: int) -> tuple[Any, Any]:
    """Its first state, and one more iteration, compiled; its defaults (a Hager-Zhang line search), no tolerance."""
    first = jax.jit(lambda w: library.minimize(value_and_gradient, w, tolerance=0.0, max_iterations=0))

    def more(state: Any) -> Any:
        limit = state.num_iterations + 1
        return library.minimize(value_and_gradient, None, state, tolerance=0.0, max_iterations=limit)

    return first, jax.jit(more)


def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
    """One iteration a step."""
    n = start.size
    first, more = _iteration(up(n))
    with asking(gradient, n):
        state, points = first(jnp.asarray(padded(start, up(n)))), [start]
        for _ in range(steps):
            state = more(state)
            points.append(np.asarray(state.position)[:n])
        S, Y = (np.asarray(x)[:, :n] for x in (state.position_deltas, state.gradient_deltas))
        used = S.any(axis=1)
        return Driven(np.array(points), S[used], Y[used])
