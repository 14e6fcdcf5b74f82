"""The contract which every part keeps, whatever its role."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from adaqn_lab import state as part_state
from verification.bench import Bench
from verification.benches import MEMORY_BENCHES, PairBench, ScalingBench, StepperBench
from verification.compare import close, holds, same
from verification.contracts.linear_pairs import LINEAR_PAIRS
from verification.law import Factory, Group, Law, Subject, law
from verification.strategies import ContractCase, contract_cases

Check = Callable[[Factory, ContractCase], None]
BENCHES: dict[Subject, tuple[type[Bench], ...]] = {
    Subject.PAIRS: (PairBench,),
    Subject.SCALING: (ScalingBench,),
    Subject.MEMORY: MEMORY_BENCHES,
    Subject.STEPPER: (StepperBench,),
}
PREFIX = {Subject.PAIRS: "pairs", Subject.SCALING: "scaling", Subject.MEMORY: "memory", Subject.STEPPER: "stepper"}
WHY = "adaqn_lab.protocols: state is a dataclass of tensors owned by the optimizer, vectors are (R, n). "


def _snapshot(state: Any) -> dict[str, torch.Tensor]:
    return {name: x.clone() for name, x in part_state.flatten({"state": state}).items()}


def _shape(bench: type[Bench]) -> Check:
    def check(factory: Factory, case: ContractCase) -> None:
        driven = bench(factory(), case)
        driven.feed_all()
        got = driven.read()
        holds(got.shape == (case.runs, case.n), f"shape {tuple(got.shape)}, expected {(case.runs, case.n)}")
        holds(got.dtype == driven.space.dtype, f"dtype {got.dtype}, expected {driven.space.dtype}")
        holds(torch.isfinite(got).all(), f"not finite from finite inputs: {got.tolist()}")
        for name, now, before in driven.given:
            same(now, before, f"the argument {name} after the call")

    return check


def _pure(bench: type[Bench]) -> Check:
    def check(factory: Factory, case: ContractCase) -> None:
        driven = bench(factory(), case)
        driven.feed_all()
        before = _snapshot(driven.state)
        first = driven.ask()
        same(driven.ask(), first, "the answer the second time")
        for name, now in part_state.flatten({"state": driven.state}).items():
            same(now, before[name], f"{name} after being asked")

    return check


def _stateless(bench: type[Bench]) -> Check:
    def check(factory: Factory, case: ContractCase) -> None:
        part, half, case = factory(), case.items // 2, replace(case, cut=case.n // 2)
        used, fresh = bench(part, case), bench(factory(), case)
        used.feed_all(half)
        other = bench(part, case)
        same(other.read(), fresh.read(), "the answer for a new state of a part used elsewhere")
        twin = bench(part, replace(case, seed=case.seed + 1))
        elsewhere = bench(part, replace(case, n=case.n + 1, cut=0, runs=case.runs + 1))
        for driven in (elsewhere, twin, other):
            driven.feed_all()
            driven.read()
        used.feed_all(start=half)
        fresh.feed_all()
        same(used.read(), fresh.read(), "the answer while another state of the part was used")
        same(other.read(), fresh.read(), "the answer of the other state")

    return check


def _copies(bench: type[Bench]) -> Check:
    def check(factory: Factory, case: ContractCase) -> None:
        driven, left_alone = bench(factory(), case), bench(factory(), case)
        driven.feed_all()
        left_alone.feed_all()
        for _, given, _ in driven.given:
            given.fill_(float("nan"))
        what = "the answer after the vectors it was given were used for something else"
        same(driven.read(), left_alone.read(), what)

    return check


def _masked(bench: type[Bench]) -> Check:
    def check(factory: Factory, case: ContractCase) -> None:
        driven = bench(factory(), case)
        for k in range(case.items):
            before, where = driven.read(), case.masks[k]
            driven.feed(k, where)
            if driven.opened_window():
                continue
            same(driven.read()[~where], before[~where], f"runs outside the mask {where.tolist()} at item {k}")

    return check


def _runs(bench: type[Bench]) -> Check:
    def check(factory: Factory, case: ContractCase) -> None:
        together = bench(factory(), case)
        together.feed_all()
        got = together.read()
        for run in range(case.runs):
            alone = bench(factory(), case, (run,))
            for k in range(case.items):
                alone.k = k  # skipped steps count, and open windows
                if case.masks[k, run] or hasattr(alone.part, "every"):
                    alone.feed(k, case.masks[k])
            what = (
                f"run {run} of {case.runs}, fed items {np.flatnonzero(case.masks[:, run]).tolist()}, against it alone"
            )
            close(got[run], alone.read()[0], 2 * np.asarray(together.atol(run)), what)

    return check


def _resume(bench: type[Bench]) -> Check:
    def check(factory: Factory, case: ContractCase) -> None:
        half = case.items // 2
        straight, resumed = bench(factory(), case), bench(factory(), case)
        straight.feed_all(half)
        file = io.BytesIO()
        torch.save(part_state.flatten({"state": straight.state}), file)
        file.seek(0)
        saved = torch.load(file, weights_only=True)
        part_state.check({"state": resumed.state}, saved)
        part_state.load_({"state": resumed.state}, saved)
        resumed.follow(straight)
        for driven in (straight, resumed):
            driven.feed_all(start=half)
        same(resumed.read(), straight.read(), "the answer of a part resumed half-way")

    return check


def _reset(bench: type[Bench]) -> Check:
    def check(factory: Factory, case: ContractCase) -> None:
        driven, fresh = bench(factory(), case), bench(factory(), case)
        driven.feed_all()
        before, where = driven.read(), np.arange(case.runs) % 2 == 0
        driven.reset(where)
        same(driven.read()[~where], before[~where], "runs which were not reset")
        if case.items:
            driven.feed(0, where)
            fresh.feed(0, where)
        atol = np.array([np.broadcast_to(driven.atol(r), case.n) for r in range(case.runs)])
        close(driven.read()[where], fresh.read()[where], 2 * atol[where], "runs reset, against a fresh part")

    return check


@dataclass(frozen=True)
class _Contract:
    """One clause of the contract, to be made a law for each role."""

    make: Callable[[type[Bench]], Check]
    statement: str
    kills: tuple[str, ...]
    group: Group = Group.CONTRACT
    tolerance: str = "exact"
    own_kills: Mapping[Subject, tuple[str, ...]] = field(default_factory=dict)


CONTRACT = {
    "shape": _Contract(
        _shape,
        "answers are finite, (R, n), in the space's dtype; what may not be written to keeps its bits",
        ("writes_into_argument", "float64_answer"),
        own_kills={Subject.STEPPER: ("answers_with_its_state",)},
    ),
    "pure": _Contract(
        _pure,
        "asked twice: the same bits, and the state as it was",
        ("accumulates_when_applied",),
        own_kills={
            Subject.PAIRS: ("empties_its_store",),
            Subject.SCALING: ("h0_writes_into_state",),
            Subject.MEMORY: ("returns_its_state",),
        },
    ),
    "copies": _Contract(
        _copies,
        "what is kept of a vector is a copy: the optimizer uses it again",
        ("keeps_the_vectors_themselves", "keeps_the_mask_itself"),
        own_kills={Subject.STEPPER: ("answers_with_its_state",)},
    ),
    "stateless": _Contract(
        _stateless,
        "states of one part do not know of each other, be they of the same size or of other sizes, runs and tensors",
        ("state_on_part",),
        own_kills={
            Subject.SCALING: ("tensors_of_the_last_model", "kept_by_the_number_of_steps"),
            Subject.PAIRS: ("counts_on_the_part",),
            Subject.MEMORY: ("keeps_the_first_h0",),
            Subject.STEPPER: ("remembers_the_window_on_the_part",),
        },
    ),
    "masked": _Contract(
        _masked,
        "runs outside `where` keep every bit of their answer, unless a window opens",
        ("forgets_mask",),
        own_kills={
            Subject.PAIRS: ("runs_leak",),
            Subject.SCALING: ("forgets_its_count",),
            Subject.MEMORY: ("keeps_the_length",),
            Subject.STEPPER: ("counter_is_no_tensor",),
        },
    ),
    "runs": _Contract(
        _runs,
        "R runs together = each run alone",
        ("runs_leak",),
        Group.INVARIANCE,
        tolerance="operator",
        own_kills={
            Subject.PAIRS: ("nobody_moves_if_one_rests",),
            Subject.SCALING: ("one_without_a_pair",),
            Subject.MEMORY: ("dense_forgets_older_pairs",),
            Subject.STEPPER: ("normalises_runs_together",),
        },
    ),
    "resume": _Contract(
        _resume, "save, load into a fresh state, go on: bit for bit", ("state_on_part", "field_missing_in_state")
    ),
    "reset": _Contract(
        _reset,
        "a reset run is as a fresh one; the others keep every bit",
        ("reset_does_nothing", "reset_forgets_mask"),
        Group.INVARIANCE,
        tolerance="operator",
    ),
}


def _applies(name: str, subject: Subject) -> bool:
    """H0 is never reset; a stepper's answer may change with every step, and what it rolls back is its own."""
    if subject is Subject.STEPPER:
        return name not in ("pure", "reset")
    return name != "reset" or BENCHES[subject][0].resettable


