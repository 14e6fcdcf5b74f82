"""After a reset nothing of the past is left: two pasts, one future."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import AveragedDifference, Displacement, EmpiricalFisher, Space, Step, Verdict
from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.pairs.averaged_difference import Averages
from adaqn_lab.pairs.empirical_fisher import FisherStore
from adaqn_lab.protocols import Operator, OracleLike
from verification.benches import PairBench
from verification.compare import close, same
from verification.law import Factory, Group, Subject, law
from verification.memory_streams import MemoryStream, StreamBench, memory_streams
from verification.naming import by_name
from verification.parts import Array
from verification.shrinking import shrunk
from verification.strategies import ContractCase, contract_cases
from verification.textbook_memory import Rows, TextbookMemory

WINDOWS = 3
"""Of the past, and of the future: one to fill a small store, one to fill it again, one more."""


@law(
    name="pairs-forget",
    statement="two pasts of other gradients, points and skipped steps, a reset at a window's end: one future",
    source="adaqn_lab.protocols: reset_ forgets everything about its runs; a roll-back undoes what they are made of.",
    group=Group.INVARIANCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("averages_go_on", "count_goes_on", "last_pair_goes_on"),
    unless=("sketched fisher",),  # its signs go on, as noise may
    share=0.2,
    inputs=contract_cases(min_items=3 * WINDOWS, max_items=3 * WINDOWS),
)
def pairs_forget(factory: Factory, case: ContractCase) -> None:
    """Even runs are reset; the odd ones go on as if nobody had been."""
    one, other, spared = (PairBench(shrunk(factory(), 3, every=3), case) for _ in range(3))
    where = np.arange(case.runs) % 2 == 0
    for bench in (one, spared):
        _windows(bench, case.points, case.rows, case.masks)
    _windows(other, 1 - case.points, -case.rows[:, ::-1], ~case.masks | case.masks[::-1])
    for bench in (one, other):
        bench.reset(where)
    answers = [_windows(bench, case.points, case.rows, case.masks) for bench in (one, other, spared)]
    for k, (got, expected, untouched) in enumerate(zip(*answers, strict=True), 1):
        same(got[~where], untouched[~where], f"y of the runs which were not reset, {k} steps after a reset of others")
        for run in np.flatnonzero(where):
            atol = 2 * max(one.atol(int(run)), other.atol(int(run)))
            close(got[run], expected[run], atol, f"y of run {run}, {k} steps after a reset, against another past of it")


def _windows(bench: PairBench, points: Array, rows: Array, masks: Array) -> list[Tensor]:
    """Show the gradients; return y after each step, at a window's end of the state itself."""
    answers = []
    for k in range(bench.case.items):
        bench.observe(points[:, k], rows[:, k], masks[k])
        answers.append(bench.ask() if bench.k % bench.window == 0 else bench.read())
    return answers


@law(
    name="memory-forgets",
    statement="two pasts of other pairs and refusals, a reset: the same verdicts and H on all pairs to come",
    source="adaqn_lab.protocols: reset_ drops the pairs; what a memory counts, tunes or averages is made of them.",
    group=Group.INVARIANCE,
    subject=Subject.MEMORY,
    tolerance="dense",
    kills=("strictness_goes_on", "refusals_go_on", "mean_of_curvatures_goes_on"),
    share=0.1,
    inputs=memory_streams(),
)
def memory_forgets(factory: Factory, case: MemoryStream) -> None:
    """Even runs are reset; the odd ones go on as if nobody had been."""
    one, other, spared = (StreamBench(factory, case) for _ in range(3))
    half, where = case.items // 2, np.arange(case.runs) % 2 == 0
    for k in range(half):
        for bench in (one, spared):
            bench.feed(k, case.masks[k])
        _other_past(other, k)
    for bench in (one, other):
        bench.reset(where)
        bench.told = [[] if reset else told for reset, told in zip(where, bench.told, strict=True)]
    for k in range(half, case.items):
        verdicts = [bench.feed(k, case.masks[k]).admitted for bench in (one, other, spared)]
        for bench in (one, other, spared):
            _refused(bench, k)
        _alike(one, other, spared, where, k)
        same(verdicts[0][where], verdicts[1][where], f"who admitted pair {k} after a reset, against another past")


def _other_past(bench: StreamBench, k: int) -> None:
    """The last pairs in another unit, and a refused one beside each but the first."""
    S, Y = bench.case.pairs
    if k:
        _refused(bench, k)
    j = bench.case.items - 1 - k
    bench.admit(S[:, j] / 4, Y[:, j], ~bench.case.masks[k] | bench.case.masks[j])


def _refused(bench: StreamBench, k: int) -> None:
    S, Y = bench.case.pairs
    bench.admit(-S[:, k], Y[:, k], np.ones(bench.case.runs, bool))


