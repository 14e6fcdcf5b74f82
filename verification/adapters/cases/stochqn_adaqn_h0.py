"""adaQN's H0 holds the gradient: diag(g / sqrt(G + eps)) where diag(1 / sqrt(G + eps)) was meant.

As soon as there is a pair, the function that scales the gradient writes the scaled gradient into H0, and the two loops
multiply by H0: the direction is no linear function of g, and its sign is lost: -g and g give H0-parts of one sign.
"""

import sys
import types

sys.modules["stochqn._logistic"] = types.ModuleType("stochqn._logistic")  # asks for an older scikit-learn
sys.modules["stochqn._logistic"].StochasticLogisticRegression = None
import numpy as np  # noqa: E402
import stochqn  # noqa: E402


def next_step(sign):
    """The first step with a pair, from a gradient in a direction in which no pair lies."""
    method = stochqn.adaQN_free(bfgs_upd_freq=1, max_incr=None, min_curvature=1e-12)
    x = np.array([1.0, 0.0])
    for k in range(4):
        method.run_optimizer(x, 0.1)
        before = x.copy()
        g = np.array([1.0, 0.0]) if k < 3 else sign * np.array([0.0, 1.0])
        method.update_gradient(g)
    method.run_optimizer(x, 0.1)
    return method._adaQN.BFGS_mem.mem_used, x - before


for sign in (1.0, -1.0):
    pairs, step = next_step(sign)
    print(f"pairs {pairs}, g = {[0.0, sign]}: step {step.round(4).tolist()}")
