"""Fisher matrices from other stores: mean and noise apart, rounded gradients, signed sums."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

from adaqn_lab import Space
from verification.benches import PairBench
from verification.compare import close
from verification.law import Group, Property, Subject, law
from verification.laws.mathematics.pairs import _factor, _y
from verification.parts import Array, displacement
from verification.references import empirical_fisher
from verification.strategies import ContractCase, contract_cases

Factory = Callable[[], Any]


def _held(bench: PairBench, run: int) -> Array:
    """The last ``window`` gradients that one run saw, (K, n) float64."""
    seen = bench.case.rows[run][bench.case.masks[:, run]]
    result: Array = np.asarray(seen[-bench.part.window :], dtype=np.float64)
    return result


@law(
    name="centred-fisher",
    number=11,
    statement="y = B C s + m (m's), m the mean and C the covariance of the last `window` gradients",
    source="Cov(g) = Cov(example) / B for the mean g of B examples' gradients, and E[g] is the gradient.",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("scales_the_mean_too", "leaves_the_mean_out", "centres_on_empty_slots"),
    needs=frozenset({Property.CENTRED}),
    inputs=contract_cases(max_items=8),
)
def centred_fisher(factory: Factory, case: ContractCase) -> None:
    """By NumPy's covariance, for whatever each run has seen."""
    bench = PairBench(factory(), case)
    bench.feed_all()
    y, B = _y(bench, case.v), bench.part.batch_size
    for run in range(case.runs):
        F, s = _held(bench, run), case.v[run].astype(np.float64)
        m = F.mean(0) if len(F) else np.zeros(case.n)
        C = (F - m).T @ (F - m) / max(len(F), 1)
        # Two products with the store, one of them of gradients less their mean.
        close(y[run], B * (C @ s) + m * (m @ s), 4 * B * bench.atol(run), f"y of run {run}, {len(F)} gradients held")


@law(
    name="rounded-fisher",
    number=11,
    statement="y = factor(|F|) sum b (b's), b the last `window` gradients rounded to bfloat16",
    source="A store of half the size: what is rounded is the gradient, so that the matrix stays symmetric, >= 0.",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("rounds_nothing", "rounds_y"),
    needs=frozenset({Property.ROUNDED}),
    inputs=contract_cases(max_items=8),
)
def rounded_fisher(factory: Factory, case: ContractCase) -> None:
    """The textbook product with rounded gradients."""
    bench = PairBench(factory(), case)
    bench.feed_all()
    y = _y(bench, case.v)
    for run in range(case.runs):
        F = torch.from_numpy(_held(bench, run)).to(torch.bfloat16).double().numpy()
        factor = _factor(bench.part, len(F))
        expected = empirical_fisher.product(F, case.v[run], bench.part.window, factor)
        close(y[run], expected, 2 * max(factor, 1.0) * bench.atol(run), f"y of run {run}, {len(F)} gradients held")


def _orthonormal(part: Any, count: int, i: int) -> Array:
    """y for s = e_i after the gradients e_0, e_1, ... e_(count - 1)."""
    space = Space(1, count, torch.float64)
    state, everyone, eye = part.init(space), space.mask(True), torch.eye(count, dtype=torch.float64)
    bench = PairBench(part, ContractCase(1, count, 0, False, 0, "float64"))
    for row in eye:
        part.observe_(state, bench.step(row.numpy()[None], np.ones(1, bool)))
    y: Array = part.pair_(state, displacement(eye[i][None].clone(), everyone), bench.oracle)[0].numpy()
    return y


@law(
    name="sketched-fisher",
    number=11,
    statement="g_k = e_k, s = e_i: y_i = c, |y_k| = c within i's row of the sketch, 0 outside; mean over seeds: c e_i",
    source="E[z z'] = sum g g' for a sum z of gradients with independent random signs.",
    group=Group.MATHEMATICS,
    subject=Subject.PAIRS,
    tolerance="linear",
    kills=("sums_without_signs", "mixes_rows", "drops_rows_early"),
    needs=frozenset({Property.SKETCHED}),
    inputs=st.tuples(st.integers(1, 8), st.integers(0, 7), st.integers(0, 2**16)).filter(lambda c: c[1] < c[0]),
)
def sketched_fisher(factory: Factory, case: tuple[int, int, int]) -> None:
    """Every product of two gradients is seen on its own."""
    count, i, seed = case
    part = factory()
    row = np.arange(count) // part.group
    held = row > row[-1] - part.rows
    c = _factor(part, int(held.sum())) if held[i] else 0.0
    pattern = c * (held & (row == row[i]))
    ys = np.array([_orthonormal(replace(part, seed=seed + k), count, i) for k in range(64)])
    for y in ys:
        close(y[i], c, 1e-13, "y_i")
        close(np.abs(y), pattern, 1e-13, "|y|")
    # 64 independent signs: their mean is 0 within six standard deviations.
    others = np.arange(count) != i
    close(ys.mean(0)[others], 0 * pattern[others], 6 * c / math.sqrt(64) + 1e-13, "the mean of y over seeds")


LAWS = (centred_fisher, rounded_fisher, sketched_fisher)
