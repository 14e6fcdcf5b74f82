"""The first pair is refused, and the point is NaN.

A pair enters iff s'y > 1e-10, in units of the loss. From the second step on H0 = s'y / y'y of the last slot, filled or
not: if the first pair was refused that is 0 / 0.
"""

import jax.numpy as jnp
from GradientTransformation import Lbfgs

scale = 2.0**-20
solver = Lbfgs(lambda x: scale * jnp.vdot(x, jnp.array([1.0, 2.0]) * x), tol=0.0)
state = solver.init(jnp.array([3.0, -4.0]))
for step in range(1, 3):
    state = solver.update(state)
    print(f"after step {step}:", [round(v, 5) for v in state.position.tolist()])
