"""``jax.scipy.optimize.minimize(method="l-bfgs-experimental-do-not-rely-on-this")``."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax._src.scipy.optimize import _lbfgs as library
from numpy.typing import NDArray

from verification.adapters.driving import Driven, Gradient
from verification.adapters.emulation import padded, reciprocals, up
from verification.adapters.jax_objective import asking, objective

Array = NDArray[Any]
TINY = float(np.finfo(np.float64).tiny)
_search = jax.jit(library._two_loop_recursion)


def direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H g from its two loops on a state that holds the pairs; its gamma multiplies entry by entry."""
    n, slots, size = g.size, up(max(len(S), 1)), up(g.size)
    with jax.enable_x64(g.dtype == np.float64):
        # Its history ends with the newest pair.
        s, y = (jnp.asarray(padded(x[::-1].astype(g.dtype), slots, size)[::-1]) for x in (S, Y))
        rho = jnp.asarray(padded(reciprocals(S, Y)[::-1].astype(g.dtype), slots)[::-1])
        gamma, v = (jnp.asarray(padded(x.astype(g.dtype), size)) for x in (h0, g))
        state = library.LBFGSResults(
            *(False, False, jnp.asarray(len(S)), 1, 1, jnp.zeros_like(v), 0.0, v),
            *(s, y, rho, gamma, 0, 0),
        )
        return -np.asarray(_search(state))[:n]


@jax.jit
def _run(start: Any, iterations: Any) -> Any:
    """So many iterations and one more with its defaults, but for the tolerances: it stops where g = 0."""
    return library._minimize_lbfgs(objective, start, maxiter=iterations, ftol=-np.inf, gtol=TINY)


def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
    """A run for each number of steps: it tells of its last point only."""
    n = start.size
    with asking(gradient, n):
        first = jnp.asarray(padded(start, up(n)))
        runs = [_run(first, k) for k in range(steps)]
        points = [start, *(np.asarray(run.x_k)[:n] for run in runs)]
        held = min(int(runs[-1].k), runs[-1].rho_history.size)
        S, Y = (np.asarray(x)[-held:, :n] for x in (runs[-1].s_history, runs[-1].y_history))
        return Driven(np.array(points), S, Y)
