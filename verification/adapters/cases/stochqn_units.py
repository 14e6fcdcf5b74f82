"""Both its tests are in units of the loss: s'y / s's > 1e-4, and a direction longer than 1000 n counts as NaN.

Multiply a perfectly conditioned loss by 2^-20 and no pair enters; multiply it by 2^20 and the first step is refused,
without end. `min_curvature` and `check_nan` are arguments; the 1000 n is not.
"""

import sys
import types

sys.modules["stochqn._logistic"] = types.ModuleType("stochqn._logistic")  # asks for an older scikit-learn
sys.modules["stochqn._logistic"].StochasticLogisticRegression = None
import numpy as np  # noqa: E402
import stochqn  # noqa: E402

for scale in (1.0, 2.0**-20, 2.0**20):
    optimizer, x = stochqn.oLBFGS_free(), np.array([1.0, 0.5])
    infos = []
    for _ in range(7):
        request = optimizer.run_optimizer(x, 1.0 / scale)
        infos.append(request["info"]["iteration_info"])
        optimizer.update_gradient(scale * np.array([0.5, 0.75]) * request["requested_on"])
    print(f"loss times {scale:.0e}: pairs held: {optimizer._oLBFGS.BFGS_mem.mem_used}, {infos[-1]}")
