"""Inputs of the laws: drawn structure and an integer seed, built valid by construction.

A case is a frozen dataclass of a few small numbers. Its arrays are made from ``np.random.default_rng(seed)``
when they are first asked for, so that a case shrinks well (one dimension, no pair, cosine 1) and its ``repr`` is
the whole counter-example: paste it to replay. Nothing here filters; what must hold is built in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from verification.conditioning import Conditioning

Array = NDArray[Any]

COSINES = (1.0, 0.7, 0.3, 0.1, 0.03, 0.01)
"""Cosines of drawn pairs."""
SMALLEST_COSINE = {"float64": 0.0, "float32": 0.1}
"""Where |H| <= c^(-2m) is far from overflow for m <= 6."""
MAX_SIZE, MAX_PAIRS = 8, 6
DTYPES = ("float64", "float32")
GRADIENT_KINDS = ("normal", "zero", "tiny", "huge")
BAD_KINDS = ("nan", "inf", "-inf", "overflow")

_SCALES = {
    "float32": {"zero": 0.0, "tiny": 1e-15, "huge": 1e15},
    "float64": {"zero": 0.0, "tiny": 1e-150, "huge": 1e150},
}
_OVERFLOWS = {"float32": 1e24, "float64": 1e165}


def _unit(rng: np.random.Generator, n: int) -> Array:
    """A unit vector in n dimensions, uniform on the sphere."""
    v = rng.standard_normal(n)
    result: Array = v / np.linalg.norm(v)
    return result


def make_pair(rng: np.random.Generator, n: int, cosine: float, s_norm: float, y_norm: float) -> tuple[Array, Array]:
    """A pair with s'y / (|s||y|) = cosine and the given norms; n = 1 allows cosine 1 only."""
    along = _unit(rng, n)
    if cosine == 1.0 or n == 1:
        return s_norm * along, y_norm * along
    across = _unit(rng, n)
    across = across - along * (along @ across)
    across = across / np.linalg.norm(across)
    return s_norm * along, y_norm * (cosine * along + np.sqrt(1 - cosine**2) * across)


@dataclass(frozen=True)
class OperatorCase:
    """Pairs with prescribed cosines around a diagonal H0, and vectors u, v to apply H to.

    ``lengths[i]`` = (a, b): |s_i| = 2^a, |y_i| = 2^(a + b). ``spread``: h0 is log-uniform in 2^(-spread..spread).
    """

    n: int
    cosines: tuple[float, ...]
    lengths: tuple[tuple[int, int], ...]
    spread: int
    seed: int
    dtype: str

    @cached_property
    def _arrays(self) -> tuple[Array, ...]:
        rng = np.random.default_rng(self.seed)
        u, v = rng.standard_normal((2, self.n))
        h0 = 2.0 ** rng.uniform(-self.spread, self.spread, self.n)
        S, Y = np.zeros((2, len(self.cosines), self.n))
        for i, (c, (a, b)) in enumerate(zip(self.cosines, self.lengths, strict=True)):
            S[i], Y[i] = make_pair(rng, self.n, c, 2.0**a, 2.0 ** (a + b))
        return tuple(x.astype(self.dtype) for x in (S, Y, h0, u, v))

    @property
    def S(self) -> Array:
        """Displacements (m, n), the oldest first."""
        return self._arrays[0].copy()

    @property
    def Y(self) -> Array:
        """Curvature vectors (m, n)."""
        return self._arrays[1].copy()

    @property
    def h0(self) -> Array:
        """Diagonal of H0 (n,), positive."""
        return self._arrays[2].copy()

    @property
    def u(self) -> Array:
        """A vector (n,)."""
        return self._arrays[3].copy()

    @property
    def v(self) -> Array:
        """Another vector (n,)."""
        return self._arrays[4].copy()

    @property
    def m(self) -> int:
        """Number of pairs."""
        return len(self.cosines)

    @property
    def ill_conditioning(self) -> float:
        """log10 of the product of the 1 / c_i, which bounds the norm of every product of factors I - rho y s'."""
        return -float(np.log10(self.cosines).sum())

    @cached_property
    def conditioning(self) -> Conditioning:
        """Measured on the arrays as they are after rounding."""
        return Conditioning.of(self.S, self.Y, self.h0)

    def last(self, capacity: int) -> OperatorCase:
        """The case with at most ``capacity`` pairs, for a memory which holds no more."""
        kept = min(capacity, self.m)
        return replace(self, cosines=self.cosines[:kept], lengths=self.lengths[:kept])


