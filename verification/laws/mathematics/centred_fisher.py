"""The Fisher matrix with mean and noise of the gradients apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from verification.benches import PairBench
from verification.compare import close
from verification.law import Group, Property, Subject, law
from verification.laws.mathematics.pairs import _y
from verification.parts import Array
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


LAWS = (centred_fisher,)
