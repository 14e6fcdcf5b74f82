"""R = triu(S'Z) + eps I: an absolute 2e-16 is added to the s'y of each pair.

It is there so that columns of zeros can be inverted. A pair with |s||y| near 1e-16 (steps of 1e-8 near an optimum, or a
log-density in small units) is changed by as much as it holds: the secant equation H y = s fails. In float32 the same
happens from |s||y| near 1e-7 on. Adding 1 at empty columns alone would do.
"""

import jax
import jax.numpy as jnp
from blackjax.optimizers.lbfgs import lbfgs_inverse_hessian_factors, lbfgs_inverse_hessian_formula_1

jax.config.update("jax_enable_x64", True)
for length in (1.0, 1e-6, 1e-8):
    s = length * jnp.array([1.0, 2.0])
    y = jnp.array([3.0, 1.0]) * s
    alpha = jnp.ones(2)
    beta, gamma = lbfgs_inverse_hessian_factors(s[:, None], y[:, None], alpha)
    H = lbfgs_inverse_hessian_formula_1(alpha, beta, gamma)
    print(f"|s| near {length:.0e}: (H y) / s = {[round(float(v), 4) for v in (H @ y) / s]}, expected [1.0, 1.0]")
