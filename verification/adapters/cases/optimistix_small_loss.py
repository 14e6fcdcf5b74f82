"""A pair enters iff s'y > 2e-16 (1e-7 in float32), in units of the loss.

Multiply a perfectly conditioned loss by 2^-20 and, with H0 = I at first, s'y of the first steps is below it: no pair
enters and L-BFGS is gradient descent. Scale the loss up.
"""

import jax
import jax.numpy as jnp
import optimistix

jax.config.update("jax_enable_x64", True)
for scale in (1.0, 2.0**-20):
    solver = optimistix.LBFGS(rtol=1e-12, atol=1e-12)
    found = optimistix.minimise(
        lambda x, scale: scale * jnp.vdot(x, jnp.array([0.5, 0.75]) * x),
        solver,
        jnp.array([1.0, -1.0]),
        args=scale,
        max_steps=50,
        throw=False,
    )
    held = int(found.state.hessian_update_state.index_start)
    print(f"loss times {scale:.0e}: pairs taken: {held}, |x| = {float(jnp.linalg.norm(found.value)):.1f}")
