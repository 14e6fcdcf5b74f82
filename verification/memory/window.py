"""The last pairs, as they were given or rounded to bfloat16."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import CautiousCosine, CautiousSS, Displacement, History, Space, Verdict, Window
from adaqn_lab.linalg import dot, write_row_
from adaqn_lab.protocols import Operator
from verification.benches import MEMORY_BENCHES
from verification.compare import close
from verification.conditioning import Conditioning
from verification.contracts.memory import FIRST_IN_FIRST_OUT, NEWEST
from verification.contracts.mutants_of_memories import Reporting, WrongWindow
from verification.law import Group, Property, Subject, law
from verification.memory.curvature_tests import of_test
from verification.naming import by_name
from verification.pairs.empirical_fisher import bfloat16
from verification.references import two_loop
from verification.specimen import Specimen
from verification.strategies import ContractCase, contract_cases
from verification.tolerances import TOLERANCES

ROUNDED_PAIRS = Property(
    "rounded pairs", "H and its verdicts are those of the pairs rounded to bfloat16.", fields=("capacity",)
)


@law(
    name="pairs-rounded",
    statement="H is the two-loop matrix of the last `capacity` pairs rounded to bfloat16, R and D those of the rounded",
    source="An L-BFGS matrix of the rounded pairs is symmetric and positive definite; rows rounded around an R of the "
    "unrounded ones give neither.",
    group=Group.REFERENCE,
    subject=Subject.MEMORY,
    tolerance="operator",
    kills=("keeps_every_digit_of_pairs", "rounds_the_rows_only"),
    needs=(ROUNDED_PAIRS,),
    inputs=contract_cases(),
)
def pairs_rounded(factory: Callable[[], Any], case: ContractCase) -> None:
    """Cosines of drawn pairs are at least 0.3, so that no rounded pair fails a test."""
    benches = [form(factory(), case) for form in MEMORY_BENCHES]
    for bench in benches:
        bench.feed_all()
    for bench, run in product(benches, range(case.runs)):
        got = bench.read().numpy()
        S, Y = (bfloat16(x[run][case.masks[:, run]])[-bench.part.capacity :] for x in case.pairs)
        h0, v = case.h0[run], case.v[run]
        known = Conditioning.of(S, Y, h0)
        bound = TOLERANCES["operator"](case.dtype, m=known.m, n=known.n, c_min=known.c_min)
        atol = bound * known.magnitude * np.linalg.norm(v)
        close(got[run], two_loop.direction(S, Y, h0, v), atol, f"H v of run {run} against that of the rounded pairs")


class KeepsEveryDigitOfPairs(Window):
    """Nothing is rounded."""

    declares: ClassVar[tuple[str, ...]] = ("rounded pairs",)


class RoundsTheRowsOnly(KeepsEveryDigitOfPairs):
    """The rows are rounded after R and D were made of the unrounded pair."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        state.s, state.y = (rows.bfloat16().to(rows.dtype) for rows in (state.s, state.y))
        return verdict


class RingOffByOne(WrongWindow):
    """One slot too many: the oldest pair leaves one pair late."""

    def init(self, space: Space) -> History:
        return History.empty(space, self.capacity + 1)


