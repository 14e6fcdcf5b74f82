"""Displacement aggregation: nothing is lost with a pair whose displacement lies in the span of newer ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from verification.compare import close, holds
from verification.law import Group, Property, Subject, law
from verification.laws.mathematics.family import Held
from verification.parts import Array
from verification.references import dense_bfgs
from verification.strategies import OperatorCase

NEAR = 1e-8
"""Relative: 12 pairs of cosines from 0.8 multiply rounding by (1 / 0.8)^24 = 200 at most, and displacements with a
condition number of 100 at most, each pair's share taken over several times, by 1e5: 2e7 times 1e-16, and five for n."""


@dataclass(frozen=True)
class SpanCase:
    """One pair for each of ``acts``, whose displacements stay in ``capacity`` dimensions of ``capacity`` + ``extra``.

    "new": the next of ``capacity`` oblique directions in turn; "turn": s_k = s_(k-1) - s_(k-2), which has a period
    of six and never degenerates, so that a pair in the middle becomes redundant. y = D s, D diagonal in 1/2 to 2.
    """

    acts: tuple[str, ...]
    extra: int
    seed: int

    def pairs(self, capacity: int) -> tuple[Array, Array]:
        """S, Y (len(acts), n)."""
        n, rng = capacity + self.extra, np.random.default_rng(self.seed)
        rotation, _ = np.linalg.qr(rng.standard_normal((n, n)))
        S: list[Array] = []
        for k, act in enumerate(self.acts):
            e = np.zeros(n)
            e[k % capacity] = 1.0
            e[(k + 1) % capacity] += 0.4
            S.append(S[-1] - S[-2] if act == "turn" and k >= 2 and capacity >= 2 else rotation @ e)
        return np.array(S), np.array(S) * 2.0 ** rng.uniform(-1, 1, (len(S), n))

    def last(self, capacity: int) -> SpanCase:
        """The case itself: it fits any memory."""
        return self


CASES = st.builds(
    SpanCase,
    st.lists(st.sampled_from(("new", "turn")), min_size=1, max_size=12).map(tuple),
    st.integers(0, 3),
    st.integers(0, 2**16),
)


@law(
    name="displacement-aggregation",
    number=6,
    statement="H = the BFGS matrix of all pairs from h0 I, in `capacity` slots, if old s lie in the span of newer s",
    source="Berahas, Curtis & Zhou, Limited-memory BFGS with displacement aggregation.",
    group=Group.REFERENCE,
    subject=Subject.MEMORY,
    tolerance="dense",
    kills=(
        "evicts_what_is_redundant",
        "takes_nothing_over",
        "aggregates_without_older_pairs",
        "aggregates_around_another_h0",
        "aggregates_in_reverse",
    ),
    needs=frozenset({Property.SPANNED}),
    inputs=CASES,
)
def displacement_aggregation(factory: Callable[[], Any], case: SpanCase) -> None:
    """After every pair, and with the newest pair as it was given."""
    part = factory()
    S, Y = case.pairs(part.capacity)
    held = Held(part, OperatorCase(S.shape[1], (), (), 0, 0, "float64"))
    h0 = np.full(S.shape[1], float(part.h0))
    held.h0 = held.h0 * 0 + part.h0
    for k, (s, y) in enumerate(zip(S, Y, strict=True), start=1):
        holds(bool(held.admit(s, y).admitted), f"pair {k} with s'y = {s @ y} > 0 was refused")
        expected = dense_bfgs.inverse_hessian(S[:k], Y[:k], h0)
        close(held.H(), expected, NEAR * float(np.abs(expected).max()), f"H after {k} pairs in {part.capacity} slots")
        close(held.state.newest()[0][0], float(s @ y), NEAR * float(np.abs(s) @ np.abs(y)), "the newest pair's s'y")


LAWS = (displacement_aggregation,)
