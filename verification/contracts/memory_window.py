"""A memory past twice its capacity: which pairs it remembers, run by run, and after it was saved and loaded."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Displacement, Space, Verdict
from adaqn_lab import state as part_state
from adaqn_lab.diagonal import Entries
from adaqn_lab.protocols import InitialMatrix, Operator
from verification.compare import close, same
from verification.law import Factory, Group, Subject, law
from verification.memory_streams import STEADY, MemoryStream, StreamBench, memory_streams
from verification.parts import Array
from verification.references import two_loop
from verification.strategies import DTYPES
from verification.textbook_memory import Rows, TextbookMemory
from verification.tolerances import TOLERANCES

SHARE = 0.15
SAME = 1e-9
"""Products of one pair agree so far; those of two drawn pairs do not."""
EARLY = 2
"""So many admitted pairs show whether H is the BFGS matrix of its pairs at all."""


class _Run:
    """One run of the stream: the pairs that H was last seen to be made of, None once they cannot be known."""

    def __init__(self, case: MemoryStream, run: int) -> None:
        self.case, self.run = case, run
        self.S, self.Y = (x[run] for x in case.pairs)
        self.held: list[int] | None = []
        self.admitted = 0

    def given(self, told: tuple[int, float, float, float]) -> bool:
        """Whether the verdict told the products of the pair as it was given: it was not repaired."""
        k, *products = told
        s, y = (x[k].astype(np.float64) for x in (self.S, self.Y))
        bound = TOLERANCES["linear"](self.case.dtype, n=self.case.n) * (np.abs(s).sum() + np.abs(y).sum()) ** 2
        return all(abs(x - e) <= bound for x, e in zip(products, (s @ y, s @ s, y @ y), strict=True))

    def _choices(self, k: int) -> Iterator[list[int]]:
        """The newest pair with those before it, without one of them, or without the older ones."""
        assert self.held is not None
        yield [*self.held, k]
        for gone in range(len(self.held)):
            yield [*self.held[:gone], *self.held[gone + 1 :], k]
        for first in range(2, len(self.held) + 1):
            yield [*self.held[first:], k]

    def see(self, told: tuple[int, float, float, float], Hv: Array, h0: Array) -> None:
        """An admitted pair, and H v after it around ``h0``."""
        if self.held is None or not self.given(told):
            self.held = None
            return
        self.admitted += 1
        v, k = self.case.v[self.run], told[0]
        atol = self.case.allowed() * np.linalg.norm(v)
        for choice in self._choices(k):
            expected = two_loop.direction(self.S[choice], self.Y[choice], h0, v)
            if np.abs(Hv - expected).max() <= atol:
                self.held = choice
                return
        if self.admitted > EARLY:
            _no_choice(self, k, Hv, two_loop.direction(self.S[[*self.held, k]], self.Y[[*self.held, k]], h0, v))
        self.held = None


def _no_choice(run: _Run, k: int, Hv: Array, expected: Array) -> None:
    text = f"H v of run {run.run} after pair {k}: got {Hv.tolist()}, the BFGS matrix of pairs {run.held} and {k} gives "
    raise AssertionError(f"{text}{expected.tolist()}, and that without some of the older pairs gives something else")


@law(
    name="memory-remembers",
    statement="H of the first pairs is their BFGS matrix around the H0 of now: so it stays, older pairs may leave",
    source="Liu & Nocedal 1989. Which pair leaves is the memory's choice; what the others say is not.",
    group=Group.REFERENCE,
    subject=Subject.MEMORY,
    tolerance="dense",
    kills=(
        *("orders_wrongly_after_two_rounds", "stores_nothing_when_full"),
        *("keeps_the_h0_of_a_full_memory", "keeps_h0_of_the_newest_pair", "drops_rho_of_the_oldest"),
        "uses_fewer_than_it_lists",
    ),
    min_pairs=1,
    unless=("spanned",),
    share=SHARE,
    inputs=memory_streams(min_runs=3, min_size=3, dtypes=DTYPES[:1]),  # else many choices explain one H v
)
def memory_remembers(factory: Factory, case: MemoryStream) -> None:
    """Nobody says what it holds; it must be explicable."""
    bench = StreamBench(factory, case)
    runs = [_Run(case, run) for run in range(case.runs)]
    for k in range(case.items):
        admitted = bench.feed(k, case.masks[k]).admitted.tolist()
        Hv = bench.apply(case.v).double().numpy()
        for run, yes in zip(runs, admitted, strict=True):
            if yes:
                run.see(bench.told[run.run][-1], Hv[run.run], case.h0s[k + 1, run.run])
        if k + 1 in case.places:
            _as_products_tell(bench, runs, Hv)


def _as_products_tell(bench: StreamBench, runs: list[_Run], Hv: Array) -> None:
    """Where products() lists the pairs by the numbers of their verdicts, H is that of these."""
    try:
        *values, held = bench.state.products()
    except TypeError:
        return
    listed = torch.stack(values, 2).numpy()
    for run, rows, used in zip(runs, listed, held.numpy(), strict=True):
        if run.held is None or not used.any():
            continue
        told = bench.told[run.run]
        kept = [k for k, *numbers in told if (np.abs(rows[used] / numbers - 1) < SAME).all(1).any()]
        expected = two_loop.direction(
            run.S[kept], run.Y[kept], bench.case.h0s[bench.now, run.run], bench.case.v[run.run]
        )
        atol = bench.case.allowed() * np.linalg.norm(bench.case.v[run.run])
        what = f"H v of run {run.run}, against the BFGS matrix of the pairs which products() list, {kept}"
        if len(kept) == used.sum():
            close(Hv[run.run], expected, atol, what)


@law(
    name="memory-runs-later",
    statement="R <= 5 runs together = each alone, past twice the capacity; a run reset on the way = one begun there",
    source="adaqn_lab.protocols: runs never influence each other.",
    group=Group.INVARIANCE,
    subject=Subject.MEMORY,
    tolerance="dense",
    kills=("shares_run_zero_from_run_three", "counts_all_runs_together", "reset_keeps_the_newest"),
    share=SHARE,
    inputs=memory_streams(min_runs=3),
)
def memory_runs_later(factory: Factory, case: MemoryStream) -> None:
    """Odd runs are reset when the memory was full for a while."""
    together, half = StreamBench(factory, case), case.items // 2
    odd = np.arange(case.runs) % 2 == 1
    for k in range(case.items):
        if k == half:
            together.reset(odd)
        together.feed(k, case.masks[k])
    got = together.apply(case.v)
    for run in range(case.runs):
        alone = StreamBench(factory, case, (run,))
        start = half if odd[run] else 0
        for k in range(start, case.items):
            if case.masks[k, run]:
                alone.feed(k, case.masks[k])
        alone.now = case.items
        atol = 2 * alone.allowed(alone.matrix())[0] * np.linalg.norm(case.v[run])
        close(
            got[run], alone.apply(case.v)[0], atol, f"H v of run {run} of {case.runs} against it alone from {start} on"
        )


@law(
    name="memory-resume-later",
    statement="saved and loaded after any pair, a full memory too: the same verdicts and the same bits of H",
    source="adaqn_lab.protocols: the state is a dataclass of tensors, and all that a part remembers.",
    group=Group.CONTRACT,
    subject=Subject.MEMORY,
    kills=("counts_on_the_part", "looks_at_what_was_not_saved"),
    share=SHARE,
    inputs=memory_streams(),
)
def memory_resume_later(factory: Factory, case: MemoryStream) -> None:
    """A fresh part with the saved tensors takes over at every place, and goes on beside the one before it."""
    bench = StreamBench(factory, case)
    for place in case.places[1:]:
        after = _resumed(factory, bench)
        while bench.now < place:
            k = bench.now
            one, other = bench.feed(k, case.masks[k]), after.feed(k, case.masks[k])
            same(other.admitted, one.admitted, f"the verdicts on pair {k} after loading")
        same(after.apply(case.v), bench.apply(case.v), f"H v after {place} pairs, saved and loaded on the way")
        bench = after


def _resumed(factory: Factory, bench: StreamBench) -> StreamBench:
    """A fresh bench with the state of ``bench``, through a file."""
    file = io.BytesIO()
    torch.save(part_state.flatten({"state": bench.state}), file)
    file.seek(0)
    fresh = StreamBench(factory, bench.case)
    part_state.load_({"state": fresh.state}, torch.load(file, weights_only=True))
    fresh.now = bench.now
    return fresh


LAWS = (memory_remembers, memory_runs_later, memory_resume_later)
assert STEADY > EARLY + 1  # masks may skip one of the first pairs


@dataclass
class Counting(Rows):
    """``pushed`` (R,): the pairs ever stored."""

    pushed: Tensor


class _Counts(TextbookMemory):
    """Knows how many pairs were ever stored."""

    def init(self, space: Space) -> Any:
        return Counting(**vars(super().init(space)), pushed=space.counts())

    def push_(self, state: Any, s: Tensor, y: Tensor, where: Tensor) -> None:
        super().push_(state, s, y, where)
        state.pushed = state.pushed + where


class OrdersWronglyAfterTwoRounds(_Counts):
    """From 2 m + 1 pairs on the two newest y are held in each other's place once."""

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        late = (state.pushed > 2 * self.capacity).view(-1, 1, 1)
        order = [1, 0, *range(2, self.capacity)] if self.capacity > 1 else [0]
        rows = [torch.where(late, x[:, order], x) for x in (state.s, state.y)]
        return super().apply_(Rows(rows[0], rows[1], state.count), v, h0)