class EvictsNewest(WrongWindow):
    """A full ring overwrites the pair that came last."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        full = state.count == self.capacity
        state.head = torch.where(full, torch.remainder(state.head - 1, self.capacity), state.head)
        return super().admit_(state, move, y, operator)


class StaleInnerProducts(WrongWindow):
    """The column of triu(S Y')^-1 of the slot written over is not renewed."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        before, full = state.inverse, state.count == self.capacity
        verdict = super().admit_(state, move, y, operator)
        eye = torch.eye(self.capacity, dtype=torch.bool)
        stale = full.view(-1, 1, 1) & ~eye
        state.inverse = torch.where(stale, before, state.inverse)
        return verdict


class RejectsIffFalse(WrongWindow):
    """Skips iff s'y <= eps y'y: a NaN passes (stochQN)."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        s_y, s_s, y_y = dot(move.s, y), dot(move.s, move.s), dot(y, y)
        admitted = move.where & ~(s_y <= 1e-4 * y_y)
        state.push_(move.s, y, admitted)
        return Verdict(admitted, s_y, s_s, y_y)


class AdmitsNegativeCurvature(WrongWindow):
    """Any finite pair with s'y != 0 enters."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        s_y, s_s, y_y = dot(move.s, y), dot(move.s, move.s), dot(y, y)
        admitted = move.where & torch.isfinite(s_y) & torch.isfinite(y_y) & (s_y != 0)
        state.push_(move.s, y, admitted)
        return Verdict(admitted, s_y, s_s, y_y)


class AdmitsZero(WrongWindow):
    """s'y >= eps y'y: a pair with y = 0 enters, and divides by zero."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        s_y, s_s, y_y = dot(move.s, y), dot(move.s, move.s), dot(y, y)
        admitted = move.where & torch.isfinite(y_y) & (s_y >= 1e-4 * y_y)
        state.push_(move.s, torch.where(s_y.unsqueeze(1) == 0, move.s * 1e-6, y), admitted)
        return Verdict(admitted, s_y, s_s, y_y)


class WritesBeforeTesting(WrongWindow):
    """The pair is written into its slot, and the slot only counted when the test accepts."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        write_row_(state.s, move.s, state.head, ~verdict.admitted & move.where)
        return verdict


class SwapsSsAndYy(WrongWindow):
    """The verdict reports y'y for s's and s's for y'y."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        return replace(verdict, s_s=verdict.y_y, y_y=verdict.s_s)


class AdmitsOutsideMask(WrongWindow):
    """The verdict admits runs which nobody asked about."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        return replace(verdict, admitted=self.test.accept(verdict.s_y, verdict.s_s, verdict.y_y))


class NewestIsOldest(WrongWindow):
    """Reports the oldest pair held as the newest."""

    def init(self, space: Space) -> History:
        return _OldestFirst(**vars(super().init(space)))


class _OldestFirst(History):
    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        exists = self.count > 0
        slot = torch.remainder(self.head - self.count, self.capacity).unsqueeze(1)
        found = [torch.where(exists, x.gather(1, slot).squeeze(1), 1.0) for x in (self.s_y, self.s_s, self.y_y)]
        return found[0], found[1], found[2], exists


class NewestOfSkippedPair(WrongWindow):
    """H0 is scaled by the pair last tried, also when it was skipped."""

    def init(self, space: Space) -> Reporting:
        start = torch.ones(4, space.runs, dtype=torch.float64)
        start[3] = 0
        return Reporting(**vars(super().init(space)), tried=start)

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        now = torch.stack([verdict.s_y, verdict.s_s, verdict.y_y, torch.ones_like(verdict.s_y)])
        state.tried = torch.where(move.where, now, state.tried)
        return verdict


class NewestSurvivesReset(NewestOfSkippedPair):
    """After a reset H0 is still scaled by a pair that is gone."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = Window.admit_(self, state, move, y, operator)
        now = torch.stack([verdict.s_y, verdict.s_s, verdict.y_y, torch.ones_like(verdict.s_y)])
        state.tried = torch.where(verdict.admitted, now, state.tried)
        return verdict


class Float32SmallMatrices(WrongWindow):
    """R^-1 is kept in float32: several digits are gone on ill-conditioned pairs."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        state.inverse = state.inverse.float().double()
        return verdict


def declares(part: Any) -> frozenset[Property]:
    """What a window declares, with what its test does."""
    if part.dtype is not None:
        return frozenset({ROUNDED_PAIRS})
    return frozenset({FIRST_IN_FIRST_OUT, NEWEST}) | of_test(part.test)


SPECIMEN = Specimen(
    role=Subject.MEMORY,
    kind=Window,
    variations=(
        Window,
        partial(Window, capacity=0),
        partial(Window, capacity=1, test=CautiousSS()),
        partial(Window, capacity=3, test=CautiousCosine()),
        partial(Window, capacity=3, dtype=torch.bfloat16),
    ),
    declares=declares,
    laws=(pairs_rounded,),
    mutants=by_name(
        KeepsEveryDigitOfPairs,
        RoundsTheRowsOnly,
        RingOffByOne,
        EvictsNewest,
        StaleInnerProducts,
        RejectsIffFalse,
        AdmitsNegativeCurvature,
        AdmitsZero,
        WritesBeforeTesting,
        SwapsSsAndYy,
        AdmitsOutsideMask,
        NewestIsOldest,
        NewestOfSkippedPair,
        NewestSurvivesReset,
        Float32SmallMatrices,
        capacity=3,
    ),
)
