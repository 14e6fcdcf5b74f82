"""The Fisher matrix with mean and noise of the gradients apart."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import CentredFisher, Displacement, EmpiricalFisher, MeanTimesBatch
from adaqn_lab.protocols import OracleLike
from verification.benches import PairBench
from verification.compare import close
from verification.contracts.linear_pairs import y_for
from verification.law import Factory, Group, Property, Subject, law
from verification.naming import by_name
from verification.parts import Array
from verification.specimen import Specimen
from verification.strategies import ContractCase, contract_cases

CENTRED_FISHER = Property(
    "centred fisher",
    "y = batch_size C s + m (m's), m and C of the last `window` gradients.",
    fields=(
        "batch_size",
        "window",
    ),
)


def _held(bench: PairBench, run: int) -> Array:
    """The last ``window`` gradients that one run saw, (K, n) float64."""
    seen = bench.case.rows[run][bench.case.masks[:, run]]
    result: Array = np.asarray(seen[-bench.part.window :], dtype=np.float64)
    return result


@law(
    name="centred-fisher",
    statement="y = B C s + m (m's), m the mean and C the covariance of the last `window` gradients",
    source="Cov(g) = Cov(example) / B for the mean g of B examples' gradients, and E[g] is the gradient.",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("scales_the_mean_too", "leaves_the_mean_out", "centres_on_empty_slots"),
    needs=(CENTRED_FISHER,),
    inputs=contract_cases(max_items=8, still=True),
)
def centred_fisher(factory: Factory, case: ContractCase) -> None:
    """By NumPy's covariance, for whatever each run has seen."""
    bench = PairBench(factory(), case)
    bench.feed_all()
    y, B = y_for(bench, case.v), bench.part.batch_size
    for run in range(case.runs):
        F, s = _held(bench, run), case.v[run].astype(np.float64)
        m = F.mean(0) if len(F) else np.zeros(case.n)
        C = (F - m).T @ (F - m) / max(len(F), 1)
        # Two products with the store, one of them of gradients less their mean.
        close(y[run], B * (C @ s) + m * (m @ s), 4 * B * bench.atol(run), f"y of run {run}, {len(F)} gradients held")


class _WrongCentred(CentredFisher):
    """What the wrong centred matrices share."""

    declares: ClassVar[tuple[str, ...]] = ("centred fisher",)


class ScalesTheMeanToo(_WrongCentred):
    """B times everything."""

    def pair_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        whole = EmpiricalFisher(window=self.window, normalisation=MeanTimesBatch(batch_size=self.batch_size))
        return whole.pair_(state, move, oracle)


class LeavesTheMeanOut(_WrongCentred):
    """y = B C s."""

    def pair_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        single = CentredFisher(batch_size=1, window=self.window).pair_(state, move, oracle)
        return (super().pair_(state, move, oracle) - single) * self.batch_size / max(self.batch_size - 1, 1)


class CentresOnEmptySlots(_WrongCentred):
    """The mean is over all slots, held or not."""

    def pair_(self, state: Any, move: Displacement, oracle: OracleLike) -> Tensor:
        held, state.count = state.count, torch.full_like(state.count, self.window)
        y = super().pair_(state, move, oracle)
        state.count = held
        return y


SPECIMEN = Specimen(
    role=Subject.PAIRS,
    kind=CentredFisher,
    variations=(
        partial(CentredFisher, batch_size=5, window=3),
        partial(CentredFisher, batch_size=1),
    ),
    declares=frozenset({CENTRED_FISHER}),
    laws=(centred_fisher,),
    mutants=by_name(ScalesTheMeanToo, LeavesTheMeanOut, CentresOnEmptySlots, batch_size=5, window=3),
)
