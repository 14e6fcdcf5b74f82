"""A pair enters iff s'y > 1e-10, in units of the loss.

Multiply a perfectly conditioned loss by 2^-20 and no pair enters: what is left is gradient descent. Scale the loss up.
"""

import torch
from qqn_torch.oracles.lbfgs import LBFGSOracle

s, curvature = torch.tensor([1e-3, 1e-3]), torch.tensor([1.0, 2.0])
for scale in (1.0, 2.0**-20):
    oracle = LBFGSOracle()
    state = oracle.init(2, s.device, s.dtype)
    oracle.update(s, scale * curvature * s, state)
    print(f"loss times {scale:.0e}: pairs held: {len(state['s_hist'])}")
