"""A library's own steps, watched: which pairs did it take from the points it visited?

``drive(gradient, start, steps) -> Driven`` runs real steps with the library's defaults, but for tolerances that
would stop it early, in float64; ``gradient`` is a function of a NumPy vector.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
