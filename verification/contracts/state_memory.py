"""Every field of a state lies in memory of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import AdaGrad, Diagonal, Displacement, EmpiricalFisher, Pair, Space, Step, Verdict
from adaqn_lab import state as part_state
from adaqn_lab.bases import PairGeneratorBase, ScalingBase
from adaqn_lab.pairs.empirical_fisher import FisherStore
from adaqn_lab.protocols import Curvature, Operator, OracleLike
from verification.bench import Array, Bench
from verification.benches import MemoryBench, PairBench, ScalingBench, StepperBench
from verification.compare import holds, same
from verification.contracts.stepper_bases import Rolling, Velocity
from verification.law import Factory, Group, Law, Subject, law
from verification.naming import by_name
from verification.strategies import ContractCase, contract_cases
from verification.textbook_memory import Rows, TextbookMemory

ROLES: dict[Subject, tuple[str, type[Bench], tuple[str, ...]]] = {
    Subject.PAIRS: ("pairs", PairBench, ("both_means_begin_as_one", "last_is_the_newest_row")),
    Subject.SCALING: ("scaling", ScalingBench, ("one_number_seen_as_many", "peak_is_the_mean")),
    Subject.MEMORY: ("memory", MemoryBench, ("one_buffer_for_s_and_y", "tells_its_own_numbers")),
    Subject.STEPPER: ("stepper", StepperBench, ("keeps_the_velocity_itself", "two_velocities_in_one")),
}


def addresses(x: Tensor) -> Array:
    """Where each element of ``x`` lies."""
    offsets = [np.arange(size) * stride for size, stride in zip(x.shape, x.stride(), strict=True)]
    grid = sum(np.ix_(*offsets)) if offsets else np.zeros(1, np.int64)
    return np.asarray(x.data_ptr() + np.asarray(grid).ravel() * x.element_size())


def each_apart(state: Any, when: str) -> None:
    """Raise AssertionError if two fields, or two elements of one, lie in the same memory."""
    lies = {name: addresses(x) for name, x in part_state.flatten({"state": state}).items()}
    for name, own in lies.items():
        holds(len(np.unique(own)) == len(own), f"{name} {when}: some of its elements are one; clone what was expanded")
    for (one, a), (other, b) in combinations(lies.items(), 2):
        what = f"{one} and {other} {when} share memory: whoever writes one in place writes both; clone one of them"
        holds(not np.intersect1d(a, b).size, what)


def _law(subject: Subject) -> Law:
    prefix, bench, kills = ROLES[subject]

    @law(
        name=f"{prefix}-fields-apart",
        statement="no two fields of the state share memory: at first, after every item, after a reset; verdicts stay",
        source="adaqn_lab.protocols: the state is the optimizer's, which writes it in place: reset(), graphs=True.",
        group=Group.CONTRACT,
        subject=subject,
        kills=kills,
        share=0.25,
        inputs=contract_cases(),
    )
    def check(factory: Factory, case: ContractCase) -> None:
        driven = bench(factory(), case)
        each_apart(driven.state, "as init made it")
        told = []
        for k in range(case.items):
            told += _fed(driven, k)
            driven.ask()
            each_apart(driven.state, f"after {k + 1} items")
        if driven.resettable:
            driven.reset(np.arange(case.runs) % 2 == 0)
            each_apart(driven.state, f"after {case.items} items and a reset or a roll-back")
        for what, now, then in told:
            same(now, then, what)

    return check


def _fed(driven: Bench, k: int) -> list[tuple[str, Tensor, Tensor]]:
    """Feed item k; of a memory the numbers of its verdict, which go into the log, and copies of them."""
    case = driven.case
    if not isinstance(driven, MemoryBench):
        driven.feed(k, case.masks[k])
        return []
    S, Y = case.pairs
    told = vars(driven.admit(S[:, k], Y[:, k], case.masks[k]))
    return [(f"{name} of the verdict on item {k}, later", x, x.clone()) for name, x in told.items()]


LAWS = tuple(_law(subject) for subject in ROLES)
"""One for each role."""


@dataclass
class _Sums:
    s: Tensor
    y: Tensor


class BothMeansBeginAsOne(PairGeneratorBase):
    """s and y are decaying sums of w and g, each bound anew at every step; they begin as one tensor."""

    def init(self, space: Space) -> _Sums:
        zero = space.zeros()
        return _Sums(zero, zero)

    def observe_(self, state: _Sums, step: Step) -> None:
        where = step.where.unsqueeze(1)
        state.s = torch.where(where, state.s / 2 + step.w(), state.s)
        state.y = torch.where(where, state.y / 2 + step.g, state.y)

    def pair_(self, state: _Sums, move: Displacement, oracle: OracleLike) -> Pair:
        return Pair(state.s.clone(), state.y.clone())

    def reset_(self, state: _Sums, where: Tensor) -> None:
        state.s, state.y = (x.masked_fill(where.unsqueeze(1), 0.0) for x in (state.s, state.y))


@dataclass
class _WithLast:
    store: FisherStore
    last: Tensor


class LastIsTheNewestRow(EmpiricalFisher):
    """Beside the store it keeps the newest gradient, as a view of the store."""

    def init(self, space: Space) -> _WithLast:  # type: ignore[override]
        return _WithLast(super().init(space), space.zeros())

    def observe_(self, state: _WithLast, step: Step) -> None:  # type: ignore[override]
        super().observe_(state.store, step)
        state.last = state.store.gradients[:, 0]

    def pair_(self, state: _WithLast, move: Displacement, oracle: OracleLike) -> Tensor:  # type: ignore[override]
        return super().pair_(state.store, move, oracle)

    def reset_(self, state: _WithLast, where: Tensor) -> None:  # type: ignore[override]
        super().reset_(state.store, where)


class OneNumberSeenAsMany(AdaGrad):
    """Its total is one number a run, expanded to n."""

    def observe_(self, state: Any, step: Step) -> None:
        total = state.total[:, :1] + (step.g * step.g).mean(1, keepdim=True)
        state.total = total.expand_as(step.g)


@dataclass
class _Peak:
    total: Tensor
    peak: Tensor


class PeakIsTheMean(ScalingBase):
    """The first peak is the total itself, which is added to in place."""

    def init(self, space: Space) -> _Peak:
        return _Peak(space.zeros(), space.zeros())

    def observe_(self, state: _Peak, step: Step) -> None:
        state.total.add_(step.g * step.g)
        state.peak = state.total

    def h0(self, state: _Peak, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.peak, eps=1e-2)


class OneBufferForSAndY(TextbookMemory):
    """S and Y begin as one tensor."""

    def init(self, space: Space) -> Any:
        rows = space.zeros(self.capacity)
        return Rows(rows, rows, space.counts())


@dataclass
class _Numbers(Rows):
    numbers: Tensor


class TellsItsOwnNumbers(TextbookMemory):
    """The verdict's s'y is a field of the state, into which the next one is written."""

    def init(self, space: Space) -> Any:
        return _Numbers(space.zeros(self.capacity), space.zeros(self.capacity), space.counts(), space.scalars())

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        return Verdict(verdict.admitted, state.numbers.copy_(verdict.s_y), verdict.s_s, verdict.y_y)


@dataclass
class _Kept(Velocity):
    kept: Tensor


class KeepsTheVelocityItself(Rolling):
    """An advance keeps the velocity, to which a roll-back returns: not a copy of it."""

    def init(self, space: Space) -> Velocity:
        return _Kept(space.zeros(), space.zeros())

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        state.kept = state.v
        return super().direction_(state, step, operator)

    def rollback_(self, state: Any, where: Tensor) -> None:
        state.v = torch.where(where.all(), state.kept, state.v)
        state.kept = state.v


class TwoVelocitiesInOne(Rolling):
    """A slow and a fast velocity, which begin as one tensor and are bound anew."""

    def init(self, space: Space) -> Velocity:
        zero = space.zeros()
        return _Kept(zero, zero)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: by_name(BothMeansBeginAsOne, LastIsTheNewestRow),
    Subject.SCALING: by_name(OneNumberSeenAsMany, PeakIsTheMean),
    Subject.MEMORY: by_name(OneBufferForSAndY, TellsItsOwnNumbers),
    Subject.STEPPER: by_name(KeepsTheVelocityItself, TwoVelocitiesInOne),
}
