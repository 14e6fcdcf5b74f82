"""A pair enters iff s'y > 1e-10, in units of the loss.

Multiply a perfectly conditioned loss by 2^-20 and no pair ever enters: L-BFGS is gradient descent, silently. Scale the
loss up.
"""

import torch

for scale in (1.0, 2.0**-20):
    x = torch.nn.Parameter(torch.tensor([3.0, -4.0]))
    optimizer = torch.optim.LBFGS([x], max_iter=5, tolerance_grad=0, tolerance_change=0)

    def closure(x=x, optimizer=optimizer, scale=scale):
        optimizer.zero_grad()
        loss = scale * (x**2 * torch.tensor([1.0, 2.0])).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    print(f"loss times {scale:.0e}: pairs held: {len(optimizer.state[x]['old_stps'])}")
