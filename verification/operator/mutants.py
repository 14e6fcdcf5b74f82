"""Wrong L-BFGS operators: the mistakes that people make in the two loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.law import Subject
from verification.references import two_loop

Array = NDArray[Any]
Direction = Callable[[Array, Array, Array, Array], Array]


def _loops(
    S: Array,
    Y: Array,
    h0: Array,
    g: Array,
    *,
    rho_shift: int = 0,
    backwards: bool = False,
    sign: float = 1.0,
    y_for_s: bool = False,
    middle: Callable[[Array], Array] | None = None,
) -> Array:
    """The two loops in the dtype of ``g``, with one thing to get wrong."""
    m = len(S)
    rho = [1 / (S[(i + rho_shift) % m] @ Y[(i + rho_shift) % m]) for i in range(m)]
    alpha: dict[int, Any] = {}
    q = g.copy()
    for i in reversed(range(m)):
        alpha[i] = rho[i] * (S[i] @ q)
        q = q - alpha[i] * Y[i]
    r = h0 * q if middle is None else middle(q)
    for i in reversed(range(m)) if backwards else range(m):
        r = r + (alpha[i] - sign * rho[i] * (Y[i] @ r)) * (Y[i] if y_for_s else S[i])
    return r


def rho_of_wrong_pair(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """rho_{i+1} where rho_i belongs."""
    return _loops(S, Y, h0, g, rho_shift=1)


def second_loop_backwards(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """The second loop runs newest first, as the first does."""
    return _loops(S, Y, h0, g, backwards=True)


def sign_of_alpha(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """alpha + beta for alpha - beta."""
    return _loops(S, Y, h0, g, sign=-1.0)


def adds_y_for_s(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """The second loop adds multiples of y."""
    return _loops(S, Y, h0, g, y_for_s=True)


def gradient_as_scaling(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """stochQN (commit 73e6132), once there are pairs: H0 = diag(g h0), where g is what H is applied to."""
    if len(S) == 0:
        return h0 * g
    return _loops(S, Y, h0, g, middle=lambda q: h0 * g * q)


def ignores_h0(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H0 = I whatever was given."""
    return _loops(S, Y, np.ones_like(h0), g)


def scalar_h0(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """H0 = h0[0] I."""
    return _loops(S, Y, np.full_like(h0, h0[0]), g)


def root_of_h0(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """The root is taken once too often."""
    return _loops(S, Y, np.sqrt(h0), g)


def inverse_of_h0(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """Divides by h0."""
    return _loops(S, Y, 1 / h0, g)


def drops_newest_pair(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """The loops end one pair early."""
    return _loops(S[:-1], Y[:-1], h0, g)


def drops_oldest_pair(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """The loops begin one pair late."""
    return _loops(S[1:], Y[1:], h0, g)


def pairs_newest_first(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """The pairs are taken in the wrong order of time."""
    return _loops(S[::-1], Y[::-1], h0, g)


def missing_rho(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """rho = 1: right for pairs with s'y = 1 only."""
    q, alphas = g.copy(), []
    for s, y in zip(S[::-1], Y[::-1], strict=True):
        alphas.append(s @ q)
        q = q - alphas[-1] * y
    r = h0 * q
    for s, y, alpha in zip(S, Y, reversed(alphas), strict=True):
        r = r + (alpha - y @ r) * s
    return r


def normalises_direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """Returns H g / |H g|, which is for a stepper to do."""
    d = _loops(S, Y, h0, g)
    return d / max(float(np.linalg.norm(d)), float(np.finfo(d.dtype).tiny))


def writes_into_argument(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """The first loop works in place, on the caller's gradient."""
    g[:] = _loops(S, Y, h0, g)
    return g.copy()


def absolute_threshold(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """Leaves out pairs with s'y <= 0.1, as torch.optim.LBFGS does with 1e-10: in units of the loss."""
    kept = np.einsum("ij,ij->i", S, Y) > 0.1
    return _loops(S[kept], Y[kept], h0, g)


def adds_damping(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """y + s / 10 where y belongs, as in oBFGS, unasked."""
    return _loops(S, (Y + S / 10).astype(g.dtype), h0, g)


def skips_first_parameter(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """Off by one: the first parameter keeps its gradient."""
    d = _loops(S, Y, h0, g)
    d[0] = g[0]
    return d


def running_sums(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """One float32 accumulator for all parameters: the sum stops growing where an entry is below its last digit."""

    def dot(a: Array, b: Array) -> Any:
        return np.add.accumulate(a * b)[-1]

    rho = [1 / dot(s, y) for s, y in zip(S, Y, strict=True)]
    q, alphas = g.copy(), []
    for s, y, r in zip(S[::-1], Y[::-1], rho[::-1], strict=True):
        alphas.append(r * dot(s, q))
        q = q - alphas[-1] * y
    d = h0 * q
    for s, y, r, alpha in zip(S, Y, rho, alphas[::-1], strict=True):
        d = d + (alpha - r * dot(y, d)) * s
    return d


class RemembersLastCall:
    """Adds a little of the direction before, as a velocity hidden in the operator would."""

    def __init__(self) -> None:
        self.last: Array | None = None

    def __call__(self, S: Array, Y: Array, h0: Array, g: Array) -> Array:
        """H g and a memory of the call before."""
        d = two_loop.direction(S, Y, h0, g).astype(g.dtype)
        if self.last is not None and self.last.shape == d.shape:
            d = d + self.last / 8
        self.last = d.copy()
        return d


OPERATORS: dict[str, Callable[[], Direction]] = {
    **{
        f.__name__: (lambda f=f: f)  # type: ignore[misc]
        for f in (
            rho_of_wrong_pair,
            second_loop_backwards,
            sign_of_alpha,
            adds_y_for_s,
            gradient_as_scaling,
            ignores_h0,
            scalar_h0,
            root_of_h0,
            inverse_of_h0,
            drops_newest_pair,
            drops_oldest_pair,
            pairs_newest_first,
            missing_rho,
            normalises_direction,
            writes_into_argument,
            absolute_threshold,
            adds_damping,
            skips_first_parameter,
            running_sums,
        )
    },
    "remembers_last_call": RemembersLastCall,
}
"""Name -> maker of the wrong operator."""
MUTANTS = {Subject.OPERATOR: OPERATORS}
