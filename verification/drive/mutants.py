"""L-BFGS methods which take the wrong pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.adapters.driving import Drive, Driven, Gradient
from verification.law import Subject
from verification.references import two_loop

Array = NDArray[Any]
Test = Callable[[Array, Array], bool]


def _method(takes: Test) -> Drive:
    """Plain L-BFGS with step length 1, the first step shortened to |s| <= 1, and a test of the pairs."""

    def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
        w, S, Y = start, np.zeros((0, start.size)), np.zeros((0, start.size))
        points = [w]
        for _ in range(steps):
            g = gradient(w)
            h0 = np.full_like(w, 1.0 / max(1.0, float(np.linalg.norm(g))))
            w = w - two_loop.direction(S, Y, h0, g)
            s, y = w - points[-1], gradient(w) - g
            points.append(w)
            if takes(s, y):
                S, Y = np.vstack([S, s]), np.vstack([Y, y])
        return Driven(np.array(points), S, Y)

    return drive


def absolute_threshold(s: Array, y: Array) -> bool:
    """torch.optim.LBFGS: s'y > 1e-10, in units of the loss."""
    return bool(s @ y > 1e-10)


def bounded_curvature(s: Array, y: Array) -> bool:
    """s'y > 1e-4 y'y: curvature above 10^4 is refused, in units of the loss too."""
    return bool(s @ y > 1e-4 * (y @ y))


def takes_every_pair(s: Array, y: Array) -> bool:
    """optax 0.2.8: whatever s'y is, unless it is zero."""
    return bool(s @ y != 0)


def nan_passes_the_test(s: Array, y: Array) -> bool:
    """stochQN 0.2.8.2: not s'y / s's <= eps, so that 0 / 0 of a step that went nowhere makes a pair."""
    with np.errstate(invalid="ignore"):
        return not (s @ y / (s @ s) <= 0)


def scale_free(s: Array, y: Array) -> bool:
    """No fault: s'y > 1e-8 |s||y|."""
    return bool(s @ y > 1e-8 * np.linalg.norm(s) * np.linalg.norm(y))


honest = _method(scale_free)
DRIVES: dict[str, Callable[[], Drive]] = {
    test.__name__: (lambda test=test: _method(test))  # type: ignore[misc]
    for test in (absolute_threshold, bounded_curvature, takes_every_pair, nan_passes_the_test)
}
"""Name -> maker of the wrong method."""
MUTANTS = {Subject.DRIVE: DRIVES}
