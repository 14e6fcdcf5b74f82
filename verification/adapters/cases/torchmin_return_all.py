"""return_all=True: the first of the points is the last.

`x` is put into the list and then overwritten in place at every iteration, so that `allvecs[0]` is not the start.
Whoever computes s = x_1 - x_0 from the list gets a wrong first pair. A clone would do.
"""

import torch
import torchmin

start = torch.tensor([3.0, -4.0])
found = torchmin.minimize(lambda x: (x**2).sum(), start, method="l-bfgs", return_all=True)
print("start:     ", start.tolist())
print("allvecs[0]:", [round(v, 6) + 0.0 for v in found.allvecs[0].tolist()])
