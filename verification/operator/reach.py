"""Operators beyond small cases: many pairs, more parameters, lengths near overflow, arrays of any layout."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from hypothesis import strategies as st

from verification.compare import close, same
from verification.law import Factory, Group, Subject, law
from verification.operator.dense import Direction, norm
from verification.parts import RefusedPairError
from verification.references import two_loop
from verification.strategies import DTYPES, Array
from verification.tolerances import TOLERANCES

SHARE = 0.25


@dataclass(frozen=True)
class ReachCase:
    """m pairs y = A s of one quadratic in n dimensions, 1/2 <= A <= 2, and h0 within 2^(-spread..spread), v.

    No product of factors I - y s' / s'y is longer than sqrt(cond A) <= 2, however many pairs there are.
    """

    n: int
    m: int
    spread: int
    seed: int
    dtype: str

    @cached_property
    def _arrays(self) -> tuple[Array, ...]:
        rng = np.random.default_rng(self.seed)
        Q = np.linalg.qr(rng.standard_normal((self.n, self.n)))[0]
        A = (Q * 2.0 ** rng.uniform(-1, 1, self.n)) @ Q.T
        S, v = rng.standard_normal((self.m, self.n)) / np.sqrt(self.n), rng.standard_normal(self.n)
        h0 = 2.0 ** rng.uniform(-self.spread, self.spread, self.n)
        return tuple(x.astype(self.dtype) for x in (S, S @ A, h0, v))

    @property
    def arguments(self) -> tuple[Array, Array, Array, Array]:
        """Fresh S, Y, h0, v."""
        S, Y, h0, v = (x.copy() for x in self._arrays)
        return S, Y, h0, v

    @property
    def allowed(self) -> float:
        """How far two forms of H v may part: growth^2 (max h0 + max 1 / A) |v| = 4 (2 + 2) |v|."""
        bound = TOLERANCES["dense"](self.dtype, m=self.m, n=self.n, c_min=0.8)
        return bound * 16 * norm(self._arrays[3])

    def last(self, capacity: int) -> ReachCase:
        """At most ``capacity`` pairs."""
        return replace(self, m=min(self.m, capacity))


@st.composite
def reach_cases(draw: st.DrawFn) -> ReachCase:
    """7 to 25 pairs in 2 to 40 dimensions; in one case of five each more than 100 pairs, or a long vector."""
    n, m = draw(st.integers(2, 40)), draw(st.integers(7, 25))
    n, m = draw(st.sampled_from(((n, m), (n, m), (n, m), (n, 101), (133, m))))
    return ReachCase(n, m, draw(st.integers(0, 1)), draw(st.integers(0, 2**16)), draw(st.sampled_from(DTYPES)))


@law(
    name="many-pairs",
    statement="7 to 25 pairs in up to 40 dimensions, 101 pairs, 133 dimensions: H v = the two-loop recursion",
    source="Nocedal & Wright 2006, Algorithm 7.4. Defaults hold 10 pairs and more; n is no multiple of anything.",
    group=Group.REFERENCE,
    subject=Subject.OPERATOR,
    tolerance="dense",
    kills=(
        *("takes_ten_pairs", "loses_the_order_of_many", "leaves_out_the_last_block"),
        *("takes_a_hundred_pairs", "leaves_out_the_last_block_of_64"),
    ),
    min_pairs=1,
    share=SHARE,
    inputs=reach_cases(),
)
def many_pairs(direction: Direction, case: ReachCase) -> None:
    """What holds for three pairs holds for thirty."""
    expected = two_loop.direction(*case.arguments)
    got = direction(*case.arguments)
    close(got, expected, case.allowed, f"H v of {case.m} pairs in {case.n} dimensions against the two-loop recursion")


NEAR = (-26, 24)
"""Exponents of the lengths of steps which occur."""
FAR = {"float32": (-50, 50), "float64": (-490, 490)}
"""Exponents at which s'y is still a normal number of the type, and its reciprocal too."""


