"""Nothing is lost with a pair whose displacement lies in the span of newer ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar
from unittest import mock

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from adaqn_lab import Displacement, DisplacementAggregation, Verdict
from adaqn_lab.memory.aggregation import Frame
from adaqn_lab.protocols import Operator
from verification.compare import close, holds
from verification.law import Group, Property, Subject, law
from verification.memory.aggregated_window import AGGREGATED
from verification.memory.held import Held
from verification.naming import by_name
from verification.parts import Array
from verification.references import dense_bfgs
from verification.specimen import Specimen
from verification.strategies import OperatorCase

SPANNED = Property(
    "spanned",
    "A displacement in the span of newer ones leaves, H stays; H0 = h0 I.",
    fields=(
        "capacity",
        "h0",
    ),
)


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
    needs=(SPANNED,),
    share=0.5,
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


class _Wrong(DisplacementAggregation, ABC):
    """Declares what it does not do; ``wrong`` stands in for a method of the algebra."""

    declares: ClassVar[tuple[str, ...]] = ("spanned",)
    name: ClassVar[str] = "taken_over"

    @staticmethod
    @abstractmethod
    def wrong(right: Callable[..., Any], frame: Frame, *arguments: Any) -> Any:
        """The faulty method."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        """Admit with the wrong algebra."""
        right = getattr(Frame, self.name)

        def faulty(frame: Frame, *arguments: Any) -> Any:
            return type(self).wrong(right, frame, *arguments)

        with mock.patch.object(Frame, self.name, faulty):
            return super().admit_(state, move, y, operator)


class EvictsWhatIsRedundant(_Wrong):
    """Nothing is ever found redundant: the oldest pair leaves with all that it knew."""

    name = "redundant"

    @staticmethod
    def wrong(right: Callable[..., Any], frame: Frame, *arguments: Any) -> Any:
        return torch.zeros_like(frame.held)


class TakesNothingOver(_Wrong):
    """The redundant pair leaves and the others stay as they are."""

    @staticmethod
    def wrong(right: Callable[..., Any], frame: Frame, *arguments: Any) -> Any:
        p, c = right(frame, *arguments)
        return torch.zeros_like(p), torch.eye(len(c[0]), dtype=c.dtype).expand_as(c)


class AggregatesWithoutOlderPairs(_Wrong):
    """B is H0^-1 although older pairs are held."""

    @staticmethod
    def wrong(right: Callable[..., Any], frame: Frame, *arguments: Any) -> Any:
        gone = arguments[0]
        recent = (gone.long().cumsum(1) == 1) | ~gone.any(1, keepdim=True)
        return right(Frame(frame.basis, frame.r, frame.y_q, frame.held & recent), *arguments)


class AggregatesAroundAnotherH0(_Wrong):
    """H0 is taken for twice what it is."""

    @staticmethod
    def wrong(right: Callable[..., Any], frame: Frame, gone: Tensor, h0: float) -> Any:
        return right(frame, gone, 2 * h0)


class AggregatesInReverse(_Wrong):
    """y_t - b_t y_j for y_t + b_t y_j."""

    @staticmethod
    def wrong(right: Callable[..., Any], frame: Frame, *arguments: Any) -> Any:
        p, c = right(frame, *arguments)
        return p, torch.where(arguments[0].unsqueeze(1), -c, c)


SPECIMEN = Specimen(
    role=Subject.MEMORY,
    kind=DisplacementAggregation,
    variations=(
        partial(DisplacementAggregation, capacity=3),
        partial(DisplacementAggregation, capacity=5, h0=0.25),
    ),
    declares=frozenset({AGGREGATED, SPANNED}),
    laws=(displacement_aggregation,),
    mutants=by_name(
        EvictsWhatIsRedundant,
        TakesNothingOver,
        AggregatesWithoutOlderPairs,
        AggregatesAroundAnotherH0,
        AggregatesInReverse,
        capacity=3,
    ),
)
