"""``optax.scale_by_lbfgs``."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

Array = NDArray[Any]


def direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H g by one ``update`` on a state that holds the pairs, in the dtype of ``g``; h0 a multiple of ones.

    The update stores the difference to the point and gradient of its last call; these are the present ones, so
    that it stores a zero pair, of weight zero, in a slot kept free for it. optax has H0 = I here: a multiple h of
    it is emulated by H(s, y, h I) = h H(s, h y, I), exact up to rounding.
    """
    if np.ptp(h0) != 0:
        raise ValueError(f"optax.scale_by_lbfgs has no diagonal H0, got {h0!r}; pass a multiple of ones.")
    h = float(h0[0])
    m, n = S.shape
    with jax.enable_x64(g.dtype == np.float64):
        transform = optax.scale_by_lbfgs(memory_size=m + 1, scale_init_precond=False)
        point, gradient = jnp.zeros(n, g.dtype), jnp.asarray(g)
        pad = np.zeros((1, n), g.dtype)
        rows = [np.concatenate([x, pad]).astype(g.dtype) for x in (S, h * Y)]
        weights = np.append(1.0 / np.einsum("ij,ij->i", *(x[:m] for x in rows)), 0.0).astype(g.dtype)
        state = transform.init(point)._replace(
            count=jnp.asarray(m + 1, jnp.int32),
            params=point,
            updates=gradient,
            diff_params_memory=jnp.asarray(rows[0]),
            diff_updates_memory=jnp.asarray(rows[1]),
            weights_memory=jnp.asarray(weights),
        )
        product, _ = transform.update(gradient, state, point)
        return h * np.asarray(product)
