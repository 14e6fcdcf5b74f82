"""A pair whose s sums to zero is taken for an empty slot.

Empty slots are told by sum(s) = 0, so that a step along (1, -1) is forgotten: of two steps that differ by a sign in one
entry one makes a pair and the other does not.
"""

import jax
import jax.numpy as jnp
from GradientTransformation import lbfgs

for s in ([1.0, 1.0], [1.0, -1.0]):
    s_list = jnp.array([s])
    y_list = s_list * jnp.array([1.0, 3.0])
    y = y_list[0]
    state = lbfgs.LbfgsState(jnp.zeros(2), 1, s_list, y_list, 1 / jnp.sum(s_list * y_list, 1), y, False)
    after = jax.jit(lambda state, y: lbfgs.lbfgs_update(lambda w: y @ w, 0.0, state))(state, y)
    print(f"s = {s}, y = {y.tolist()}: H y = {[round(v, 4) for v in (-after.position).tolist()]}, expected s")
