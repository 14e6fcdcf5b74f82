"""The empirical Fisher matrix of sums of gradients with random signs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Displacement, SketchedFisher, Step, Sum
from verification.benches import PairBench
from verification.compare import close, holds
from verification.contracts.linear_pairs import LINEAR_PAIRS, factor_of, y_for
from verification.law import Factory, Group, Property, Subject, law
from verification.naming import by_name
from verification.specimen import Specimen
from verification.strategies import Array, ContractCase, contract_cases
from verification.tolerances import TOLERANCES

SKETCHED_FISHER = Property(
    "sketched fisher",
    "y = factor(|F|) sum z (z's), z the sums of `group` gradients in a row with random signs, the last `rows` of them.",
    fields=(
        "rows",
        "group",
        "normalisation",
        "seed",
    ),
)


SIGNS = 64
"""Pairs of signs drawn by the law about them."""


def _matrix(bench: PairBench, count: int) -> Array:
    """The matrix of y = A s of every run, column by column, when the gradients were e_1, ..., e_count: (R, n, n)."""
    shape, everyone = (bench.case.runs, bench.case.n), np.ones(bench.case.runs, bool)
    columns = np.eye(bench.case.n, dtype=bench.case.dtype)
    for k in range(count):
        bench.observe(np.zeros(shape), np.broadcast_to(columns[k], shape), everyone)
    return np.stack([y_for(bench, np.broadcast_to(e, shape)) for e in columns], axis=2)


@law(
    name="sketch-blocks",
    statement="gradients e_1, e_2, ...: A = factor sum z z', z = (+-1, ..., +-1) on `group` of them in a row, the last "
    "`rows` such z; factor of the gradients in them",
    source="A block of the random sign sketch: E z z' = sum g g' for independent signs.",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("sketches_one_too_many", "sketch_divides_by_rows", "sketch_keeps_old_rows"),
    needs=(SKETCHED_FISHER,),
    inputs=contract_cases(max_items=7),
)
def sketch_blocks(factory: Factory, case: ContractCase) -> None:
    """Orthonormal gradients show which of them were added up, and with which signs."""
    part = factory()
    count = case.items * part.rows * part.group // 4 + case.items  # from none to more than fit
    case = replace(case, n=count + 1, items=count)
    A = _matrix(PairBench(part, case), count)
    row = np.arange(count + 1) // part.group
    newest = (count - 1) // part.group if count else -1
    held = (row > newest - part.rows) & (np.arange(count + 1) < count)
    together = np.outer(held, held) & (row[:, None] == row[None, :])
    size = factor_of(part, int(held.sum()))
    atol = TOLERANCES["products"](case.dtype, m=count, n=case.n) * max(size, 1.0)
    for run in range(case.runs):
        close(np.abs(A[run]), size * together, atol, f"|A| of run {run} after {count} gradients")
        signs = np.sign(A[run])  # of one z: rank one
        close(signs @ signs, signs * together.sum(1), 0.0, f"signs of run {run}: z z'z z' against |z|^2 z z'")


@law(
    name="sketch-signs",
    statement="signs of gradients in a row agree about as often as not, with any seed: |sum of e_k e_{k+1}| is small",
    source="Independent signs: E z z' = sum g g'. The tail of a sum of signs is Hoeffding's.",
    group=Group.MATHEMATICS,
    subject=Subject.PAIRS,
    tolerance="signs",
    kills=("sketch_without_signs", "signs_alternate"),
    needs=(SKETCHED_FISHER,),
    inputs=contract_cases(runs=1, max_items=0),
)
def sketch_signs(factory: Factory, case: ContractCase) -> None:
    """Gradients e_1, e_2, e_1, e_2, ...: the entry (1, 2) of A is the sum of the products of their signs."""
    part, shape = replace(factory(), rows=SIGNS, group=2, seed=case.seed), (1, 2)
    bench, e = PairBench(part, replace(case, n=2)), np.eye(2, dtype=case.dtype)
    for k in range(2 * SIGNS):
        bench.observe(np.zeros(shape), e[k % 2 : k % 2 + 1], np.ones(1, bool))
    got = float(y_for(bench, e[:1])[0, 1]) / factor_of(part, 2 * SIGNS)
    allowed = TOLERANCES["signs"](n=SIGNS)
    holds(abs(got) <= allowed, f"sum of {SIGNS} products of two signs: got {got:.6g}, at most {allowed:.3g} expected")


class WrongSketch(SketchedFisher):
    """What the wrong sketches share."""

    declares: ClassVar[tuple[str, ...]] = ("linear pairs", "sketched fisher")


class SketchesOneTooMany(WrongSketch):
    """group + 1 gradients in each sum."""

    def observe_(self, state: Any, step: Step) -> None:
        SketchedFisher.observe_(replace(self, group=self.group + 1), state, step)


class SketchDividesByRows(WrongSketch):
    """factor of the number of sums for that of the gradients in them."""

    def pair_(self, state: Any, move: Displacement, oracle: Any) -> Tensor:
        gradients = (state.count - 1) * self.group + state.within
        wrong = self.normalisation.factor(state.count.clamp(min=1))
        right = self.normalisation.factor(gradients.clamp(min=1))
        y = super().pair_(state, move, oracle)
        return y * (wrong / right).to(y.dtype).unsqueeze(1)


class SketchKeepsOldRows(WrongSketch):
    """A sum is added to what its place held before."""

    def observe_(self, state: Any, step: Step) -> None:
        before = state.rows.clone()
        super().observe_(state, step)
        fresh = (state.within == 1).view(-1, 1, 1)
        state.rows = torch.where(fresh & (state.rows != before), state.rows + before, state.rows)


class SketchWithoutSigns(WrongSketch):
    """z = sum of g: an average, whose matrix is that of the mean gradient."""

    def observe_(self, state: Any, step: Step) -> None:
        seen = state.seen.clone()
        state.seen = torch.zeros_like(seen)
        super().observe_(state, step)
        state.seen = seen + step.where.long()


class SignsAlternate(WrongSketch):
    """+1, -1, +1, ...: a difference."""

    def observe_(self, state: Any, step: Step) -> None:
        seen = state.seen.clone()
        state.seen = torch.zeros_like(seen)
        sign = (1 - 2 * (seen % 2)).to(step.g.dtype).unsqueeze(1)
        super().observe_(state, replace(step, g=sign * step.g))
        state.seen = seen + step.where.long()


SPECIMEN = Specimen(
    role=Subject.PAIRS,
    kind=SketchedFisher,
    variations=(
        partial(SketchedFisher, rows=2, group=2),
        partial(SketchedFisher, rows=1, group=3, normalisation=Sum(), seed=7),
    ),
    declares=frozenset({LINEAR_PAIRS, SKETCHED_FISHER}),
    laws=(
        sketch_blocks,
        sketch_signs,
    ),
    mutants=by_name(
        SketchesOneTooMany, SketchDividesByRows, SketchKeepsOldRows, SketchWithoutSigns, SignsAlternate, rows=2, group=2
    ),
)
