"""No part reads a tensor on the host: decisions are masks, and the number of the step may be a tensor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import AdaGrad, BarzilaiBorwein, Diagonal, Displacement, EmpiricalFisher, Step
from adaqn_lab.pairs.empirical_fisher import FisherStore
from adaqn_lab.protocols import Curvature, InitialMatrix, Operator, OracleLike
from verification.bench import Bench, Setting
from verification.benches import MemoryBench, PairBench, ScalingBench, StepperBench
from verification.contracts.stepper_bases import Direct, Rolling, Velocity
from verification.host_reads import Unread, watched
from verification.law import Factory, Group, Law, Subject, law
from verification.naming import by_name
from verification.strategies import ContractCase, contract_cases
from verification.textbook_memory import TextbookMemory

Ask = Callable[[Any], object]


def _pairs(bench: PairBench) -> None:
    bench.pair(bench.case.moves)


def _scaling(bench: ScalingBench) -> None:
    bench.read()
    bench.solve(bench.case.v)


def _memory(bench: MemoryBench) -> None:
    bench.read()
    watched("newest", bench.state.newest)()
    if bench.part.invertible:
        bench.solve()


def _stepper(bench: StepperBench) -> None:
    bench.part.advance_(bench.state, bench.mask(np.arange(bench.case.runs) % 2 == 0))


ROLES: dict[Subject, tuple[str, type[Bench], Ask, tuple[str, ...]]] = {
    Subject.PAIRS: ("pairs", PairBench, _pairs, ("rows_up_to_the_fullest_run", "looks_whether_anybody_moves")),
    Subject.SCALING: ("scaling", ScalingBench, _scaling, ("warm_up_by_the_number", "looks_for_a_pair")),
    Subject.MEMORY: ("memory", MemoryBench, _memory, ("stores_if_anybody_admits", "product_by_selected_rows")),
    Subject.STEPPER: ("stepper", StepperBench, _stepper, ("clips_by_an_if", "momentum_by_the_number")),
}


def _law(subject: Subject) -> Law:
    prefix, bench, ask, kills = ROLES[subject]

    @law(
        name=f"{prefix}-reads-nothing",
        statement="no method reads a tensor on the host, be it a mask, a count or the step's number k as a tensor",
        source="adaqn_lab.protocols: decisions are masks. A GPU waits for a read, and a CUDA graph cannot record one.",
        group=Group.CONTRACT,
        subject=subject,
        kills=kills,
        share=0.25,
        inputs=contract_cases(),
    )
    def check(factory: Factory, case: ContractCase) -> None:
        driven = bench(Unread(factory()), case)
        driven.setting = Setting(counted=True)
        for k in range(case.items):
            driven.feed(k, case.masks[k])
            ask(driven)
        if driven.resettable:
            driven.reset(np.arange(case.runs) % 2 == 0)
        ask(driven)

    return check


LAWS = tuple(_law(subject) for subject in ROLES)
"""One for each role."""


class RowsUpToTheFullestRun(EmpiricalFisher):
    """Multiplies by as many rows as the fullest run holds."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        if state.count.max() == 0:
            return torch.zeros_like(move.s)
        return super().pair_(state, move, oracle)


class LooksWhetherAnybodyMoves(EmpiricalFisher):
    """Saves the product where every displacement is zero."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        return super().pair_(state, move, oracle) if torch.count_nonzero(move.s).item() else move.s.clone()


class WarmUpByTheNumber(AdaGrad):
    """Begins after the third step."""

    def observe_(self, state: Any, step: Step) -> None:
        super().observe_(state, step if step.k > 3 else replace(step, g=step.g / 2))


class LooksForAPair(BarzilaiBorwein):
    """Answers with H0 = I at once where no run holds a pair."""

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        return super().h0(state, curvature) if any(curvature.newest()[3].tolist()) else Diagonal()


class StoresIfAnybodyAdmits(TextbookMemory):
    """Saves the write where nobody admits."""

    def push_(self, state: Any, s: Tensor, y: Tensor, where: Tensor) -> None:
        if where.any():
            super().push_(state, s, y, where)


class ProductBySelectedRows(TextbookMemory):
    """Writes the product into the runs which hold a pair."""

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        some = state.count > 0
        product, d = super().apply_(state, v.clone(), h0), h0.apply_(v.clone()).clone()
        d[some] = product[some]
        return d


class ClipsByAnIf(Direct):
    """Shortens a long direction, one run after the other."""

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d = operator(step.g)
        for row in d:
            if (length := float(row.double().norm())) > 1e4:
                row.mul_(1e4 / length)
        return d


class MomentumByTheNumber(Rolling):
    """The velocity starts anew at every hundredth step."""

    def direction_(self, state: Velocity, step: Step, operator: Operator) -> Tensor:
        if step.k % 100 == 0:
            state.v = torch.zeros_like(state.v)
        return super().direction_(state, step, operator)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: by_name(RowsUpToTheFullestRun, LooksWhetherAnybodyMoves),
    Subject.SCALING: by_name(WarmUpByTheNumber, LooksForAPair),
    Subject.MEMORY: by_name(StoresIfAnybodyAdmits, ProductBySelectedRows),
    Subject.STEPPER: by_name(ClipsByAnIf, MomentumByTheNumber),
}
