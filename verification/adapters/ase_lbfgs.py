"""``ase.optimize.LBFGS``, which relaxes atoms; here they are given as any function of 3k variables."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase._4.optimize.lbfgs import LBFGSMethod
from ase.optimize import LBFGS
from ase.utils.abc import Optimizable
from numpy.typing import NDArray
from scipy.sparse import coo_array

from verification.adapters.driving import Driven, Gradient
from verification.adapters.emulation import loss, padded, reciprocals

Array = NDArray[Any]


def _whole_atoms(n: int) -> int:
    """The next multiple of 3."""
    return -(-n // 3) * 3


def direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H g from ``compute_step`` with the pairs in its lists, in the variables of whole atoms."""
    n, size = g.size, _whole_atoms(g.size)
    S, Y, g = padded(S, len(S), size), padded(Y, len(Y), size), padded(g, size)
    h0, entries = np.pad(h0, (0, size - n), constant_values=1.0), np.arange(size)
    method = LBFGSMethod(memory=max(len(S), 1), initial_inverse_hessian=coo_array((h0, (entries, entries))))
    method.s, method.y, method.rho, method.iteration = list(S), list(Y), list(reciprocals(S, Y)), len(S)
    result: Array = -method.compute_step(g)[:n]
    return result


class _Surface(Optimizable):  # type: ignore[misc]
    """f(w) = w'g(w) / 2 as its optimizers see atoms; n is filled up to whole atoms by variables that do not matter."""

    def __init__(self, gradient: Gradient, start: Array) -> None:
        self.gradient, self.n = gradient, start.size
        self.w = padded(start, _whole_atoms(start.size))

    def ndofs(self) -> int:
        """3 for each atom."""
        return self.w.size

    def get_x(self) -> Array:
        """The point."""
        return self.w.copy()

    def set_x(self, x: Array) -> None:
        """Move."""
        self.w = np.array(x)

    def get_gradient(self) -> Array:
        """The gradient."""
        return padded(self.gradient(self.w[: self.n]), self.w.size)

    def get_value(self) -> float:
        """The loss."""
        return loss(self.gradient, self.w[: self.n])

    def iterimages(self) -> list[Any]:
        """Nothing is written."""
        return []


def drive(gradient: Gradient, start: Array, steps: int) -> Driven:
    """Its defaults: H0 = I / 70, steps of at most 0.2 an atom; it rests where g = 0. The last step stores a pair."""
    surface = _Surface(gradient, start)
    optimizer, points = LBFGS(surface, logfile=None), [start.copy()]
    for _ in range(steps + 1):
        optimizer.run(fmax=float(np.finfo(np.float64).tiny), steps=1)
        points.append(surface.w[: start.size].copy())
    S, Y = (np.array(x).reshape(-1, surface.w.size)[:, : start.size] for x in (optimizer.state.s, optimizer.state.y))
    return Driven(np.array(points[:-1]), S, Y)
