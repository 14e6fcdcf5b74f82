"""A step that went nowhere makes a pair of zeros, and the step after it empties the memory.

A pair is refused if s'y / s's <= `min_curvature`; where the gradient is 0, as on flat ground, that is 0 / 0, and NaN
is not <= anything. The direction of the next step is NaN by that pair, and for `check_nan` all pairs are thrown away
and no step is made.
"""

import sys
import types

sys.modules["stochqn._logistic"] = types.ModuleType("stochqn._logistic")  # asks for an older scikit-learn
sys.modules["stochqn._logistic"].StochasticLogisticRegression = None
import numpy as np  # noqa: E402
import stochqn  # noqa: E402

optimizer, x = stochqn.oLBFGS_free(), np.array([1.0, 0.5])
request = optimizer.run_optimizer(x, 1.0)
memory = optimizer._oLBFGS.BFGS_mem
for weight in (1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0):  # two gradients a step, and none in the third
    optimizer.update_gradient(weight * np.array([0.5, 0.75]) * request["requested_on"])
    request = optimizer.run_optimizer(x, 1.0)
    if request["task"] == "calc_grad":
        print(f"gradient times {weight}: {request['info']['iteration_info']}, pairs held: {memory.mem_used}")
