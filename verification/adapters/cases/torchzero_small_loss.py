"""A pair enters iff s'y > 1e-32, in units of the loss.

It takes a loss times 2^-40 to see it, in float64: then no pair enters. The bound is an argument, `sy_tol`.
"""

import torch
import torchzero

for scale in (1.0, 2.0**-40):
    x = torch.nn.Parameter(torch.tensor([1.0, -0.5], dtype=torch.float64))
    method = torchzero.m.LBFGS()
    optimizer = torchzero.Optimizer([x], method)
    for _ in range(3):
        x.grad = scale * torch.tensor([0.5, 0.75], dtype=torch.float64) * x.detach()
        optimizer.step()
    print(f"loss times {scale:.0e}: pairs held: {len(method.global_state['s_history'])}")