class SharesRunZeroFromRunThree(TextbookMemory):
    """Runs from the fourth on store the pairs of the first."""

    def push_(self, state: Any, s: Tensor, y: Tensor, where: Tensor) -> None:
        first = (torch.arange(len(s)) > 2).unsqueeze(1)
        super().push_(state, torch.where(first, s[:1], s), torch.where(first, y[:1], y), where)


class StoresNothingWhenFull(TextbookMemory):
    """A full memory admits, and stores nothing."""

    def push_(self, state: Any, s: Tensor, y: Tensor, where: Tensor) -> None:
        super().push_(state, s, y, where & (state.count < self.capacity))


@dataclass
class Basing(Rows):
    """``entries`` (R, n) of an H0 of before."""

    entries: Tensor


class _KeepsH0(TextbookMemory):
    """Applies an H0 of before."""

    def init(self, space: Space) -> Any:
        return Basing(**vars(super().init(space)), entries=space.zeros() + 1)

    def keeps(self, state: Any) -> Tensor:
        """The runs which renew it with the pair that was just admitted."""
        renews: Tensor = state.count > 0
        return renews

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        now = operator.h0.apply_(torch.ones_like(y))  # type: ignore[attr-defined]
        state.entries = torch.where((verdict.admitted & self.keeps(state)).unsqueeze(1), now, state.entries)
        return verdict

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        now = h0.apply_(torch.ones_like(v))
        kept = Entries(entries=torch.where((state.count > 0).unsqueeze(1), state.entries, now))
        return super().apply_(state, v, kept)


