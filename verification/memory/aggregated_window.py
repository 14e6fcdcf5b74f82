"""A displacement parallel to the newest takes its place."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from adaqn_lab import AggregatedWindow, Displacement, Verdict, Window
from adaqn_lab.protocols import Operator
from verification.compare import close, holds
from verification.contracts.memory import NEWEST
from verification.law import Factory, Group, Property, Subject, law
from verification.memory.held import Held
from verification.naming import by_name
from verification.operator.dense import norm
from verification.parts import array, tensor
from verification.references import dense_bfgs
from verification.specimen import Specimen
from verification.strategies import OperatorCase, operator_cases
from verification.tolerances import TOLERANCES

AGGREGATED = Property("aggregated", "A displacement parallel to the newest takes its place.", fields=("capacity",))


@law(
    name="aggregation",
    statement="a pair (2s, y') or (-2s, y') after (s, y) leaves the H of all pairs, and a slot for an older one",
    source="Berahas, Curtis & Zhou: a displacement parallel to its successor's carries no information.",
    group=Group.MATHEMATICS,
    subject=Subject.MEMORY,
    tolerance="dense",
    kills=("never_aggregates", "aggregates_everything", "aggregates_one_way"),
    needs=(AGGREGATED,),
    share=0.5,
    inputs=operator_cases(min_size=2, min_pairs=1, cosines=(1.0, 0.7), dtypes=("float64",)),
)
def aggregation(factory: Factory, case: OperatorCase) -> None:
    """Nothing is lost by replacing a parallel displacement's pair."""
    part = factory()
    n = max(case.n, part.capacity + 1)
    S = np.eye(n)[: part.capacity] + 0.1 * case.seed % 3 * np.eye(n)[0]  # far from parallel
    S = np.concatenate([S, (2 if case.seed % 2 else -2) * S[-1:]])
    Y = S * np.linspace(0.5, 2.0, n)
    held = Held(part, OperatorCase(n, (), (), case.spread, case.seed, "float64"))
    for s, y in zip(S, Y, strict=True):
        holds(bool(held.admit(s, y).admitted), "an admissible pair was refused")
    h0 = array(held.h0)
    v = np.ones(n)
    expected = dense_bfgs.direction(S, Y, h0, v)
    atol = held.allowed(TOLERANCES["dense"]) * norm(v)
    close(array(held(tensor(v[None])))[0], expected, atol, "H v with one pair more than there are slots")


class NeverAggregates(AggregatedWindow):
    """The oldest pair leaves for a parallel one."""

    declares: ClassVar[tuple[str, ...]] = ("aggregated",)

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        return Window(capacity=self.capacity, test=self.test).admit_(state, move, y, operator)


class AggregatesEverything(AggregatedWindow):
    """Every pair takes the newest one's place."""

    declares: ClassVar[tuple[str, ...]] = ("aggregated",)

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        state.pop_(move.where)
        return super().admit_(state, move, y, operator)


class AggregatesOneWay(AggregatedWindow):
    """A displacement which points backwards along the newest is another direction to it."""

    declares: ClassVar[tuple[str, ...]] = ("aggregated",)

    def store_(self, state: Any, s: Tensor, y: Tensor, verdict: Verdict) -> None:
        backwards = (state.latest() * s).sum(1) < 0
        super().store_(state, s, y, replace(verdict, admitted=verdict.admitted & ~backwards))
        state.push_(s, y, verdict.admitted & backwards)


SPECIMEN = Specimen(
    role=Subject.MEMORY,
    kind=AggregatedWindow,
    variations=(partial(AggregatedWindow, capacity=3),),
    declares=frozenset({NEWEST, AGGREGATED}),
    laws=(aggregation,),
    mutants=by_name(NeverAggregates, AggregatesEverything, AggregatesOneWay, capacity=3),
)
