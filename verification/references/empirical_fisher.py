"""adaQN's curvature pair from stored mini-batch gradients."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def held(gradients: Iterable[Array], window: int) -> list[Array]:
    """The last ``window`` of the gradients, the oldest first: what adaQN's store F holds."""
    return list(deque(gradients, maxlen=window))


def product(gradients: Iterable[Array], s: Array, window: int, factor: float) -> Array:
    """y = factor * sum_i g_i (g_i's) over the last ``window`` gradients; factor 1/|F| is the mean.

    (n,), (n,) -> (n,); zero if nothing is held. Source: Keskar & Berahas 2016, the accumulated empirical
    Fisher information matrix.
    """
    s = s.astype(np.float64)
    y: Array = np.zeros_like(s)
    for g in held(gradients, window):
        g = g.astype(np.float64)
        y = y + factor * g * (g @ s)
    return y
