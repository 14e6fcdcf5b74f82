"""Pair generators equal their textbook forms."""

from __future__ import annotations

import numpy as np

from verification.benches import PairBench
from verification.compare import close
from verification.law import Group, Property, Subject, law
from verification.laws.mathematics.pairs import SOURCE, Factory, _atol, _drive, _factor, _y
from verification.references import empirical_fisher
from verification.strategies import ContractCase, contract_cases


@law(
    name="fisher-equals-list",
    number=11,
    statement="y = factor(|F|) sum g (g's), F the last `window` gradients observed since the reset",
    source=SOURCE,
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("missing_mean", "stale_normaliser", "window_off_by_one", "stores_one_gradient_only", "forgets_mask"),
    needs=frozenset({Property.FISHER}),
    inputs=contract_cases(max_items=8),
)
def fisher_equals_list(factory: Factory, case: ContractCase) -> None:
    """The ring is the list of the last gradients, whichever runs were masked."""
    bench = PairBench(factory(), case)
    bench.feed_all()
    y = _y(bench, case.v)
    for run in range(case.runs):
        seen = list(case.rows[run][case.masks[:, run]])
        held = empirical_fisher.held(seen, bench.part.window)
        factor = _factor(bench.part, len(held))
        expected = empirical_fisher.product(seen, case.v[run], bench.part.window, factor)
        close(y[run], expected, _atol(bench, run) * max(factor, 1.0), f"y of run {run}, {len(held)} gradients held")


@law(
    name="hessian-equals-matrix",
    number=11,
    statement="y = A s for the curvature loss w'Aw / 2",
    source="Byrd, Hansen, Nocedal & Singer 2016: y = Hessian(w_bar) s.",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("gauss_newton_of_gradient", "half_hessian", "hessian_runs_leak"),
    needs=frozenset({Property.HESSIAN}),
    inputs=contract_cases(),
)
def hessian_equals_matrix(factory: Factory, case: ContractCase) -> None:
    """On a quadratic the Hessian-vector product is a matrix-vector product."""
    bench = _drive(factory, case)
    y = _y(bench, case.v)
    for run in range(case.runs):
        expected = case.hessians[run].astype(np.float64) @ case.v[run].astype(np.float64)
        close(y[run], expected, _atol(bench, run), f"y of run {run} against A s")


@law(
    name="fisher-order",
    number=11,
    statement="the order in which the held gradients came does not matter",
    source=SOURCE + "A sum has no order; a decaying mean would.",
    group=Group.INVARIANCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("newest_counts_twice", "stores_one_gradient_only"),
    needs=frozenset({Property.FISHER}),
    inputs=contract_cases(),
)
def fisher_order(factory: Factory, case: ContractCase) -> None:
    """Forwards and backwards: the same matrix."""
    forwards, backwards = PairBench(factory(), case), PairBench(factory(), case)
    everyone = np.ones(case.runs, bool)
    held = range(max(0, case.items - forwards.part.window), case.items)
    for bench, order in ((forwards, held), (backwards, reversed(held))):
        for k in order:
            bench.feed(k, everyone)
    y, expected = _y(forwards, case.v), _y(backwards, case.v)
    for run in range(case.runs):
        factor = _factor(forwards.part, len(held))
        close(y[run], expected[run], _atol(forwards, run) * max(factor, 1.0), f"y of run {run}, {len(held)} gradients")


@law(
    name="fisher-single",
    number=11,
    statement="one gradient held: y = factor(1) g (g's)",
    source=SOURCE,
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("stale_normaliser", "y_aliases_s"),
    needs=frozenset({Property.FISHER}),
    inputs=contract_cases(min_items=1),
)
def fisher_single(factory: Factory, case: ContractCase) -> None:
    """Right after a roll-back the store holds little, and the normaliser counts what it holds."""
    bench = PairBench(factory(), case)
    bench.feed(0, np.ones(case.runs, bool))
    y, factor = _y(bench, case.v), _factor(bench.part, 1)
    for run in range(case.runs):
        g, s = case.rows[run, 0].astype(np.float64), case.v[run].astype(np.float64)
        close(y[run], factor * g * (g @ s), _atol(bench, run) * max(factor, 1.0), f"y of run {run}, one gradient held")


LAWS = (fisher_equals_list, hessian_equals_matrix, fisher_order, fisher_single)
