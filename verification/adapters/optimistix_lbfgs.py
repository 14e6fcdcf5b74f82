"""``optimistix.LBFGS``."""

from __future__ import annotations

from functools import cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
from numpy.typing import NDArray
from optimistix._solver import limited_memory_bfgs as library

from verification.adapters.driving import Driven, Gradient
from verification.adapters.emulation import multiple, padded, reciprocals, up, with_scale
from verification.adapters.jax_objective import asking, objective

Array = NDArray[Any]
_product = eqx.filter_jit(library._lbfgs_inverse_hessian_operator_fn)


def direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H g from its two loops on a state that holds the pairs; H0 = h I by a pair in one more variable."""
    n = g.size
    S, Y, g = with_scale(S, Y, multiple(h0, "optimistix.LBFGS"), g)
    slots, size = up(len(S)), up(g.size)
    with jax.enable_x64(g.dtype == np.float64):
        state = library._LBFGSInverseHessianUpdateState(
            index_start=jnp.asarray(len(S)),
            history_length=slots,
            y_diff_history=jnp.asarray(padded(S, slots, size)),
            grad_diff_history=jnp.asarray(padded(Y, slots, size)),
            inner_history=jnp.asarray(padded(reciprocals(S, Y), slots)),
        )
        return np.asarray(_product(jnp.asarray(padded(g, size)), state))[:n]


FIXED: Any = {"args": None, "options": {}, "tags": frozenset()}
"""Arguments of its steps that never change."""


def _fn(w: Any, args: Any) -> tuple[Any, None]:
    """The loss, and nothing beside."""
    return objective(w), None


@cache
def _step() -> tuple[optimistix.LBFGS[Any, Any], Any]:
    """The solver with its defaults (Armijo backtracking), and its ``step`` compiled."""
    solver: Any = optimistix.LBFGS(rtol=0.0, atol=0.0)
    return solver, eqx.filter_jit(lambda w, state: solver.step(_fn, w, state=state, **FIXED))


@cache
def _first_state(size: int) -> Any:
    """Its state at the point 0; made once for a size, because a state made anew is compiled anew."""
    scalar = jax.ShapeDtypeStruct((), jnp.float64)
    return _step()[0].init(_fn, jnp.zeros(size), f_struct=scalar, aux_struct=None, **FIXED)


def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
    """``step`` until so many points were accepted after the first, or its line search tried 200 points.

    A step judges the point that the one before proposed, hence the first accepts the start itself.
    """
    n, (_, step) = start.size, _step()
    with asking(gradient, n):
        point = jnp.asarray(padded(start, up(n)))
        state = eqx.tree_at(lambda state: state.y_eval, _first_state(up(n)), point)
        points, accepted = [start], 1
        for _ in range(200):
            point, state, _ = step(point, state)
            if int(state.num_accepted_steps) > accepted:
                accepted = int(state.num_accepted_steps)
                points.append(np.asarray(point)[:n])
            if len(points) > steps:
                break
        memory = state.hessian_update_state
        used = np.flatnonzero(np.asarray(memory.inner_history))
        oldest_first = sorted(used, key=lambda slot: (slot - int(memory.index_start)) % memory.history_length)
        S, Y = (np.asarray(x)[oldest_first, :n] for x in (memory.y_diff_history, memory.grad_diff_history))
        return Driven(np.array(points), S, Y)
