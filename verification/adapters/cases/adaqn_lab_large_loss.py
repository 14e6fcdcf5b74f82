"""The default test s'y > 1e-4 y'y, adaQN's own, refuses curvature above 10^4, in units of the loss.

`Window(test=CautiousCosine())` does not depend on units.
"""

import torch

from adaqn_lab import CautiousCosine, CautiousYY

s, curvature = torch.tensor([1.0, 1.0]), torch.tensor([1.0, 2.0])
for scale in (1.0, 2.0**20):
    y = scale * curvature * s
    dots = (s.dot(y), s.dot(s), y.dot(y))
    print(f"loss times {scale:.0e}: {bool(CautiousYY().accept(*dots))}, cosine: {bool(CautiousCosine().accept(*dots))}")