def _alike(one: StreamBench, other: StreamBench, spared: StreamBench, where: Array, k: int) -> None:
    H, expected = one.matrix(), other.matrix()
    atol = np.broadcast_to(2 * one.allowed(H)[:, None, None], H.shape)
    close(H[where], expected[where], atol[where], f"H after pair {k} of runs which were reset, against another past")
    for name, got, want in zip(("s'y", "s's", "y'y", "exists"), one.state.newest(), other.state.newest(), strict=True):
        same(got[where], want[where], f"newest {name} after pair {k} of runs which were reset, against another past")
    same(one.apply(one.case.v)[~where], spared.apply(one.case.v)[~where], f"H v after pair {k} of runs not reset")


LAWS = (pairs_forget, memory_forgets)


class AveragesGoOn(AveragedDifference):
    """A reset forgets the old averages, and not those of now: both are of before at the next window's end."""

    def reset_(self, state: Averages, where: Tensor) -> None:
        state.has_old = state.has_old & ~where
        state.w_old, state.g_old = (torch.where(where.unsqueeze(1), 0.0, x) for x in (state.w_old, state.g_old))


@dataclass
class _Seen:
    store: FisherStore
    seen: Tensor


class CountGoesOn(EmpiricalFisher):
    """The factor is that of all gradients ever seen by a run, over resets too."""

    def init(self, space: Space) -> _Seen:  # type: ignore[override]
        return _Seen(super().init(space), space.counts())

    def observe_(self, state: _Seen, step: Step) -> None:  # type: ignore[override]
        super().observe_(state.store, step)
        state.seen = state.seen + step.where

    def pair_(self, state: _Seen, move: Displacement, oracle: OracleLike) -> Tensor:  # type: ignore[override]
        y = super().pair_(state.store, move, oracle)
        return y / state.seen.clamp(min=1).to(y.dtype).unsqueeze(1)

    def reset_(self, state: _Seen, where: Tensor) -> None:  # type: ignore[override]
        super().reset_(state.store, where)


@dataclass
class _Last:
    g: Tensor
    y: Tensor


class LastPairGoesOn(PairGeneratorBase):
    """y is the mean of g (g's) and of the last y, which a reset leaves."""

    def init(self, space: Space) -> _Last:
        return _Last(space.zeros(), space.zeros())

    def observe_(self, state: _Last, step: Step) -> None:
        state.g = torch.where(step.where.unsqueeze(1), step.g, state.g)

    def pair_(self, state: _Last, move: Displacement, oracle: OracleLike) -> Tensor:
        y = (state.g * (state.g * move.s).sum(1, keepdim=True) + state.y) / 2
        state.y = y.clone()
        return y

    def reset_(self, state: _Last, where: Tensor) -> None:
        state.g = state.g.masked_fill(where.unsqueeze(1), 0.0)


@dataclass
class _Tuned(Rows):
    number: Tensor


class _WithNumber(TextbookMemory):
    """A number for each run beside the pairs, which a reset leaves."""

    def init(self, space: Space) -> Any:
        return _Tuned(space.zeros(self.capacity), space.zeros(self.capacity), space.counts(), space.scalars())


class StrictnessGoesOn(_WithNumber):
    """After five pairs it asks for a cosine above 0.95."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        s_y, s_s, y_y = self.products(move, y)
        near = s_y > 0.95 * (s_s * y_y).sqrt()
        verdict = super().admit_(state, replace(move, where=move.where & (near | (state.number < 5))), y, operator)
        state.number = state.number + verdict.admitted
        return verdict


class RefusalsGoOn(_WithNumber):
    """After three refusals since it last admitted it drops all pairs; a reset does not begin the count anew."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        state.number = state.number + (move.where & ~verdict.admitted)
        fourth = state.number > 3
        state.count = state.count.masked_fill(fourth, 0)
        state.number = state.number.masked_fill(fourth, 0.0)
        return verdict


class MeanOfCurvaturesGoesOn(_WithNumber):
    """y + m s, m a running mean of s'y / s's, times 2^-6, which a reset leaves."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        shift = (state.number / 64).to(y.dtype).unsqueeze(1)
        verdict = super().admit_(state, move, y + shift * move.s, operator)
        mean = (state.number + verdict.s_y / verdict.s_s) / 2
        state.number = torch.where(verdict.admitted, mean, state.number)
        return verdict


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: by_name(CountGoesOn, LastPairGoesOn) | {"averages_go_on": lambda: AveragesGoOn(every=3)},
    Subject.MEMORY: by_name(StrictnessGoesOn, RefusalsGoOn, MeanOfCurvaturesGoesOn),
}
