"""A restart from a checkpoint has other pairs than the run that made it.

The stored differences s_0, ..., s_{m-1} (oldest first) are summed from the oldest instead of from the newest when the
points are rebuilt: x - s_0, x - s_0 - s_1, ... The restored memory has lost s_0 and holds x - x_0 as its newest pair.
"""

import numpy as np
from lbfgsb import minimize_lbfgsb

curvature = np.array([1.0, 3.0, 10.0])
kept = []
problem = {"fun": lambda x: 0.5 * float(x @ (curvature * x)), "jac": lambda x: curvature * x, "gtol": 0.0, "ftol": 0.0}
first = minimize_lbfgsb(x0=np.array([1.0, 1.0, 1.0]), maxiter=3, **problem)
resumed = minimize_lbfgsb(x0=first.x.copy(), maxiter=3, checkpoint=first, **problem)
print("newest s saved:   ", first.hess_inv.sk[-1].round(4).tolist())
print("newest s restored:", resumed.hess_inv.sk[-1].round(4).tolist())
