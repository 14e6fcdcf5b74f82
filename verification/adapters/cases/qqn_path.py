"""A step goes along a blend of -g and -Hg.

That is the method: it walks on x + t (1 - t) (-g) + t^2 (-Hg). The step is -Hg alone at t = 1 only, so that laws about
L-BFGS steps do not hold; with t in (0, 1) each step goes downhill where H is positive definite.
"""

import torch
from qqn_torch.path import path_point

g, Hg = torch.tensor([1.0, 10.0]), torch.tensor([1.0, 1.0])
for t in (0.5, 1.0):
    print(f"t = {t}: step {path_point(t, -g, -Hg).tolist()}")
