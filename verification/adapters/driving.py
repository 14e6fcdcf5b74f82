"""A library's own steps, watched: which pairs did it take from the points it visited?

``drive(gradient, start, steps) -> Driven`` runs real steps with the library's defaults, but for tolerances that
would stop it early, in float64; ``gradient`` is a function of a NumPy vector.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Gradient = Callable[[Array], Array]


@dataclass(frozen=True)
class Driven:
    """``points`` (K + 1, n) visited, the start first; the pairs ``S``, ``Y`` (m, n) held after them, the oldest first.

    ``h0`` (K, n): the diagonal of H0 at every step, where it is no multiple of the identity.
    """

    points: Array
    S: Array
    Y: Array
    h0: Array | None = None


Drive = Callable[[Gradient, Array, int], Driven]


def checked(drive: Drive) -> Drive:
    """``drive``, whose answer is looked at: AssertionError in one sentence if it is no :class:`Driven`."""

    def run(gradient: Gradient, start: Array, steps: int) -> Driven:
        found = drive(gradient, start, steps)
        reason = _amiss(found, start.size)
        if reason:
            raise AssertionError(f"drive(gradient, start, {steps}) returned {reason}")
        return found

    return run


def _amiss(found: Any, n: int) -> str:
    """What is wrong with it; "" if nothing."""
    if not all(hasattr(found, name) for name in ("points", "S", "Y")):
        return f"{type(found).__name__}; return Driven(points, S, Y), see verification.adapters.driving."
    shapes = {name: np.shape(getattr(found, name)) for name in ("points", "S", "Y")}
    unlike = [shape for shape in shapes.values() if shape != (0,) and (len(shape) != 2 or shape[1] != n)]
    if unlike or shapes["S"] != shapes["Y"]:
        return f"arrays of shapes {shapes}; points must be (K + 1, {n}), S and Y (m, {n})."
    h0 = getattr(found, "h0", None)
    if h0 is not None and np.shape(h0) != (shapes["points"][0] - 1, n):
        return f"h0 of shape {np.shape(h0)}; a diagonal for each step is {(shapes['points'][0] - 1, n)}."
    return ""
