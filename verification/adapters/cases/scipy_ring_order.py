"""After more than maxcor iterations hess_inv has its pairs in the wrong order.

The pairs lie in a ring that is written over slot by slot; `hess_inv` is made of the ring as it lies, from slot 0, as if
that held the oldest. It is another matrix than the pairs define, and H y = s holds for an older pair than the newest.
The minimisation itself is right. Until the ring is full `hess_inv` is right as well.
"""

import numpy as np
from scipy.optimize import minimize

curvature = np.linspace(1.0, 30.0, 8)
for iterations in (4, 6):
    points = [np.ones(8)]
    found = minimize(
        lambda x: 0.5 * float(x @ (curvature * x)),
        points[0],
        jac=lambda x: curvature * x,
        method="L-BFGS-B",
        callback=lambda x, points=points: points.append(x.copy()),
        options={"maxcor": 3, "maxiter": iterations, "ftol": 0, "gtol": 0},
    )
    steps = np.diff(points, axis=0)
    held = [int(np.argmin(np.abs(steps - s).sum(axis=1))) + 1 for s in found.hess_inv.sk]
    newest = steps[max(held) - 1]
    error = np.linalg.norm(found.hess_inv @ (curvature * newest) - newest) / np.linalg.norm(newest)
    print(f"{iterations} iterations: pairs of the steps {held}, |H y - s| / |s| of the newest: {error:.3f}")
