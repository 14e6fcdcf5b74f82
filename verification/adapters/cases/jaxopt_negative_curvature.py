"""Pairs with s'y < 0 are stored, and H0 = s'y / y'y of the newest pair is negative then.

With a fixed stepsize, or after a line search which failed, nothing keeps such a pair out: H0 is negative and the next
direction goes uphill.
"""

import jax.numpy as jnp
import jaxopt

solver = jaxopt.LBFGS(lambda x: -0.5 * jnp.vdot(x, x), stepsize=0.1)
x = jnp.array([1.0, 0.5])
state = solver.init_state(x)
y, state = solver.update(x, state)
print("gamma of H0 = gamma I:", round(float(state.gamma), 3))
z, _ = solver.update(y, state)
print("g'd, negative if d goes downhill:", round(float(jnp.vdot(-y, z - y)), 3))
