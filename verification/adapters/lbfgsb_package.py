"""The package ``lbfgsb``: L-BFGS-B in Python."""

from __future__ import annotations

from typing import Any

import numpy as np
from lbfgsb import minimize_lbfgsb
from numpy.typing import NDArray

from verification.adapters.driving import Driven, Gradient
from verification.adapters.emulation import loss

Array = NDArray[Any]


def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
    """Its defaults without bounds and without the tolerances."""
    points = [start.copy()]

    def note(w: Array, result: Any) -> bool:
        points.append(w.copy())
        return False

    found = minimize_lbfgsb(
        x0=start.copy(),
        fun=lambda w: loss(gradient, w),
        jac=lambda w: gradient(w.copy()),
        callback=note,
        maxiter=steps,
        ftol=-1.0,
        gtol=0.0,
    )
    return Driven(np.array(points), found.hess_inv.sk, found.hess_inv.yk)
