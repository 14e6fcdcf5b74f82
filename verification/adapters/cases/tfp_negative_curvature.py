"""Pairs with s'y < 0 are stored.

Its line search looks for the Wolfe conditions, which a loss that curves downwards for ever does not have; the last
point that it tried becomes a step and its pair enters unseen.
"""

import jax
import jax.numpy as jnp
from tensorflow_probability.substrates.jax import optimizer

jax.config.update("jax_enable_x64", True)
found = optimizer.lbfgs_minimize(lambda x: (-0.5 * jnp.vdot(x, x), -x), jnp.array([1.0, 0.5]), max_iterations=1)
s_y = jnp.sum(found.position_deltas[-1] * found.gradient_deltas[-1])
print("failed:", bool(found.failed), " s'y of the pair held is negative:", bool(s_y < 0))
