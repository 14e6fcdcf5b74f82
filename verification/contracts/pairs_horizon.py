"""Pair generators far beyond their window, and for more runs than usual."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from adaqn_lab import CentredFisher, Displacement, EmpiricalFisher, Step
from adaqn_lab import state as part_state
from adaqn_lab.pairs.empirical_fisher import FisherStore
from adaqn_lab.protocols import OracleLike
from adaqn_lab.space import Space
from verification.benches import PairBench
from verification.compare import close, same
from verification.law import Group, Law, Property, Subject, law
from verification.pairs.centred_fisher import CENTRED_FISHER
from verification.pairs.empirical_fisher import FISHER
from verification.shrinking import shrunk
from verification.strategies import Array, ContractCase, contract_cases
from verification.tolerances import TOLERANCES

Factory = Callable[[], Any]
GIANT = {"float32": 2.0**20, "float64": 2.0**40}
LONG = contract_cases(runs=5, min_items=9, max_items=16)


@law(
    name="pairs-horizon",
    statement="a small store filled more than twice, up to 5 runs: each as alone, resumed bit for bit, reset as fresh",
    source="adaqn_lab.protocols; what a ring does wrong it does when it is full, or at its second turn.",
    group=Group.INVARIANCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("fourth_run_of_the_third", "stops_when_full_twice", "counts_on_the_part", "reset_of_a_full_store"),
    share=0.6,
    inputs=LONG,
)
def horizon(factory: Factory, case: ContractCase) -> None:
    """One drive of all runs, one of the last alone, one which is interrupted."""
    together, resumed = (PairBench(shrunk(factory(), 3), case) for _ in range(2))
    together.feed_all(2 * case.items // 3)
    part_state.load_({"state": resumed.state}, part_state.flatten({"state": together.state}))
    resumed.follow(together)
    for bench in (together, resumed):
        bench.feed_all(start=2 * case.items // 3)
    same(resumed.read(), together.read(), f"y after {case.items} gradients, resumed after two thirds of them")
    for run in {case.runs - 1, case.seed % case.runs}:
        alone = PairBench(shrunk(factory(), 3), case, (run,))
        alone.feed_all()
        what = f"y of run {run} of {case.runs} after {case.items} gradients, against it alone"
        close(together.read()[run], alone.read()[0], 2 * together.atol(run), what)
    _reset(factory, together, case)


def _reset(factory: Factory, used: PairBench, case: ContractCase) -> None:
    """Every other run, which then sees one gradient more."""
    where, fresh = np.arange(case.runs) % 2 == 0, PairBench(shrunk(factory(), 3), case)
    before = used.read()
    used.reset(where)
    same(used.read()[~where], before[~where], f"runs which were not reset, after {case.items} gradients")
    fresh.follow(used)
    for bench in (used, fresh):
        bench.feed(0, where)
    for run in np.flatnonzero(where):
        atol = 2 * used.atol(int(run))
        close(
            used.read()[run], fresh.read()[run], atol, f"run {run}, reset after {case.items} gradients, against fresh"
        )


def _second_moment(F: Array, part: Any) -> Array:
    factor = float(part.normalisation.factor(torch.tensor([max(len(F), 1)]))[0])
    return factor * F.T @ F


def _centred(F: Array, part: Any) -> Array:
    m = F.mean(0) if len(F) else np.zeros(F.shape[1])
    centred: Array = part.batch_size * (F - m).T @ (F - m) / max(len(F), 1) + np.outer(m, m)
    return centred


WINDOWS = st.tuples(
    contract_cases(runs=5, min_items=4, max_items=4, still=True), st.integers(0, 3), st.sampled_from((2, 5, 9))
)
"""A case, the store's size (0 for the part's own), and how many gradients beyond the second time that it is full."""


def _of_window(needed: Property, matrix: Callable[[Array, Any], Array], kills: tuple[str, ...]) -> Law:
    @law(
        name=f"{needed.word.replace(' ', '-')}-horizon",
        statement="y is that of the last `window` gradients: one less, all, one more, twice as many, any number; "
        "also after one that is 2^20 (float32), 2^40 (float64) times as long has left too",
        source="Keskar & Berahas 2016: F is first in, first out.",
        group=Group.REFERENCE,
        subject=Subject.PAIRS,
        tolerance="products",
        kills=kills,
        needs=frozenset({needed}),
        inputs=WINDOWS,
    )
    def check(factory: Factory, drawn: tuple[ContractCase, int, int]) -> None:
        case, size, beyond = drawn
        part = shrunk(factory(), size) if size else factory()
        w = min(part.window, 200)
        case = replace(case, items=2 * w + beyond, runs=case.runs if w < 10 else 1)
        case.rows[:, case.seed % 3] *= GIANT[case.dtype]  # a sum that it enters and leaves keeps its rounding
        bench = PairBench(part, case)
        for k in range(case.items):
            bench.feed(k, case.masks[k])
            if k + 1 in {w - 1, w, w + 1, 2 * w, 2 * w + 1, case.items}:
                _compare(bench, k + 1, matrix)

    def _compare(bench: PairBench, count: int, matrix: Callable[[Array, Any], Array]) -> None:
        case, y = bench.case, bench.read().numpy()
        for run in range(case.runs):
            F = case.rows[run, :count][case.masks[:count, run]][-bench.part.window :].astype(np.float64)
            A = matrix(F, bench.part)
            magnitude = (np.linalg.norm(A) + (F**2).sum() / max(len(F), 1)) * np.linalg.norm(case.moves[run])
            atol = 4 * TOLERANCES["products"](case.dtype, m=len(F), n=case.n) * magnitude
            what = f"y of run {run} after {count} steps, {len(F)} gradients held"
            close(y[run], A @ case.moves[run].astype(np.float64), atol, what)

    return check


LAWS = (
    horizon,
    _of_window(FISHER, _second_moment, ("doubled_when_full", "skips_a_slot_at_the_second_turn", "ninth_lost")),
    _of_window(CENTRED_FISHER, _centred, ("centred_full_is_empty", "centred_loses_the_ninth", "mean_by_subtraction")),
)


class _FourthOfTheThird(EmpiricalFisher):
    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        y = super().pair_(state, move, oracle)
        return torch.cat([y[:3], y[2:3].expand_as(y[3:])]) if len(y) > 3 else y


@dataclass
class _Store:
    store: FisherStore
    pushed: Tensor


class _Counting(EmpiricalFisher):
    """Fisher pairs with the number of gradients ever seen."""

    declares: ClassVar[frozenset[Property]] = frozenset({FISHER})

    def init(self, space: Space) -> _Store:  # type: ignore[override]
        return _Store(super().init(space), space.counts())

    def observe_(self, state: _Store, step: Step) -> None:  # type: ignore[override]
        state.pushed = state.pushed + step.where.long()
        super().observe_(state.store, self.seen(state, step))

    def seen(self, state: _Store, step: Step) -> Step:
        return step

    def pair_(self, state: _Store, move: Displacement, oracle: OracleLike) -> Tensor:  # type: ignore[override]
        return super().pair_(state.store, move, oracle)

    def reset_(self, state: _Store, where: Tensor) -> None:  # type: ignore[override]
        super().reset_(state.store, where)
        state.pushed = state.pushed.masked_fill(where, 0)


class _StopsWhenFullTwice(_Counting):
    """Forgets to be reset at its second turn."""

    def reset_(self, state: _Store, where: Tensor) -> None:  # type: ignore[override]
        super().reset_(state, where & (state.pushed <= 2 * self.window))


class _NinthLost(_Counting):
    def seen(self, state: _Store, step: Step) -> Step:
        return replace(step, where=step.where & (state.pushed != 9))


class _SkipsASlot(_Counting):
    """A slot is left as it was at the first step of the second turn."""

    def seen(self, state: _Store, step: Step) -> Step:
        return replace(step, where=step.where & (state.pushed != self.window + 1))


class _DoubledWhenFull(EmpiricalFisher):
    declares: ClassVar[frozenset[Property]] = frozenset({FISHER})

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        y = super().pair_(state, move, oracle)
        return torch.where((state.count == self.window).unsqueeze(1), 2 * y, y)


class _CountsOnThePart(EmpiricalFisher):
    """Past the eighth step it halves y, and counts them where nobody saves them."""

    def observe_(self, state: FisherStore, step: Step) -> None:
        super().observe_(state, step)
        object.__setattr__(self, "steps", getattr(self, "steps", 0) + 1)

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        return super().pair_(state, move, oracle) * (1.0 if getattr(self, "steps", 0) <= 8 else 0.5)


class _ResetOfAFullStore(EmpiricalFisher):
    def reset_(self, state: FisherStore, where: Tensor) -> None:
        state.clear_(where & (state.count < self.window))


class _CentredFull(CentredFisher):
    declares: ClassVar[frozenset[Property]] = frozenset({CENTRED_FISHER})

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        y = super().pair_(state, move, oracle)
        return torch.where((state.count == self.window).unsqueeze(1), 0.0, y)


class _CentredNinth(CentredFisher):
    declares: ClassVar[frozenset[Property]] = frozenset({CENTRED_FISHER})

    def observe_(self, state: FisherStore, step: Step) -> None:
        super().observe_(state, replace(step, where=step.where & torch.full_like(step.where, bool(step.k != 9))))


@dataclass
class _Sum:
    store: FisherStore
    total: Tensor


class _MeanBySubtraction(CentredFisher):
    """The mean's part m (m's) is that of a sum which gradients enter and leave."""

    declares: ClassVar[frozenset[Property]] = frozenset({CENTRED_FISHER})

    def init(self, space: Space) -> _Sum:  # type: ignore[override]
        return _Sum(super().init(space), space.zeros())

    def observe_(self, state: _Sum, step: Step) -> None:  # type: ignore[override]
        before = self._sum(state.store)
        super().observe_(state.store, step)
        state.total = state.total + (self._sum(state.store) - before).to(step.g.dtype)

    def _sum(self, store: FisherStore) -> Tensor:
        return torch.where(store.held().unsqueeze(2), store.gradients, 0.0).double().sum(1)

    def pair_(self, state: _Sum, move: Displacement, oracle: OracleLike) -> Tensor:  # type: ignore[override]
        y, count = super().pair_(state.store, move, oracle), state.store.count.clamp(min=1).unsqueeze(1)
        for sign, total in ((-1, self._sum(state.store)), (1, state.total.double())):
            mean = total / count
            y = y + (sign * mean * (mean * move.s).sum(1, keepdim=True)).to(y.dtype)
        return y

    def reset_(self, state: _Sum, where: Tensor) -> None:  # type: ignore[override]
        super().reset_(state.store, where)
        state.total = torch.where(where.unsqueeze(1), 0.0, state.total)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {
        "fourth_run_of_the_third": _FourthOfTheThird,
        "stops_when_full_twice": _StopsWhenFullTwice,
        "counts_on_the_part": _CountsOnThePart,
        "reset_of_a_full_store": _ResetOfAFullStore,
        "doubled_when_full": _DoubledWhenFull,
        "skips_a_slot_at_the_second_turn": _SkipsASlot,
        "ninth_lost": _NinthLost,
        "centred_full_is_empty": lambda: _CentredFull(batch_size=4),
        "centred_loses_the_ninth": lambda: _CentredNinth(batch_size=4),
        "mean_by_subtraction": lambda: _MeanBySubtraction(batch_size=4),
    }
}
