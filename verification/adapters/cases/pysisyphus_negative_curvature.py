"""Pairs with s'y < 0 are stored, and H0 = s'y / y'y of the newest pair is negative then.

`lbfgs_closure` tests nothing: H is not positive definite and the step goes uphill; called once more at a minimiser or
on flat ground it divides 0 by 0, so that stopping in time is up to the caller. (The class `LBFGS` damps its pairs
unless told not to.)
"""

import numpy as np
from pysisyphus.optimizers.closures import lbfgs_closure

step = lbfgs_closure(lambda x: x)  # the force of f(x) = -|x|^2 / 2
x = np.array([1.0, 0.5])
for _ in range(2):
    d, force = step(x)
    print("force'd, positive if d goes downhill:", round(float(force @ d), 3))
    x = x + d
