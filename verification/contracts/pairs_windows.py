"""Pair generators over several windows, at whose ends they are asked for the pair that is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import Displacement, EmpiricalFisher, Space, Step
from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.pairs.empirical_fisher import FisherStore
from adaqn_lab.protocols import OracleLike
from verification.benches import PairBench
from verification.compare import same
from verification.law import Factory, Group, Subject, law
from verification.naming import by_name
from verification.shrinking import shrunk
from verification.strategies import ContractCase, contract_cases


@law(
    name="pairs-skipped-steps",
    statement="also in a full store and after pairs of earlier windows: a step which a run skips leaves every "
    "bit of its y, unless a window opens with it",
    source="adaqn_lab.protocols: a run whose gradient is not finite skips the step. What a generator remembers of a "
    "window shows in the next one only.",
    group=Group.CONTRACT,
    subject=Subject.PAIRS,
    kills=("skipped_steps_weigh", "skipped_steps_decay", "full_store_takes_skipped_steps"),
    share=0.6,
    inputs=contract_cases(min_items=6, max_items=9),
)
def skipped_steps(factory: Factory, case: ContractCase) -> None:
    """Two or three windows of a small store, each with a pair of the part's own state."""
    bench = PairBench(shrunk(factory(), 3), case)
    for k in range(case.items):
        before, where, opens = bench.read(), case.masks[k], bench.k % bench.window == 0
        bench.feed(k, where)
        if not opens:
            same(
                bench.read()[~where], before[~where], f"y of the runs which skip step {k + 1}, {where.tolist()} do not"
            )
        if bench.k % bench.window == 0:
            bench.pair(case.points[:, k])


LAWS = (skipped_steps,)


@dataclass
class _Means:
    total: Tensor
    count: Tensor
    old: Tensor
    known: Tensor


class SkippedStepsWeigh(PairGeneratorBase):
    """The change of the windows' mean gradients; every step weighs, also those which a run skipped."""

    def init(self, space: Space) -> Any:
        return _Means(space.zeros(), space.counts(), space.zeros(), space.mask(False))

    def observe_(self, state: Any, step: Step) -> None:
        if step.place == 0:
            state.total, state.count = torch.zeros_like(step.g), torch.zeros_like(state.count)
        self.add_(state, step)

    def add_(self, state: Any, step: Step) -> None:
        """One step's gradient."""
        state.total, state.count = state.total + step.g, state.count + 1

    def pair_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        mean = state.total / state.count.clamp(min=1).to(move.s.dtype).unsqueeze(1)
        y = torch.where(state.known.unsqueeze(1), mean - state.old, 0.0)
        state.old, state.known = mean, state.known | move.where
        return y

    def reset_(self, state: Any, where: Tensor) -> None:
        state.total = state.total.masked_fill(where.unsqueeze(1), 0.0)
        state.count, state.known = state.count.masked_fill(where, 0), state.known & ~where


class SkippedStepsDecay(SkippedStepsWeigh):
    """A sum which each step halves, also those which a run skipped."""

    def add_(self, state: Any, step: Step) -> None:
        state.total, state.count = state.total / 2 + step.g, state.count + step.where.long()


class FullStoreTakesSkippedSteps(EmpiricalFisher):
    """Once full, a skipped step pushes the oldest gradient out as any other does."""

    def observe_(self, state: FisherStore, step: Step) -> None:
        super().observe_(state, replace(step, where=step.where | (state.count == self.window)))


MUTANTS = {Subject.PAIRS: by_name(SkippedStepsWeigh, SkippedStepsDecay, FullStoreTakesSkippedSteps)}