@st.composite
def operator_cases(
    draw: st.DrawFn,
    min_pairs: int = 0,
    min_size: int = 1,
    cosines: Sequence[float] = COSINES,
    dtypes: Sequence[str] = DTYPES,
) -> OperatorCase:
    """Cases of both dtypes, up to 6 pairs in up to 8 dimensions (more pairs than dimensions included)."""
    n = draw(st.integers(min_size, MAX_SIZE))
    m = draw(st.integers(min_pairs, MAX_PAIRS))
    dtype = draw(st.sampled_from(dtypes))
    allowed = [c for c in cosines if c == 1.0 or (n > 1 and c >= SMALLEST_COSINE[dtype])]
    drawn = tuple(draw(st.sampled_from(allowed)) for _ in range(m))
    lengths = tuple((draw(st.integers(-3, 3)), draw(st.integers(-3, 3))) for _ in range(m))
    return OperatorCase(n, drawn, lengths, draw(st.integers(0, 4)), draw(st.integers(0, 2**16)), dtype)


@dataclass(frozen=True)
class StreamCase:
    """A stream of gradients, one per ``kinds``, and two displacements s, t; n parameters.

    Kinds: normal; zero; tiny (squares near underflow); huge (squares near overflow, still finite);
    nan, inf, -inf (one entry); overflow (finite, but its square is not).
    """

    n: int
    kinds: tuple[str, ...]
    seed: int
    dtype: str

    @cached_property
    def _arrays(self) -> tuple[Array, Array, Array]:
        rng = np.random.default_rng(self.seed)
        s, t = rng.standard_normal((2, self.n))
        rows = [self._gradient(kind, rng) for kind in self.kinds]
        gradients = np.array(rows).reshape(len(rows), self.n)
        return gradients.astype(self.dtype), s.astype(self.dtype), t.astype(self.dtype)

    def _gradient(self, kind: str, rng: np.random.Generator) -> Array:
        g: Array = rng.standard_normal(self.n)
        scale = _SCALES[self.dtype]
        if kind in scale:
            return g * scale[kind]
        if kind != "normal":  # one bad entry
            g[rng.integers(self.n)] = _OVERFLOWS[self.dtype] if kind == "overflow" else float(kind)
        return g

    @property
    def gradients(self) -> Array:
        """(K, n), in order."""
        return self._arrays[0].copy()

    @property
    def finite(self) -> list[bool]:
        """Which gradients may be used."""
        return [kind not in BAD_KINDS for kind in self.kinds]

    @property
    def s(self) -> Array:
        """A displacement (n,)."""
        return self._arrays[1].copy()

    @property
    def t(self) -> Array:
        """Another displacement (n,)."""
        return self._arrays[2].copy()


@st.composite
def stream_cases(
    draw: st.DrawFn, kinds: Sequence[str] = ("normal", "zero"), min_steps: int = 0, max_steps: int = 8
) -> StreamCase:
    """Streams of up to ``max_steps`` gradients in up to 8 dimensions, both dtypes."""
    n = draw(st.integers(1, MAX_SIZE))
    drawn = draw(st.lists(st.sampled_from(kinds), min_size=min_steps, max_size=max_steps))
    return StreamCase(n, tuple(drawn), draw(st.integers(0, 2**16)), draw(st.sampled_from(DTYPES)))


@dataclass(frozen=True)
class QuadraticCase:
    """f(x) = x'Ax / 2 - b'x with A = Q diag(10^exponents) Q', Q a product of two Householder reflections."""

    exponents: tuple[float, ...]
    seed: int

    @cached_property
    def A(self) -> Array:
        """(n, n), symmetric positive definite."""
        rng = np.random.default_rng(self.seed)
        Q: Array = np.eye(self.n)
        for _ in range(2):
            v = _unit(rng, self.n)
            Q = Q - 2 * np.outer(Q @ v, v)
        A: Array = (Q * 10.0 ** np.array(self.exponents)) @ Q.T
        return (A + A.T) / 2

    @property
    def n(self) -> int:
        """Dimension."""
        return len(self.exponents)

    @property
    def condition(self) -> float:
        """lambda_max / lambda_min."""
        return float(10.0 ** (max(self.exponents) - min(self.exponents)))

    def last(self, capacity: int) -> QuadraticCase:
        """The case itself: its pairs are made by the law."""
        return self

    def vectors(self, count: int) -> Array:
        """(count, n) normal vectors; the first is b, the second a starting point, the rest anything."""
        return np.random.default_rng([self.seed, 1]).standard_normal((count, self.n))


@st.composite
def quadratic_cases(draw: st.DrawFn, max_size: int = MAX_SIZE, digits: int = 2) -> QuadraticCase:
    """Quadratics with condition numbers up to 10^digits; exponents are multiples of 1/2."""
    halves = draw(st.lists(st.integers(0, 2 * digits), min_size=1, max_size=max_size))
    return QuadraticCase(tuple(h / 2 for h in halves), draw(st.integers(0, 2**16)))


def tensors_of(n: int, cut: int) -> list[int]:
    """The sizes of up to three tensors of n elements together, the second of one element; ``cut`` of the first."""
    return [size for size in (cut, min(1, n - cut), n - cut - 1) if size > 0]