def _on_one(make: Callable[[type[Bench]], Check], benches: tuple[type[Bench], ...]) -> Check:
    """The check on one bench of a role, which the case's seed chooses."""
    checks = [make(bench) for bench in benches]

    def check(factory: Factory, case: ContractCase) -> None:
        checks[case.seed % len(checks)](factory, case)

    return check


def _laws(subject: Subject) -> tuple[Law, ...]:
    """The clauses for one role."""
    made = []
    for name, clause in CONTRACT.items():
        if not _applies(name, subject):
            continue
        check = _on_one(clause.make, BENCHES[subject])
        check.__doc__ = f"{clause.statement[0].upper()}{clause.statement[1:]}."
        # A pair generator may remember what it was asked, unless it declares to be a fixed matrix.
        needs = frozenset({LINEAR_PAIRS}) if (subject, name) == (Subject.PAIRS, "pure") else frozenset()
        made.append(
            law(
                name=f"{PREFIX[subject]}-{name}",
                statement=clause.statement,
                source=WHY,
                group=clause.group,
                subject=subject,
                tolerance=clause.tolerance,
                share=0.5,
                kills=clause.kills + clause.own_kills.get(subject, ()),
                needs=needs,
                inputs=contract_cases(),
            )(check)
        )
    return tuple(made)


LAWS = tuple(law_ for subject in BENCHES for law_ in _laws(subject))
