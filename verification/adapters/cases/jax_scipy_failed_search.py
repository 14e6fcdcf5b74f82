"""A line search that fails is stored as a step: the point moves, the gradient does not.

After a failure the state holds s of a step that was tried last, y = 0 and 1 / s'y = inf, and the result's x is where
the step ended while its fun and jac are of the start. `success` is False, so that who looks at it is warned.
"""

import jax
import jax.numpy as jnp
from jax.scipy.optimize import minimize

jax.config.update("jax_enable_x64", True)


def f(x):
    return 2.0**40 * jnp.vdot(x, jnp.array([0.5, 0.75]) * x)


found = minimize(f, jnp.array([1.0, 0.5]), method="l-bfgs-experimental-do-not-rely-on-this")
print("success:", bool(found.success))
print(f"result.fun: {float(found.fun):.2e}   f(result.x): {float(f(found.x)):.2e}")
