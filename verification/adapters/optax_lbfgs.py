"""``optax.scale_by_lbfgs``."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from verification.adapters.driving import Driven, Gradient

Array = NDArray[Any]
BLOCK = 8
"""Arrays are padded by zeros to a multiple of this, so that JAX compiles the update for few shapes only."""


@cache
def _update(memory_size: int) -> Any:
    """optax's own update, compiled."""
    return jax.jit(optax.scale_by_lbfgs(memory_size=memory_size, scale_init_precond=False).update)


def _padded(x: Array, rows: int, columns: int) -> Array:
    return np.pad(x, ((0, rows - x.shape[0]), (0, columns - x.shape[1])))


def direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H g by one ``update`` on a state that holds the pairs, in the dtype of ``g``; h0 a multiple of ones.

    The update stores the difference to the point and gradient of its last call; these are the present ones, so
    that it stores a zero pair, of weight zero, in a slot kept free for it. optax has H0 = I here: a multiple h of
    it is emulated by H(s, y, h I) = h H(s, h y, I), exact up to rounding. Pairs of zeros have weight zero too.
    """
    if np.ptp(h0) != 0:
        raise ValueError(f"optax.scale_by_lbfgs has no diagonal H0, got {h0!r}; pass a multiple of ones.")
    h, m, n = float(h0[0]), len(S), g.size
    slots, size = -(-(m + 1) // BLOCK) * BLOCK, -(-n // BLOCK) * BLOCK
    with jax.enable_x64(g.dtype == np.float64):
        gradient = jnp.asarray(_padded(g[None], 1, size)[0])
        point = jnp.zeros_like(gradient)
        scaled = (h * Y).astype(g.dtype)
        weights = np.zeros(slots, g.dtype)
        weights[:m] = 1.0 / np.einsum("ij,ij->i", S, scaled)
        state = optax.scale_by_lbfgs(memory_size=slots, scale_init_precond=False).init(point)
        state = state._replace(
            count=jnp.asarray(m + 1, jnp.int32),  # the update writes its zero pair into slot m
            params=point,
            updates=gradient,
            diff_params_memory=jnp.asarray(_padded(S.astype(g.dtype), slots, size)),
            diff_updates_memory=jnp.asarray(_padded(scaled, slots, size)),
            weights_memory=jnp.asarray(weights),
        )
        product, _ = _update(slots)(gradient, state, point)
        return h * np.asarray(product)[:n]


@cache
def _optimizer() -> tuple[Any, Any]:
    """``optax.lbfgs`` without line search, learning rate 1: its init, and its update compiled."""
    transform = optax.lbfgs(learning_rate=1.0, memory_size=10, linesearch=None)
    return transform.init, jax.jit(transform.update)


def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
    """``optax.lbfgs`` with its defaults, on points padded by parameters which do not matter."""
    n, (init, update) = start.size, _optimizer()
    with jax.enable_x64(True):
        point = _padded(start[None], 1, -(-n // BLOCK) * BLOCK)[0]
        state, points = init(jnp.asarray(point)), [start]
        for k in range(steps + 1):
            g = _padded(gradient(point[:n])[None], 1, point.size)[0]
            updates, state = update(jnp.asarray(g), state, jnp.asarray(point))
            if k < steps:  # the last update only stores the last pair
                point = point + np.asarray(updates)
                points.append(point[:n])
        memory = state[0]
        weights = np.asarray(memory.weights_memory)
        ring = (np.arange(len(weights)) + steps) % len(weights)  # the oldest first; the newest is in slot steps - 1
        held = ring[weights[ring] != 0]
        S, Y = (np.asarray(x)[held, :n] for x in (memory.diff_params_memory, memory.diff_updates_memory))
        return Driven(np.array(points), S, Y)
