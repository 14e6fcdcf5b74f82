"""Dot products over many parameters."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from hypothesis import strategies as st

from verification.compare import holds
from verification.conditioning import cosines
from verification.law import Group, Subject, law
from verification.operator.dense import Direction, norm
from verification.parts import TooLargeError
from verification.references import two_loop
from verification.strategies import Array
from verification.tolerances import TOLERANCES

SUMS = TOLERANCES["long sums"]
BYTES, SECONDS = 2**28, 2.0
"""What the state of a memory, and one product, may take."""
PROBES = (7, 9)
"""Exponents of the sizes from whose costs that of a larger one is told."""


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


def _seconds(direction: Direction, exponent: int) -> float:
    """What H g costs with 2^exponent parameters: the least of three, after one which may compile."""
    case, spent = LongCase(exponent, 1, 0), []
    for _ in range(4):
        given = case.arguments
        start = time.perf_counter()
        direction(*given)
        spent.append(time.perf_counter() - start)
    return min(spent[1:])


@lru_cache(maxsize=64)
def too_large(direction: Direction, exponent: int) -> str:
    """Why 2^exponent parameters are too many for this operator; "" if they are not.

    A memory is asked on the meta device what it allocates. The time of a product is measured at two smaller sizes and
    carried on by the power of n with which it grows between them, from n to n^3.
    """
    n = 2**exponent
    try:
        needed: Callable[[int], int] = getattr(direction, "bytes_needed", lambda n: 0)
        if needed(n) > BYTES:
            return (
                f"too large for this memory: n = {n} would take {needed(n) / 2**20:.0f} MiB, {BYTES / 2**20:.0f} tried"
            )
    except ValueError as error:
        return f"too large for this memory: {error}"
    small, large = (_seconds(direction, probe) for probe in PROBES)
    power = min(max(math.log2(large / small) / (PROBES[1] - PROBES[0]), 1.0), 3.0)
    seconds = large * 2.0 ** (power * (exponent - PROBES[1]))
    text = f"{seconds:.0f} s for one product with n = {n}, as {large:.2g} s with n = {2 ** PROBES[1]} tell"
    return f"too large for this memory: {text}" if seconds > SECONDS else ""


@law(
    name="long-sums",
    statement="float32, entries of one sign: |H g - (H g in float64)| <= 10 u m / c_min, whatever n is",
    source="Higham 2002, section 4.2: a running sum loses a digit for every ten-fold n; blocks or float64 do not.",
    group=Group.REFERENCE,
    subject=Subject.OPERATOR,
    tolerance="long sums",
    kills=("running_sums", "rho_of_wrong_pair"),
    min_pairs=1,
    inputs=st.builds(LongCase, st.sampled_from((0, 4, 14)), st.integers(1, 3), st.integers(0, 2**16)),
)
def long_sums(direction: Direction, case: LongCase) -> None:
    """A model with millions of parameters gets as accurate a direction as one with ten."""
    reason = too_large(direction, case.exponent) if case.exponent > max(PROBES) else ""
    if reason:
        raise TooLargeError(reason)
    got, bound = error_and_bound(direction, case)
    holds(got <= bound, f"error of H g per |g| with n = 2^{case.exponent}: got {got:.3g}, at most {bound:.3g} expected")


LAWS = (long_sums,)
