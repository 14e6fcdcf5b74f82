"""Is a vector a blend of others? What damping makes of a pair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

Array = NDArray[Any]


def fits(target: Array, columns: Sequence[Array]) -> tuple[Array, bool]:
    """Coefficients of the least-squares combination of these vectors, and whether it is ``target``, to 1e-7."""
    sizes = np.array([np.linalg.norm(c) or 1.0 for c in columns])
    M = np.stack(columns, axis=1) / sizes
    x = np.linalg.lstsq(M, target, rcond=1e-10)[0]
    return x / sizes, bool(np.linalg.norm(M @ x - target) <= 1e-7 * np.linalg.norm(target))


def is_within(target: Array, columns: Sequence[Array], most: Sequence[float]) -> bool:
    """Whether ``target`` is a combination of these vectors, to 1e-7, with coefficients from 0 to ``most``.

    The vectors may be parallel, so that many combinations are the same.
    """
    sizes = np.array([np.linalg.norm(c) or 1.0 for c in columns])
    M, size = np.stack(columns, axis=1) / sizes, np.linalg.norm(target) or 1.0
    found = lsq_linear(M, target / size, bounds=(0.0, np.array(most) * sizes / size), method="bvls")
    return bool(np.linalg.norm(found.fun) <= 1e-7)


def is_blend(target: Array, own: Array, others: Sequence[Array], *, shifted: bool = True) -> bool:
    """Whether ``target`` = theta own + a positive combination of ``others``, 0 <= theta < 1, or ``own`` itself.

    ``shifted``: or ``own`` plus any combination of them.
    """
    for other in others:  # so much larger than ``own`` that theta cannot be seen
        x, fitting = fits(target, [other])
        if fitting and x[0] > 0:
            return True
    x, fitting = fits(target, [own, *others])
    if not fitting:
        return False
    if abs(x[0] - 1) <= 1e-6:
        return shifted or fits(target, [own])[1]
    return -1e-6 <= x[0] < 1 and float(x[1:].max()) > 0
