"""Pairs with s'y < 0, and with s'y = 0, are stored.

Near a saddle point or where a bond breaks the energy curves downwards: H is no longer positive definite and the step
goes uphill in energy, by at most `maxstep` an atom. `LBFGSLineSearch` tests the length of a step, not the pair either.
"""

import numpy as np
from ase.optimize import LBFGS
from ase.utils.abc import Optimizable


class Hill(Optimizable):
    """E = -20 |x|^2."""

    x = np.array([1.0, 0.5, 0.0])

    def ndofs(self):
        return 3

    def get_x(self):
        return self.x.copy()

    def set_x(self, x):
        self.x = x

    def get_gradient(self):
        return -40 * self.x

    def get_value(self):
        return -20 * float(self.x @ self.x)

    def iterimages(self):
        return []


hill = Hill()
method = LBFGS(hill, logfile=None)
method.initialize()
for step in range(1, 4):
    before = hill.get_value()
    method.step()
    print(f"step {step}: energy {'falls' if hill.get_value() < before else 'rises'}")
