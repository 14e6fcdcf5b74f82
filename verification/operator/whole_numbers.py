"""Pairs that chance never draws: whole numbers, zeros, entries that sum to zero, the same pair twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from hypothesis import strategies as st

from verification.compare import close
from verification.law import Group, Subject, law
from verification.operator.dense import Array, Direction, allowed, norm
from verification.references import two_loop
from verification.strategies import OperatorCase
from verification.tolerances import TOLERANCES

OPERATOR = TOLERANCES["operator"]
KINDS = (
    "s sums to zero",
    "y sums to zero",
    "one entry",
    "first entry zero",
    "last entry zero",
    "ones",
    "the first again",
)
"""What a pair looks like."""


@dataclass(frozen=True)
class WholeNumbers(OperatorCase):
    """Pairs (s, A s), A = diag of 1, 2, 3, s of small whole numbers, one of ``kinds`` each; H0 = 2 I, n >= 2.

    In every second case v is of whole numbers and normal to one of the s.
    """

    kinds: tuple[str, ...]

    @cached_property
    def _arrays(self) -> tuple[Array, ...]:
        rng = np.random.default_rng(self.seed)
        u, v = rng.standard_normal((2, self.n))
        A = rng.integers(1, 4, self.n)
        S = np.zeros((self.m, self.n))
        for k, kind in enumerate(self.kinds):
            S[k] = S[0] if kind == "the first again" and k else self._displacement(kind, A, rng)
        if self.seed % 2 and self.m:
            s, w = S[self.seed % self.m], rng.integers(-2, 3, self.n)
            v = (s @ s) * w - (s @ w) * s
        return tuple(x.astype(self.dtype) for x in (S, S * A, np.full(self.n, 2.0), u, v))

    def _displacement(self, kind: str, A: Array, rng: np.random.Generator) -> Array:
        """One s; it is never zero."""
        i, j = rng.permutation(self.n)[:2]
        s = np.ones(self.n)
        if kind == "one entry":
            s = float(rng.choice([-2, 1])) * np.eye(self.n)[i]
        elif kind.endswith("sums to zero"):
            a, b = (A[j], A[i]) if kind.startswith("y") else (1, 1)
            s = a * np.eye(self.n)[i] - b * np.eye(self.n)[j]
        elif kind.endswith("entry zero"):
            s = rng.integers(1, 4, self.n) * rng.choice([-1.0, 1.0], self.n)
            s[0 if kind.startswith("first") else -1] = 0.0
        return s

    def last(self, capacity: int) -> WholeNumbers:
        """At most ``capacity`` pairs."""
        kept = min(capacity, self.m)
        cut = {name: getattr(self, name)[:kept] for name in ("cosines", "lengths", "kinds")}
        return replace(self, **cut)


def _case(n: int, kinds: list[str], seed: int, dtype: str) -> WholeNumbers:
    m = len(kinds)
    return WholeNumbers(n, (1.0,) * m, ((0, 0),) * m, 0, seed, dtype, tuple(kinds))


CASES = st.builds(
    _case,
    st.integers(2, 6),
    st.lists(st.sampled_from(KINDS), min_size=1, max_size=4),
    st.integers(0, 2**16),
    st.sampled_from(("float64", "float32")),
)


@law(
    name="whole-numbers",
    statement="pairs of small whole numbers (zeros, sums of zero, a pair twice, s'v = 0): H v = the two-loop recursion",
    source="A pair counts whatever its entries are; GradientTransformation 1.0.0 takes one whose s sums to 0 for none.",
    group=Group.REFERENCE,
    subject=Subject.OPERATOR,
    tolerance="operator",
    kills=(
        "zero_sum_is_no_pair",
        "first_entry_tells_empty_slots",
        "a_pair_seen_before_is_dropped",
        "no_part_of_v_no_pair",
    ),
    min_pairs=1,
    inputs=CASES,
)
def whole_numbers(direction: Direction, case: WholeNumbers) -> None:
    """No value of an entry, and no sum of entries, means anything but itself."""
    got = direction(case.S, case.Y, case.h0, case.v)
    expected = two_loop.direction(case.S, case.Y, case.h0, case.v)
    close(got, expected, 2 * allowed(OPERATOR, case) * norm(case.v), f"H v with pairs {case.kinds}")


def _of_those(kept: Callable[[Array], Array]) -> Direction:
    """The two loops on the pairs which ``kept(S)`` (m,) marks."""

    def direction(S: Array, Y: Array, h0: Array, g: Array) -> Array:
        marked = kept(S)
        return two_loop.direction(S[marked], Y[marked], h0, g).astype(g.dtype)

    return direction


def _not_seen_before(S: Array) -> Array:
    return np.array([not any(np.array_equal(s, t) for t in S[:i]) for i, s in enumerate(S)], bool)


def _no_part_of_v(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """A pair with s'v = 0 is passed over, although q = v only for the newest, and y'r need not be 0."""
    marked = S @ g != 0
    return two_loop.direction(S[marked], Y[marked], h0, g).astype(g.dtype)


MUTANTS = {
    Subject.OPERATOR: {
        # GradientTransformation 1.0.0: an empty slot is told by the sum of its entries.
        "zero_sum_is_no_pair": lambda: _of_those(lambda S: S.sum(axis=1) != 0),
        "first_entry_tells_empty_slots": lambda: _of_those(lambda S: S[:, 0] != 0),
        "a_pair_seen_before_is_dropped": lambda: _of_those(_not_seen_before),
        "no_part_of_v_no_pair": lambda: _no_part_of_v,
    }
}
LAWS = (whole_numbers,)
