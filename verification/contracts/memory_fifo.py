"""A memory which declares `fifo`, past twice its capacity: the last pairs and no others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Space
from adaqn_lab.protocols import InitialMatrix
from verification.compare import close
from verification.contracts.memory import FIRST_IN_FIRST_OUT
from verification.contracts.memory_window import Counting
from verification.law import Factory, Group, Subject, law
from verification.memory_streams import MemoryStream, StreamBench, memory_streams
from verification.references import two_loop
from verification.textbook_memory import TextbookMemory


@law(
    name="fifo-later",
    statement="up to 5 runs, past twice the capacity, H0 changing: H v = the two loops over the last `capacity`",
    source="Nocedal & Wright 2006, Algorithm 7.4; Liu & Nocedal 1989: the oldest pair leaves.",
    group=Group.REFERENCE,
    subject=Subject.MEMORY,
    tolerance="dense",
    kills=("holds_one_less_later", "one_older_pair_stays", "wraps_the_first_run_only"),
    needs=(FIRST_IN_FIRST_OUT,),
    share=0.15,
    inputs=memory_streams(min_runs=2),
)
def fifo_later(factory: Factory, case: MemoryStream) -> None:
    """At every place, around the H0 of that time."""
    bench = StreamBench(factory, case)
    for place in bench.stops():
        got = bench.apply(case.v)
        for run, told in enumerate(bench.told):
            kept = [k for k, *_ in told][max(0, len(told) - bench.part.capacity) :]
            S, Y = (x[run, kept] for x in case.pairs)
            expected = two_loop.direction(S, Y, case.h0s[place][run], case.v[run])
            atol = case.allowed() * np.linalg.norm(case.v[run])
            close(got[run], expected, atol, f"H v of run {run} after {place} pairs, the last of them {kept}")


LAWS = (fifo_later,)


class _Fifo(TextbookMemory):
    """Knows how many pairs were ever stored."""

    declares: ClassVar[tuple[str, ...]] = ("fifo",)

    def init(self, space: Space) -> Any:
        return Counting(**vars(super().init(space)), pushed=space.counts())

    def push_(self, state: Any, s: Tensor, y: Tensor, where: Tensor) -> None:
        super().push_(state, s, y, where)
        state.pushed = state.pushed + where


class HoldsOneLessLater(_Fifo):
    """After two rounds the oldest slot is not used any more."""

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        late = state.pushed > 2 * self.capacity
        return super().apply_(replace(state, count=state.count - late.long()), v, h0)


class OneOlderPairStays(_Fifo):
    """The very first pair of a memory never leaves: it has the last slot to itself."""

    def push_(self, state: Any, s: Tensor, y: Tensor, where: Tensor) -> None:
        first = state.s[:, :1].clone(), state.y[:, :1].clone()
        full = state.count == self.capacity
        super().push_(state, s, y, where)
        for name, kept in zip(("s", "y"), first, strict=True):
            rows = getattr(state, name)
            held = torch.cat([kept, rows[:, 1:]], 1) if self.capacity > 1 else rows
            setattr(state, name, torch.where((full & where).view(-1, 1, 1), held, rows))


class WrapsTheFirstRunOnly(_Fifo):
    """Full memories of other runs keep what they have."""

    def push_(self, state: Any, s: Tensor, y: Tensor, where: Tensor) -> None:
        first = torch.arange(len(where)) == 0
        super().push_(state, s, y, where & (first | (state.count < self.capacity)))


MUTANTS: dict[Subject, dict[str, Factory]] = {
    Subject.MEMORY: {
        "holds_one_less_later": HoldsOneLessLater,
        "one_older_pair_stays": OneOlderPairStays,
        "wraps_the_first_run_only": WrapsTheFirstRunOnly,
    }
}
