"""A pair enters iff s'y > 1e-10, in units of the loss.

Multiply a perfectly conditioned loss by 2^-20 and no pair enters: L-BFGS is gradient descent. Scale the loss up.
"""

import torch
from torchmin import bfgs

s, curvature = torch.tensor([1e-3, 1e-3]), torch.tensor([1.0, 2.0])
for scale in (1.0, 2.0**-20):
    memory = bfgs.L_BFGS(s)
    memory.update(s, scale * curvature * s)
    print(f"loss times {scale:.0e}: pairs held: {len(memory.s)}")