@dataclass(frozen=True)
class ContractCase:
    """Items for R runs, with masks saying which runs an item concerns.

    The same case serves every role: ``rows`` are gradients, ``pairs`` pairs of cosine >= 0.3, ``v`` vectors and
    ``partners`` such that v'partner > 0, ``h0`` diagonals, ``hessians`` positive definite matrices, ``points`` where
    the gradients are, ``references`` where a displacement begins and ``jacobians`` any matrices. With ``has_pair`` some
    run holds a pair, not each: ``paired``. ``cut`` parameters are of one tensor, the next of another, the others of a
    third; all of one without. ``still``: one gradient in four is zero, and one in four is the one before it.
    """

    runs: int
    n: int
    items: int
    has_pair: bool
    seed: int
    dtype: str
    cut: int = 0
    still: bool = False

    def _rng(self, stream: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, stream])

    @cached_property
    def rows(self) -> Array:
        """(R, K, n)."""
        rows = self._rng(0).standard_normal((self.runs, self.items, self.n)).astype(self.dtype)
        kinds = self._rng(12).random((self.runs, self.items)) if self.still else np.ones((self.runs, self.items))
        for r, k in zip(*np.nonzero(kinds < 0.5), strict=True):
            rows[r, k] = rows[r, k - 1] if k and kinds[r, k] < 0.25 else 0.0
        return rows

    @cached_property
    def masks(self) -> Array:
        """(K, R) bool; each run is concerned by three items in four."""
        return self._rng(1).random((self.items, self.runs)) < 0.75

    @cached_property
    def paired(self) -> Array:
        """Which runs hold a pair, (R,) bool: the first, and two in three of the others, or none."""
        some: Array = self._rng(10).random(self.runs) < 2 / 3
        some[0] = True
        return some & self.has_pair

    @cached_property
    def moves(self) -> Array:
        """Displacements (R, n): ``v``, but one run in four, the first excepted, is at rest."""
        rest = self._rng(11).random(self.runs) < 0.25
        rest[0] = False
        result: Array = np.where(rest[:, None], 0.0, self.v).astype(self.dtype)
        return result

    @cached_property
    def v(self) -> Array:
        """(R, n)."""
        return self._rng(2).standard_normal((self.runs, self.n)).astype(self.dtype)

    @cached_property
    def partners(self) -> Array:
        """(R, n), with v'partner > 0."""
        noise = self._rng(3).uniform(0.5, 2.0, (self.runs, self.n))  # a positive diagonal times v
        result: Array = noise * self.v
        return result.astype(self.dtype)

    @cached_property
    def pairs(self) -> tuple[Array, Array]:
        """S, Y (R, K, n)."""
        rng = self._rng(4)
        shape = (self.runs, self.items, self.n)
        S, Y = np.zeros(shape), np.zeros(shape)
        for r, k in np.ndindex(self.runs, self.items):
            S[r, k], Y[r, k] = make_pair(rng, self.n, float(rng.choice(COSINES[:3])), 1.0, 2.0 ** rng.integers(-2, 3))
        return S.astype(self.dtype), Y.astype(self.dtype)

    @cached_property
    def h0(self) -> Array:
        """(R, n), in 1/4 to 4."""
        result: Array = 2.0 ** self._rng(5).uniform(-2, 2, (self.runs, self.n))
        return result.astype(self.dtype)

    @cached_property
    def hessians(self) -> Array:
        """(R, n, n), eigenvalues of order 1."""
        L = self._rng(6).standard_normal((self.runs, self.n, self.n)) / np.sqrt(self.n)
        result: Array = L @ L.transpose(0, 2, 1) + 0.1 * np.eye(self.n)
        return result.astype(self.dtype)

    @cached_property
    def points(self) -> Array:
        """(R, K, n)."""
        return self._rng(7).standard_normal((self.runs, self.items, self.n)).astype(self.dtype)

    @cached_property
    def jacobians(self) -> Array:
        """(R, n, n)."""
        return self._rng(8).standard_normal((self.runs, self.n, self.n)).astype(self.dtype)

    @cached_property
    def references(self) -> Array:
        """(R, n)."""
        return self._rng(9).standard_normal((self.runs, self.n)).astype(self.dtype)


@st.composite
def contract_cases(
    draw: st.DrawFn, runs: int = 3, max_items: int = 6, min_items: int = 0, min_size: int = 1, still: bool = False
) -> ContractCase:
    """Up to ``runs`` runs and ``max_items`` items in up to 8 dimensions; every other one ``still``, where it may be."""
    return ContractCase(
        runs=draw(st.integers(1, runs)),
        n=draw(st.integers(min_size, MAX_SIZE)),
        items=draw(st.integers(min_items, max_items)),
        has_pair=draw(st.booleans()),
        seed=draw(st.integers(0, 2**16)),
        dtype=draw(st.sampled_from(DTYPES)),
        still=still and draw(st.booleans()),
    )
