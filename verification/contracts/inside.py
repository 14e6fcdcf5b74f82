"""A part around another one of its role passes on what it is told: once, in order, for the same runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Clipped, Decaying, Displacement, Nesterov, Repaired, Step, Verdict
from adaqn_lab.protocols import InnerStepper, MemoryPolicy, Operator
from adaqn_lab.steppers.composing import Composing
from verification.benches import MemoryBench, StepperBench
from verification.compare import holds, same
from verification.law import Factory, Group, Subject, law
from verification.naming import by_name
from verification.spies import Call, Log, spy
from verification.strategies import Array, ContractCase, contract_cases

LONG = contract_cases(min_items=6, max_items=9)


def _spied(part: Any, role: str, protocol: type) -> tuple[Any, dict[str, Log]]:
    """``part`` with a spy around each field that is a part of this role, and what each was told."""
    if not dataclasses.is_dataclass(part) or isinstance(part, type):
        return part, {}
    found = {f.name: getattr(part, f.name) for f in dataclasses.fields(part) if f.init}
    inner = {name: value for name, value in found.items() if isinstance(value, protocol)}
    logs = {name: Log() for name in inner}
    try:
        return dataclasses.replace(part, **{name: spy(x, role, logs[name]) for name, x in inner.items()}), logs
    except (TypeError, ValueError):  # it takes no other part than its own kind
        return part, {}


def _taken(log: Log, name: str) -> list[Call]:
    """The calls of one method since the last look; all are forgotten then."""
    calls = [call for call in log.calls if call.name == name]
    log.calls.clear()
    return calls


@law(
    name="stepper-inside-counts",
    statement="a stepper in a field: at most one direction a step, each roll-back and advance once, for the same runs",
    source="adaqn_lab.protocols: InnerStepper. A velocity that is told twice shrinks twice.",
    group=Group.CONTRACT,
    subject=Subject.STEPPER,
    kills=("rolls_back_and_resets", "asks_twice", "rolls_back_twice", "tells_the_others"),
    share=0.5,
    inputs=LONG,
)
def stepper_inside_counts(factory: Factory, case: ContractCase) -> None:
    """Windows of three steps; at their ends some runs go back, and the others on."""
    part, logs = _spied(factory(), "stepper", InnerStepper)
    if not logs:
        return
    bench = StepperBench(part, case)
    for k in range(case.items):
        bench.feed(k, case.masks[k])
        for name, log in logs.items():
            asked = len(_taken(log, "direction_"))
            holds(
                asked <= 1, f"step {k + 1}: the stepper `{name}` was asked for {asked} directions, at most 1 expected"
            )
        if bench.k % 3 == 0:
            _window_ends(bench, logs, case.masks[k], k + 1)


def _window_ends(bench: StepperBench, logs: dict[str, Log], kept: Array, k: int) -> None:
    for name, runs in (("rollback_", ~kept), ("advance_", kept)):
        where = bench.mask(runs)
        getattr(bench.part, name)(bench.state, where)
        for field, log in logs.items():
            told = [call.name for call in log.calls]
            what = f"step {k}: {name} told the stepper `{field}`"
            holds(told == [name], f"{what} {told}, once the same expected")
            same(_taken(log, name)[0].given["where"], where, f"{what}, for these runs")


@law(
    name="memory-inside-counts",
    statement="a memory in a field: offered pairs of the runs in `where`, admits none twice; a reset reaches its runs",
    source="adaqn_lab.protocols: MemoryPolicy. A pair that is offered twice takes two slots.",
    group=Group.CONTRACT,
    subject=Subject.MEMORY,
    kills=("offers_twice", "offers_to_every_run", "reset_stays_outside", "reset_of_every_run"),
    share=0.25,
    inputs=LONG,
)
def memory_inside_counts(factory: Factory, case: ContractCase) -> None:
    """Pairs and resets of some runs. A wrapper may judge for itself, offer again what was refused, or restart."""
    part, logs = _spied(factory(), "memory", MemoryPolicy)
    if not logs:
        return
    bench = MemoryBench(part, case)
    for k in range(case.items):
        where = bench.mask(case.masks[k])
        bench.feed(k, case.masks[k])
        for field, log in logs.items():
            _offers(_taken(log, "admit_"), where, f"pair {k}: the memory `{field}`")
        if k % 3 == 2:
            even = bench.mask(np.arange(case.runs) % 2 == 0)
            bench.reset(even.numpy())
            for field, log in logs.items():
                reached = sum((call.given["where"].long() for call in _taken(log, "reset_")), torch.zeros(case.runs))
                same(
                    reached > 0,
                    even,
                    f"after pair {k}: runs of which the memory `{field}` was told that they are reset",
                )


def _offers(calls: list[Call], where: Tensor, what: str) -> None:
    """Only to the runs in ``where``, and none admits twice."""
    admitted = torch.zeros(len(where))
    for call in calls:
        beyond = (call.given["where"] & ~where).tolist()
        holds(not any(beyond), f"{what} was offered pairs of the runs {beyond}, which nobody asked about")
        assert call.admitted is not None
        admitted = admitted + call.admitted
    holds(bool((admitted <= 1).all()), f"{what} admitted one pair {admitted.tolist()} times, by run")


LAWS = (stepper_inside_counts, memory_inside_counts)


class RollsBackAndResets(Clipped):
    """A roll-back is told as an advance too, "to save where it is"."""

    def rollback_(self, state: Any, where: Tensor) -> None:
        super().rollback_(state, where)
        self.of.advance_(state, where)


class AsksTwice(Decaying):
    """The mean of two directions of the stepper inside: at g and again at g."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        first = self.of.direction_(state, dataclasses.replace(step, g=step.g.clone()), operator)
        return (first + super().direction_(state, step, operator)) / 2


