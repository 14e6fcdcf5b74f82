"""Pairs with s'y < 0 are stored.

H is then not positive definite and -Hg may point uphill. A line search with the Wolfe conditions prevents such pairs;
a fixed learning rate on a loss that curves downwards does not.
"""

import jax.numpy as jnp
import optax

method = optax.lbfgs(learning_rate=1.0, linesearch=None)
x = jnp.array([1.0, 0.5])
state = method.init(x)
step, state = method.update(-x, state, x)  # f(x) = -|x|^2 / 2
x = x + step
step, state = method.update(-x, state, x)
print("1 / s'y of the pairs held:", [round(float(w), 3) for w in state[0].weights_memory if w != 0])
print("g'd, negative if d goes downhill:", round(float(jnp.vdot(-x, step)), 3))
