"""Fisher matrices from less memory: what is stored in place of the gradients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from verification.benches import PairBench
from verification.compare import close, holds
from verification.law import Group, Property, Subject, law
from verification.laws.mathematics.pairs import SOURCE, Factory, _atol, _factor, _y
from verification.references import empirical_fisher
from verification.strategies import Array, ContractCase, contract_cases
from verification.tolerances import TOLERANCES

SIGNS = 64
"""Pairs of signs drawn by the law about them."""


def bfloat16(x: Array) -> Array:
    """The nearest numbers with 8 bits of mantissa, ties to even, in x's dtype."""
    bits = x.astype(np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return rounded.astype(np.uint32).view(np.float32).astype(x.dtype)


@law(
    name="fisher-rounded",
    number=11,
    statement="y = factor(|F|) sum r (r's), r the last `window` gradients rounded to bfloat16, the products in full",
    source=SOURCE + "Half the memory: each entry is off by at most 2^-8 of itself.",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("keeps_every_digit", "rounds_toward_zero", "rounds_y_too"),
    needs=frozenset({Property.ROUNDED}),
    inputs=contract_cases(max_items=8),
)
def fisher_rounded(factory: Factory, case: ContractCase) -> None:
    """Only what is stored is rounded."""
    bench = PairBench(factory(), case)
    bench.feed_all()
    y, stored = _y(bench, case.v), bfloat16(case.rows)
    for run in range(case.runs):
        seen = list(stored[run][case.masks[:, run]])
        factor = _factor(bench.part, len(empirical_fisher.held(seen, bench.part.window)))
        expected = empirical_fisher.product(seen, case.v[run], bench.part.window, factor)
        atol = 2 * _atol(bench, run) * max(factor, 1.0)  # a rounded gradient may be a little longer
        close(y[run], expected, atol, f"y of run {run} against that of the rounded gradients")


def _matrix(bench: PairBench, count: int) -> Array:
    """The matrix of y = A s of every run, column by column, when the gradients were e_1, ..., e_count: (R, n, n)."""
    shape, everyone = (bench.case.runs, bench.case.n), np.ones(bench.case.runs, bool)
    columns = np.eye(bench.case.n, dtype=bench.case.dtype)
    for k in range(count):
        bench.observe(np.zeros(shape), np.broadcast_to(columns[k], shape), everyone)
    return np.stack([_y(bench, np.broadcast_to(e, shape)) for e in columns], axis=2)


@law(
    name="sketch-blocks",
    number=11,
    statement="gradients e_1, e_2, ...: A = factor sum z z', z = (+-1, ..., +-1) on `group` of them in a row, the last "
    "`rows` such z; factor of the gradients in them",
    source="A block of the random sign sketch: E z z' = sum g g' for independent signs.",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("sketches_one_too_many", "sketch_divides_by_rows", "sketch_keeps_old_rows"),
    needs=frozenset({Property.SKETCHED}),
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
    size = _factor(part, int(held.sum()))
    atol = TOLERANCES["products"](case.dtype, m=count, n=case.n) * max(size, 1.0)
    for run in range(case.runs):
        close(np.abs(A[run]), size * together, atol, f"|A| of run {run} after {count} gradients")
        signs = np.sign(A[run])  # of one z: rank one
        close(signs @ signs, signs * together.sum(1), 0.0, f"signs of run {run}: z z'z z' against |z|^2 z z'")


@law(
    name="sketch-signs",
    number=14,
    statement="signs of gradients in a row agree about as often as not, with any seed: |sum of e_k e_{k+1}| is small",
    source="Independent signs: E z z' = sum g g'. The tail of a sum of signs is Hoeffding's.",
    group=Group.MATHEMATICS,
    subject=Subject.PAIRS,
    tolerance="signs",
    kills=("sketch_without_signs", "signs_alternate"),
    needs=frozenset({Property.SKETCHED}),
    inputs=contract_cases(runs=1, max_items=0),
)
def sketch_signs(factory: Factory, case: ContractCase) -> None:
    """Gradients e_1, e_2, e_1, e_2, ...: the entry (1, 2) of A is the sum of the products of their signs."""
    part, shape = replace(factory(), rows=SIGNS, group=2, seed=case.seed), (1, 2)
    bench, e = PairBench(part, replace(case, n=2)), np.eye(2, dtype=case.dtype)
    for k in range(2 * SIGNS):
        bench.observe(np.zeros(shape), e[k % 2 : k % 2 + 1], np.ones(1, bool))
    got = float(_y(bench, e[:1])[0, 1]) / _factor(part, 2 * SIGNS)
    allowed = TOLERANCES["signs"](n=SIGNS)
    holds(abs(got) <= allowed, f"sum of {SIGNS} products of two signs: got {got:.6g}, at most {allowed:.3g} expected")


LAWS = (fisher_rounded, sketch_blocks, sketch_signs)
