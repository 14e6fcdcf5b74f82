"""``GradientTransformation.Lbfgs``."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from GradientTransformation import lbfgs as library
from numpy.typing import NDArray

from verification.adapters.driving import Driven, Gradient
from verification.adapters.emulation import multiple, padded, reciprocals, up, with_scale
from verification.adapters.jax_objective import asking, objective

Array = NDArray[Any]


@jax.jit
def _update(g: Any, state: Any) -> Any:
    """Its update on the linear loss g'w, where its line search takes the whole step."""
    return library.lbfgs_update(lambda w: g @ w, 0.0, state)


def direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H g from one update at w = 0, which goes to -H g; H0 = h I by a pair in one more variable."""
    n = g.size
    S, Y, g = with_scale(S, Y, multiple(h0, "GradientTransformation.Lbfgs"), g)
    slots, size = up(len(S)), up(g.size)
    with jax.enable_x64(g.dtype == np.float64):
        # Its lists end with the newest pair; free slots are zeros.
        pairs = (jnp.asarray(padded(x[::-1], slots, size)[::-1]) for x in (S, Y))
        v = jnp.asarray(padded(g, size))
        weights = jnp.asarray(padded(reciprocals(S, Y)[::-1], slots)[::-1])
        state = library.LbfgsState(jnp.zeros_like(v), 1, *pairs, weights, v, False)
        return -np.asarray(_update(v, state).position)[:n]


@cache
def _solver() -> tuple[Any, Any]:
    """Its defaults; the first state, and the update compiled."""
    solver = library.Lbfgs(objective, tol=0.0)
    return solver.init, jax.jit(solver.update)


def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
    """One ``update`` a step."""
    n, (init, update) = start.size, _solver()
    with asking(gradient, n):
        state, points = init(jnp.asarray(padded(start, up(n)))), [start]
        for _ in range(steps):
            state = update(state)
            points.append(np.asarray(state.position)[:n])
        used = np.asarray(state.rho_list) != 0
        S, Y = (np.asarray(x)[used, :n] for x in (state.s_list, state.y_list))
        return Driven(np.array(points), S, Y)