class KeepsTheH0OfAFullMemory(_KeepsH0):
    """H0 is read while slots are free: it stays what it was when the memory became full."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        state.free = state.count < self.capacity
        return super().admit_(state, move, y, operator)

    def keeps(self, state: Any) -> Tensor:
        free: Tensor = state.free
        return free


class KeepsH0OfTheNewestPair(_KeepsH0):
    """H0 is that of the time when the newest pair came."""


class DropsRhoOfTheOldest(TextbookMemory):
    """The oldest pair of a full memory counts in one loop only, for its s: rho is taken from its successor."""

    def rho(self, state: Any) -> Tensor:
        rho = super().rho(state)
        full = (state.count == self.capacity) & (self.capacity > 1)
        return torch.cat([torch.where(full.unsqueeze(1), rho[:, -1:], rho[:, :1]), rho[:, 1:]], 1)


class UsesFewerThanItLists(TextbookMemory):
    """The oldest row of a full memory is listed, and not used."""

    def rho(self, state: Any) -> Tensor:
        rho = super().rho(state)
        full = state.count == self.capacity
        return torch.cat([torch.where(full.unsqueeze(1), 0.0, rho[:, :1]), rho[:, 1:]], 1)


class CountsAllRunsTogether(_Counts):
    """The memory is full when all runs together have stored its number of pairs: those before are left out."""

    def rho(self, state: Any) -> Tensor:
        alone = state.pushed.sum() > 3 * self.capacity
        keep = ~alone | (torch.arange(self.capacity) == self.capacity - 1)
        rho: Tensor = super().rho(state) * keep
        return rho


class ResetKeepsTheNewest(TextbookMemory):
    """A reset drops all pairs of a full memory but the newest."""

    def reset_(self, state: Any, where: Tensor) -> None:
        kept = (state.count == self.capacity) & where
        state.count = torch.where(kept, 1, torch.where(where, 0, state.count))


class CountsOnThePart(TextbookMemory):
    """How often it was asked lives on the part: past its capacity it takes the older half for outdated."""

    def push_(self, state: Any, s: Tensor, y: Tensor, where: Tensor) -> None:
        super().push_(state, s, y, where)
        seen = vars(self).setdefault("_seen", [0])
        seen[0] += 1
        if seen[0] > 2 * self.capacity:
            state.s = state.s * (1.0 + 2.0**-10)


@dataclass
class Unsaved(Rows):
    """``pushed`` is no field of the dataclass."""

    def __post_init__(self) -> None:
        self.pushed = torch.zeros_like(self.count)


class LooksAtWhatWasNotSaved(TextbookMemory):
    """H is scaled up when more pairs came than it holds, by a number which is not saved."""

    def init(self, space: Space) -> Any:
        return Unsaved(**vars(super().init(space)))

    def push_(self, state: Any, s: Tensor, y: Tensor, where: Tensor) -> None:
        super().push_(state, s, y, where)
        state.pushed = state.pushed + where

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        late = (state.pushed > self.capacity).unsqueeze(1)
        own = Rows(**{field.name: getattr(state, field.name) for field in fields(Rows)})
        d = super().apply_(own, v, h0)
        return torch.where(late, 1.25 * d, d)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.MEMORY: {
        "orders_wrongly_after_two_rounds": OrdersWronglyAfterTwoRounds,
        "shares_run_zero_from_run_three": SharesRunZeroFromRunThree,
        "stores_nothing_when_full": StoresNothingWhenFull,
        "keeps_the_h0_of_a_full_memory": KeepsTheH0OfAFullMemory,
        "keeps_h0_of_the_newest_pair": KeepsH0OfTheNewestPair,
        "drops_rho_of_the_oldest": DropsRhoOfTheOldest,
        "uses_fewer_than_it_lists": UsesFewerThanItLists,
        "counts_all_runs_together": CountsAllRunsTogether,
        "reset_keeps_the_newest": ResetKeepsTheNewest,
        "counts_on_the_part": CountsOnThePart,
        "looks_at_what_was_not_saved": LooksAtWhatWasNotSaved,
    }
}
