"""The state which `minimize_lbfgs` returns has gamma of a slot that is not the newest pair.

optax writes a pair one update late, so that the newest lies at (count - 2) modulo the memory's size; here it is looked
for at (count - 1): an empty slot (gamma = 1) at first, the oldest pair once the memory is full.
"""

import jax.numpy as jnp
from blackjax.optimizers.lbfgs import minimize_lbfgs

curvature = jnp.array([10.0, 40.0])
found, _ = minimize_lbfgs(lambda x: 0.5 * jnp.vdot(x, curvature * x), jnp.array([1.0, 1.0]), maxiter=4)
s, y = found.state.s_history, found.state.y_history
newest = max(i for i in range(len(s)) if jnp.any(s[i] != 0))
print("s'y / y'y of the newest pair:", round(float(jnp.vdot(s[newest], y[newest]) / jnp.vdot(y[newest], y[newest])), 4))
print("gamma:                       ", round(float(found.state.gamma), 4))
