"""What several adapters need: H0 where the library has its own, arrays of few shapes, a loss from a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.adapters.driving import Gradient

Array = NDArray[Any]
BLOCK = 8
"""Arrays are padded by zeros to a multiple of this, so that JAX compiles for few shapes only."""


def multiple(h0: Array, name: str) -> float:
    """h of H0 = h I; ``name`` is who has no other. Raises ValueError."""
    if np.ptp(h0) != 0:
        raise ValueError(f"{name} has no diagonal H0, got {h0!r}; pass a multiple of ones.")
    return float(h0[0])


def with_scale(S: Array, Y: Array, h: float, g: Array) -> tuple[Array, Array, Array]:
    """The same pairs, and a newest one in a variable of its own for which s'y / y'y = h: (m + 1, n'), (n',), n' > n.

    For libraries whose H0 is (s'y / y'y) I of the newest pair: s = h e, y = e, and e is orthogonal to all else, so
    that the pair does nothing but set H0 = h I; the first n entries of H g are those asked for. n' is a multiple of
    BLOCK, so that rows begin where vector instructions like them to.
    """
    m, n = S.shape
    wider = np.zeros((2, m + 1, up(n + 1)), g.dtype)
    wider[0, :m, :n], wider[1, :m, :n] = S, Y
    wider[:, m, n] = h, 1.0
    return wider[0], wider[1], padded(g, up(n + 1))


def up(count: int) -> int:
    """The next multiple of BLOCK."""
    return -(-count // BLOCK) * BLOCK


def padded(x: Array, *shape: int) -> Array:
    """``x`` with zeros behind, of that shape."""
    return np.pad(x, [(0, to - size) for size, to in zip(x.shape, shape, strict=True)])


def reciprocals(S: Array, Y: Array) -> Array:
    """1 / s'y of each pair (m,), in the dtype of the pairs."""
    result: Array = (1.0 / np.einsum("ij,ij->i", S, Y)).astype(S.dtype)
    return result


def loss(gradient: Gradient, w: Array) -> float:
    """f(w) = w'g(w) / 2: for line searches, that of a quadratic through 0."""
    return 0.5 * float(w @ gradient(w))


__all__ = ["BLOCK", "loss", "multiple", "padded", "reciprocals", "up", "with_scale"]