@law(
    name="far-lengths",
    statement="(s, y) -> +-2^k (s, y), all or every second, to s'y near overflow: the same H v; y in other units",
    source="H depends on each pair's direction only; s'y > 1e-10 is no property of curvature.",
    group=Group.INVARIANCE,
    subject=Subject.OPERATOR,
    tolerance="dense",
    kills=(
        *("ignores_small_curvature", "adds_to_s_y", "products_in_float32", "eps_added_to_r", "h0_between_bounds"),
        "ignores_what_is_small_beside_the_largest",
    ),
    unless=("absolute threshold",),
    min_pairs=1,
    share=SHARE,
    inputs=reach_cases(),
)
def far_lengths(direction: Direction, case: ReachCase) -> None:
    """Late in a training steps are small."""
    S, Y, h0, v = case.arguments
    expected = two_loop.direction(*case.arguments)
    for exponent in (*NEAR, *FAR[case.dtype]):
        t = np.array((-1.0) ** exponent * 2.0**exponent, case.dtype)
        what = f"H v with pairs 2^{exponent} times as long"
        close(direction(t * S, t * Y, h0.copy(), v.copy()), expected, case.allowed, what)
    for exponent in NEAR:
        t = np.where(np.arange(len(S)) % 2, 1.0, 2.0**exponent)[:, None].astype(case.dtype)
        what = f"H v with every second pair 2^{exponent} times as long"
        close(direction(t * S, t * Y, h0.copy(), v.copy()), expected, case.allowed, what)
    t = np.array(2.0**30, case.dtype)
    with suppress(RefusedPairError):  # by a memory whose own test bounds s'y / s's
        got = direction(S.copy(), Y / t, t * h0, v.copy()) / float(t)
        close(got, expected, case.allowed, "H v / 2^30 of 2^30 h0 and pairs (s, 2^-30 y)")


@law(
    name="far-vectors",
    statement="H(tv) = t Hv for t = 0 and +-2^k, from gradients of 1e-12 to 1e12: nothing is clipped or taken for zero",
    source="H is a matrix.",
    group=Group.MATHEMATICS,
    subject=Subject.OPERATOR,
    tolerance="dense",
    kills=("clips_long_directions", "takes_small_gradients_for_zero", "divides_by_the_length"),
    share=SHARE,
    inputs=reach_cases(),
)
def far_vectors(direction: Direction, case: ReachCase) -> None:
    """A gradient has any length."""
    S, Y, h0, v = case.arguments
    expected = two_loop.direction(*case.arguments)
    for exponent in (-40, -20, 20, 40):
        t = np.array(-(2.0**exponent), case.dtype)
        got = direction(S.copy(), Y.copy(), h0.copy(), t * v).astype(np.float64)
        close(got / float(t), expected, case.allowed, f"H(tv) / t with t = -2^{exponent}")
    close(direction(S, Y, h0, 0 * v), np.zeros(case.n), 0.0, "H 0")


def _views(x: Array) -> dict[str, Array]:
    """The same values in other layouts, none of which may be written to."""
    wide = np.zeros((*(1 + k for k in x.shape[:-1]), 2 * x.shape[-1] + 3), x.dtype)
    view = (wide[1:] if x.ndim > 1 else wide)[..., 2:-1:2]
    view[...] = x
    found = {"strided views": view, "Fortran order": np.asfortranarray(x)}
    for array in found.values():
        array.setflags(write=False)
    return found


@law(
    name="layout",
    statement="S, Y, h0, v as read-only views with strides and an offset, or in Fortran order: the same H v",
    source="A NumPy array is its values; who takes it apart by its memory must make it contiguous first.",
    group=Group.INVARIANCE,
    subject=Subject.OPERATOR,
    tolerance="dense",
    kills=("reads_memory_in_order", "reads_what_the_view_is_of", "writes_into_argument"),
    share=SHARE,
    inputs=reach_cases(),
)
def layout(direction: Direction, case: ReachCase) -> None:
    """Slices of a bigger array are pairs too."""
    expected = direction(*case.arguments)
    laid = [_views(x) for x in case.arguments]
    for name in laid[0]:
        S, Y, h0, v = (x[name] for x in laid)
        got = direction(S, Y, h0, v)
        close(got, expected, 2 * case.allowed, f"H v of {name}")
        for argument, before in zip((S, Y, h0, v), case.arguments, strict=True):
            same(argument, before, f"an argument given as {name}")


LAWS = (many_pairs, far_lengths, far_vectors, layout)


