"""pysisyphus: the function ``bfgs_multiply``, and the steps of its ``lbfgs_closure``."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pysisyphus.optimizers.closures import bfgs_multiply, lbfgs_closure

from verification.adapters.driving import Driven, Gradient
from verification.adapters.emulation import multiple

Array = NDArray[Any]


def direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H g with H0 = beta I."""
    result: Array = bfgs_multiply(list(S), list(Y), g, beta=multiple(h0, "pysisyphus"), gamma_mult=False)
    return result


def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
    """Its defaults and steps of length 1; the lists of pairs are looked up inside the function that it makes."""
    step = lbfgs_closure(lambda w: -gradient(w))
    points = [start.copy()]
    for _ in range(steps + 1):  # the last call stores the pair of the one before
        points.append(points[-1] + step(points[-1])[0])
    inside = inspect.getclosurevars(step).nonlocals
    S, Y = (np.array(inside[name]).reshape(-1, start.size) for name in ("s_list", "y_list"))
    return Driven(np.array(points[:-1]), S, Y)
