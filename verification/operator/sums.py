"""Dot products over many parameters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from hypothesis import strategies as st

from verification.compare import holds
from verification.conditioning import cosines
from verification.law import Group, Subject, law
from verification.operator.dense import Direction, norm
from verification.references import two_loop
from verification.strategies import Array
from verification.tolerances import TOLERANCES

SUMS = TOLERANCES["long sums"]


@dataclass(frozen=True)
class LongCase:
    """n = 2^exponent parameters, m float32 pairs, every entry positive, so that no sum is short by cancellation.

    y = a s with entries of a from 1/2 to 2: cosines are above 0.8. h0 = 1.
    """

    exponent: int
    m: int
    seed: int

    @cached_property
    def _arrays(self) -> tuple[Array, Array, Array]:
        rng = np.random.default_rng(self.seed)
        n = 2**self.exponent
        S = rng.uniform(0.5, 1.0, (self.m, n)).astype(np.float32)
        return S, S * rng.uniform(0.5, 2.0, n).astype(np.float32), rng.uniform(0.5, 1.0, n).astype(np.float32)

    @property
    def arguments(self) -> tuple[Array, Array, Array, Array]:
        """Fresh S, Y, h0, g."""
        S, Y, g = (x.copy() for x in self._arrays)
        return S, Y, np.ones_like(g), g

    def last(self, capacity: int) -> LongCase:
        """At most ``capacity`` pairs."""
        return LongCase(self.exponent, min(self.m, capacity), self.seed)


def error_and_bound(direction: Direction, case: LongCase) -> tuple[float, float]:
    """|H g - (H g in float64)| / |g| and how large it may be, for whatever n."""
    expected = two_loop.direction(*case.arguments)
    S, Y, _, g = case.arguments
    got = direction(*case.arguments).astype(np.float64)
    c = cosines(S, Y)
    longest = float((np.einsum("ij,ij->i", S, S) / np.einsum("ij,ij->i", S, Y)).max(initial=0.0))
    magnitude = float(np.prod(1 / c)) ** 2 * (1 + longest)
    return norm(got - expected) / norm(g), SUMS("float32", m=case.m, c_min=float(c.min(initial=1.0))) * magnitude


@law(
    name="long-sums",
    number=5,
    statement="float32, entries of one sign: |H g - (H g in float64)| <= 10 u m / c_min, whatever n is",
    source="Higham 2002, section 4.2: a running sum loses a digit for every ten-fold n; blocks or float64 do not.",
    group=Group.REFERENCE,
    subject=Subject.OPERATOR,
    tolerance="long sums",
    kills=("running_sums",),
    min_pairs=1,
    inputs=st.builds(LongCase, st.sampled_from((0, 4, 14)), st.integers(1, 3), st.integers(0, 2**16)),
)
def long_sums(direction: Direction, case: LongCase) -> None:
    """A model with millions of parameters gets as accurate a direction as one with ten."""
    got, bound = error_and_bound(direction, case)
    holds(got <= bound, f"error of H g per |g| with n = 2^{case.exponent}: got {got:.3g}, at most {bound:.3g} expected")


LAWS = (long_sums,)
