"""A gradient given as a NumPy function, as a function that JAX differentiates and compiles once for all gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from verification.adapters.driving import Gradient
from verification.adapters.emulation import padded

Array = NDArray[Any]
_asked: list[tuple[Gradient, int]] = []
"""The gradient in use and how many variables it has; compiled code asks the last."""


def _gradient_of(w: Any) -> Array:
    """The gradient in use at the entries of ``w`` that are not padding; zeros behind."""
    gradient, n = _asked[-1]
    point = np.array(w, np.float64)
    return padded(gradient(point[:n]), point.size)


@contextmanager
def asking(gradient: Gradient, n: int) -> Iterator[None]:
    """Inside, ``objective`` and ``value_and_gradient`` are those of this gradient of n variables, in float64.

    JAX calls back from threads of its own, which see the global switch for float64 only.
    """
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    _asked.append((gradient, n))
    try:
        yield
    finally:
        _asked.pop()
        jax.config.update("jax_enable_x64", before)


@jax.custom_jvp
def objective(w: Any) -> Any:
    """f(w) = w'g(w) / 2."""
    return 0.5 * jnp.vdot(w, gradient_at(w))


def gradient_at(w: Any) -> Any:
    """g(w), asked of the NumPy function."""
    return jax.pure_callback(_gradient_of, jax.ShapeDtypeStruct(w.shape, w.dtype), w)


@objective.defjvp
def _objective_jvp(primals: Any, tangents: Any) -> Any:
    """f and g'dw."""
    (w,), (dw,) = primals, tangents
    g = gradient_at(w)
    return 0.5 * jnp.vdot(w, g), jnp.vdot(g, dw)


def value_and_gradient(w: Any) -> tuple[Any, Any]:
    """Both at once."""
    g = gradient_at(w)
    return 0.5 * jnp.vdot(w, g), g
