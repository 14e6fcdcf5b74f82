"""mu_reg: where y + mu s still has negative curvature, s is added whole instead of a multiple of it.

`y + (max(0, -s'y / s's) + mu) + s` has a plus where a times belongs: the multiple is added to every entry of y, and s
with weight 1. The result depends on the units of s and on the choice of axes.
"""

import numpy as np
from pysisyphus.optimizers.closures import bfgs_multiply

s, y, mu = np.array([1.0, 0.0]), np.array([-3.0, 0.5]), 0.1
y_hat = y + (max(0.0, -(s @ y) / (s @ s)) + mu) * s
v = np.array([1.0, 2.0])
expected = bfgs_multiply([s], [y_hat], v, gamma_mult=True)
got = bfgs_multiply([s], [y], v, gamma_mult=True, mu_reg=mu)
print("H v with y_hat of the paper:", expected.round(4).tolist())
print("H v with mu_reg:            ", got.round(4).tolist())
