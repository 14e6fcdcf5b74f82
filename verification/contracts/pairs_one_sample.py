"""Gradients of two samples differ although nothing moved: their difference is noise, and no curvature."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Displacement, Need, Pair, Sample
from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.oracle import Oracle
from adaqn_lab.protocols import OracleLike
from verification.benches import PairBench
from verification.compare import close
from verification.law import Group, Subject, law
from verification.strategies import Array, ContractCase, contract_cases
from verification.tolerances import TOLERANCES

Factory = Callable[[], Any]


class _Samples(PairBench):
    """Each sample's loss has a linear term of its own: its gradient is another one at every point."""

    def __init__(self, part: Any, case: ContractCase) -> None:
        super().__init__(part, case)
        slopes = np.random.default_rng([case.seed, 11]).uniform(1.0, 2.0, (4, case.runs, case.n))
        self.slopes = torch.from_numpy((slopes * [[[1.0]], [[-1.0]], [[2.0]], [[-2.0]]]).astype(case.dtype))
        self.oracle = Oracle(self.flat, *(self._loss(b) for b in self.slopes), maximize=False)

    def _loss(self, b: Tensor) -> Callable[[], tuple[Tensor, Tensor]]:
        w = self.flat.parameters[0]
        return lambda: (torch.einsum("ri,rij,rj->r", w, self.A, w) / 2 + (b * w).sum(1), w)


@law(
    name="pairs-of-one-sample",
    statement="s = 0: y = 0, though the monitor, the batch, the overlap and the curvature batch have other gradients",
    source="Schraudolph, Yu & Guenter 2007: both gradients of a difference are of one sample; else y is s's and noise.",
    group=Group.MATHEMATICS,
    subject=Subject.PAIRS,
    tolerance="differences",
    kills=("across_two_samples", "reference_of_another_sample", "noise_for_damping"),
    share=0.5,
    inputs=contract_cases(),
)
def of_one_sample(factory: Factory, case: ContractCase) -> None:
    """A generator with displacements of its own, or with differences of what it observed, answers what it likes."""
    bench = _Samples(factory(), case)
    bench.feed_all()
    one, other = (bench.make(copy.deepcopy(bench.state), sign * case.v) for sign in (1, -1))
    if isinstance(one, Pair) or isinstance(other, Pair) or torch.equal(one, other):
        return
    bench.largest = 0.0
    y = bench.make(copy.deepcopy(bench.state), np.zeros_like(case.v))
    assert isinstance(y, Tensor)
    noise: Array = bench.slopes.double().norm(dim=2).sum(0).numpy()
    for run in range(case.runs):
        # What is made of y itself is no measure here: of one sample's gradients two are subtracted at one point.
        size = float(np.linalg.norm(case.hessians[run]) * np.linalg.norm(case.references[run]) + noise[run])
        atol = TOLERANCES["differences"](case.dtype) * size
        close(y[run], np.zeros(case.n), atol, f"y of run {run} for s = 0, of samples with different gradients")


LAWS = (of_one_sample,)


class _Across(PairGeneratorBase):
    needs: ClassVar[frozenset[Need]] = frozenset({Need.CURVATURE_GRADIENT, Need.BATCH_GRADIENT})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        return oracle.gradient(move.w_bar, Sample.CURVATURE) - oracle.gradient(move.w_ref, Sample.BATCH)


class _OfAnother(PairGeneratorBase):
    """Saves an evaluation: the overlap's gradient at the reference for that of the curvature batch."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.CURVATURE_GRADIENT, Need.OVERLAP_GRADIENT})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        there = oracle.gradient(move.w_bar, Sample.CURVATURE)
        return there - oracle.gradient(move.w_ref, Sample.OVERLAP)


class _Noise(PairGeneratorBase):
    """y = H s and a little of what two samples differ by."""

    needs: ClassVar[frozenset[Need]] = frozenset(
        {Need.HESSIAN_VECTOR_PRODUCT, Need.CURVATURE_GRADIENT, Need.BATCH_GRADIENT}
    )

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        noise = oracle.gradient(move.w_bar, Sample.BATCH) - oracle.gradient(move.w_bar, Sample.CURVATURE)
        return oracle.hessian_vector(move.w_bar, move.s) + noise / 64


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {
        "across_two_samples": _Across,
        "reference_of_another_sample": _OfAnother,
        "noise_for_damping": _Noise,
    }
}