@dataclass(frozen=True)
class RollsBackTwice(Composing):
    """Its stepper is in a field of another name, and hears of a roll-back twice."""

    inner: Any = Nesterov()
    needs: ClassVar[frozenset[Any]] = frozenset()

    def init(self, space: Any) -> Any:
        return self.inner.init(space)

    def check_recipe(self, recipe: Any) -> None:
        self.inner.check_recipe(recipe)

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d: Tensor = self.inner.direction_(state, step, operator)
        return d

    def advance_(self, state: Any, where: Tensor) -> None:
        self.inner.advance_(state, where)

    def rollback_(self, state: Any, where: Tensor) -> None:
        for _ in range(2):
            self.inner.rollback_(state, where)


class TellsTheOthers(Clipped):
    """The mask of a roll-back the wrong way round."""

    def rollback_(self, state: Any, where: Tensor) -> None:
        self.of.rollback_(state, ~where)


class OffersTwice(Repaired):
    """A refused pair is offered again as it was, an admitted one too."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        super().admit_(state, move, y, operator)
        return super().admit_(state, move, y, operator)


class OffersToEveryRun(Repaired):
    """The memory inside judges pairs of runs which nobody asked about."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, dataclasses.replace(move, where=torch.ones_like(move.where)), y, operator)
        return dataclasses.replace(verdict, admitted=verdict.admitted & move.where)


class ResetOfEveryRun(Repaired):
    """The memory inside is reset for all runs."""

    def reset_(self, state: Any, where: Tensor) -> None:
        self.of.reset_(state, torch.ones_like(where))


class ResetStaysOutside(Repaired):
    """The memory inside keeps its pairs."""

    def reset_(self, state: Any, where: Tensor) -> None:
        pass


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: by_name(RollsBackTwice)
    | {
        "rolls_back_and_resets": lambda: RollsBackAndResets(of=Nesterov()),
        "asks_twice": lambda: AsksTwice(of=Nesterov()),
        "tells_the_others": lambda: TellsTheOthers(of=Nesterov()),
    },
    Subject.MEMORY: by_name(OffersTwice, OffersToEveryRun, ResetStaysOutside, ResetOfEveryRun),
}
