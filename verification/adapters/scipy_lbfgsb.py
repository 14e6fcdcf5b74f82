"""SciPy: the operator ``LbfgsInvHessProduct`` and the steps of ``minimize(method="L-BFGS-B")``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from verification.adapters.driving import Driven, Gradient
from verification.references.scipy_operator import direction

Array = NDArray[Any]


def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
    """L-BFGS-B without bounds; its line search needs f, here that of a quadratic through 0: f(w) = w'g(w) / 2.

    SciPy stores the pair of an iteration when the next begins, hence one iteration more.
    """
    points = [start.copy()]
    found = minimize(
        lambda w: (0.5 * float(w @ gradient(w)), gradient(w)),
        start,
        jac=True,
        method="L-BFGS-B",
        callback=lambda w: points.append(w.copy()),
        options={"maxiter": steps + 1, "ftol": 0.0, "gtol": 0.0},
    )
    return Driven(np.array(points[: steps + 1]), found.hess_inv.sk, found.hess_inv.yk)


__all__ = ["direction", "drive"]