def takes_ten_pairs(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """Only the ten newest pairs are used."""
    return two_loop.direction(S[-10:], Y[-10:], h0, g).astype(g.dtype)


def loses_the_order_of_many(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """Pairs are sorted by their names: s10 comes before s2."""
    order = sorted(range(len(S)), key=str)
    return two_loop.direction(S[order], Y[order], h0, g).astype(g.dtype)


def leaves_out_the_last_block(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """From 16 parameters on the sums go by blocks of 16, and what is left is left out."""
    n = len(g) if len(g) < 16 else 16 * (len(g) // 16)
    result = (h0 * g).astype(np.float64)
    result[:n] = two_loop.direction(S[:, :n], Y[:, :n], h0[:n], g[:n])
    return result.astype(g.dtype)


def takes_a_hundred_pairs(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """Only the hundred newest pairs are used."""
    return two_loop.direction(S[-100:], Y[-100:], h0, g).astype(g.dtype)


def leaves_out_the_last_block_of_64(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """The same as leaves_out_the_last_block, with longer blocks."""
    result: Array = two_loop.direction(S, Y, h0, g).astype(g.dtype)
    n = 64 * (len(g) // 64) or len(g)
    result[n:] = (h0 * g)[n:]
    return result


def h0_between_bounds(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """1e-6 <= H0 <= 1e6, whatever the units are."""
    return two_loop.direction(S, Y, np.clip(h0, 1e-6, 1e6), g).astype(g.dtype)


def divides_by_the_length(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """|g| H (g / |g|), which is 0 / 0 at rest."""
    with np.errstate(invalid="ignore"):
        length = np.linalg.norm(g.astype(np.float64))
        result: Array = (length * two_loop.direction(S, Y, h0, g / length)).astype(g.dtype)
    return result


def ignores_small_curvature(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """Pairs with s'y <= 1e-10 are passed over, as torch.optim.LBFGS does."""
    kept = np.einsum("ij,ij->i", S, Y) > 1e-10
    return two_loop.direction(S[kept], Y[kept], h0, g).astype(g.dtype)


def _loops(S: Array, Y: Array, h0: Array, g: Array, rho: list[float]) -> Array:
    q, alpha = g.astype(np.float64), [0.0] * len(S)
    for i in reversed(range(len(S))):
        alpha[i] = rho[i] * float(S[i] @ q)
        q = q - alpha[i] * Y[i]
    r: Array = h0 * q
    for i in range(len(S)):
        r = r + (alpha[i] - rho[i] * float(Y[i] @ r)) * S[i]
    return r.astype(g.dtype)


def ignores_what_is_small_beside_the_largest(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """A pair whose s'y is 1e-13 of the largest is taken for dependent."""
    s_y = np.einsum("ij,ij->i", S.astype(np.float64), Y.astype(np.float64))
    kept = s_y > 1e-13 * s_y.max(initial=0.0)
    return two_loop.direction(S[kept], Y[kept], h0, g).astype(g.dtype)


def adds_to_s_y(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """rho = 1 / (s'y + 1e-10)."""
    return _loops(S, Y, h0, g, [1.0 / (float(s.astype(np.float64) @ y) + 1e-10) for s, y in zip(S, Y, strict=True)])


def products_in_float32(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """s'y is kept in float32, whatever the arrays are in."""
    with np.errstate(all="ignore"):
        return _loops(S, Y, h0, g, [float(1 / np.float32(s @ y)) for s, y in zip(S, Y, strict=True)])


def clips_long_directions(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """|H g| <= 1000."""
    d = two_loop.direction(S, Y, h0, g)
    return (d * min(1.0, 1e3 / max(norm(d), 1e-300))).astype(g.dtype)


def takes_small_gradients_for_zero(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """Entries below 1e-8 of the gradient are zero."""
    return two_loop.direction(S, Y, h0, np.where(np.abs(g) < 1e-8, 0, g).astype(g.dtype)).astype(g.dtype)


def reads_memory_in_order(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """S and Y are flattened in the order in which they lie in memory."""
    S, Y = (x.ravel(order="K").reshape(x.shape) for x in (S, Y))
    return two_loop.direction(S, Y, h0, g).astype(g.dtype)


def reads_what_the_view_is_of(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """Takes the array of which g is a view."""
    whole = g if g.base is None or g.base.ndim != 1 else g.base[: len(g)]
    return two_loop.direction(S, Y, h0, whole).astype(g.dtype)


def _factory(wrong: Direction) -> Factory:
    return lambda: wrong


_WRONG = (
    *(takes_ten_pairs, loses_the_order_of_many, leaves_out_the_last_block, ignores_small_curvature, adds_to_s_y),
    *(products_in_float32, clips_long_directions, takes_small_gradients_for_zero, reads_memory_in_order),
    *(reads_what_the_view_is_of, takes_a_hundred_pairs, leaves_out_the_last_block_of_64, h0_between_bounds),
    *(divides_by_the_length, ignores_what_is_small_beside_the_largest),
)
MUTANTS = {Subject.OPERATOR: {wrong.__name__: _factory(wrong) for wrong in _WRONG}}
