"""LBFGS(damping="powell") blends s with B s.

Powell's y <- phi y + (1 - phi) B s makes s'y = 0.2 s'Bs. Here s <- phi s + (1 - phi) B s: it adds a gradient to a
displacement, and s'y does not become what was wanted (with B = I it does not change at all). The line is right where
the operator is H and the vector is H y, as in its dense BFGS; its L-BFGS hands over B. "double" has the same line.
"""

import torch
from torchzero.modules.quasi_newton.damping import powell_damping
from torchzero.modules.quasi_newton.lbfgs import LBFGSLinearOperator

S, Y = torch.tensor([[1.0, 1.0]]), torch.tensor([[1.0, 4.0]])  # the pair held
s, y = torch.tensor([1.0, 0.0]), torch.tensor([-2.0, 1.0])  # the new one
operator = LBFGSLinearOperator(S, Y, (S * Y).sum(1))
Bs = operator.matvec(s)
s_damped, y_damped = powell_damping(s, y, y, operator)
print(f"s'y before: {float(s @ y):.3f}   0.2 s'Bs: {0.2 * float(s @ Bs):.3f}")
print(f"s'y after:  {float(s_damped @ y_damped):.3f}   s after: {[round(v, 3) for v in s_damped.tolist()]}")
