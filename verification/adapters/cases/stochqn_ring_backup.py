"""A refused pair on a full memory leaves unset values in place of the oldest pair.

Before a new pair is written over the oldest that one is saved, and brought back if the new pair is refused. Both copies
go the same way, from the back-up: nothing was ever saved, and what is brought back is whatever the memory allocated for
the back-up held, here sevens put there for the eye.
"""

import sys
import types

sys.modules["stochqn._logistic"] = types.ModuleType("stochqn._logistic")  # asks for an older scikit-learn
sys.modules["stochqn._logistic"].StochasticLogisticRegression = None
import numpy as np  # noqa: E402
import stochqn  # noqa: E402

optimizer, x = stochqn.oLBFGS_free(mem_size=2, check_nan=False), np.array([1.0, 0.5])
curvatures = iter([1.0, 1.0, 2.0, 2.0, -1.0, -1.0])  # two good pairs, then one with s'y < 0
request = optimizer.run_optimizer(x, 0.1)
memory = optimizer._oLBFGS.BFGS_mem
memory.s_bak[:], memory.y_bak[:] = 7.0, 7.0
for curvature in curvatures:
    optimizer.update_gradient(curvature * np.array([1.0, 3.0]) * request["requested_on"])
    held = memory.s_mem.reshape(2, 2).copy()
    request = optimizer.run_optimizer(x, 0.1)
print("the last pair:", request["info"]["iteration_info"])
print("s held:", memory.s_mem.reshape(2, 2).round(4).tolist())
