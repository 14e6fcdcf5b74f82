"""Adam's denominator and the clipped Barzilai-Borwein length, as diagonals and by what they are for."""

from __future__ import annotations

import numpy as np

from verification.benches import ScalingBench
from verification.compare import close
from verification.law import Group, Property, Subject, law
from verification.laws.reference.scalings import Factory, _equals, _seen
from verification.strategies import Array, ContractCase, contract_cases
from verification.tolerances import TOLERANCES


def _bias_corrected(part: object, case: ContractCase, run: int) -> Array:
    """V as a weighted mean, its weights decay^(t - i) divided by their sum."""
    seen, decay, eps = _seen(case, run).astype(np.float64), part.decay, part.eps  # type: ignore[attr-defined]
    if not len(seen):
        return np.full(case.n, eps**-0.5)
    weights = float(decay) ** np.arange(len(seen) - 1, -1, -1)
    return np.asarray(1 / np.sqrt((weights / weights.sum()) @ seen**2 + eps))


def _clipped(part: object, case: ContractCase, run: int) -> Array:
    s, y, gamma = case.v[run].astype(np.float64), case.partners[run].astype(np.float64), part.floor  # type: ignore[attr-defined]
    if case.has_pair:
        gamma = max(gamma, float(y @ y) / float(s @ y))
    return np.full(case.n, 1 / gamma)


@law(
    name="bias-corrected-constant",
    number=4,
    statement="H0 = diag(1 / sqrt(g g + eps)) after any number of equal gradients g",
    source="Kingma & Ba 2015, section 3: the correction makes the mean of the first gradients unbiased.",
    group=Group.MATHEMATICS,
    subject=Subject.SCALING,
    tolerance="linear",
    kills=("uncorrected", "corrects_by_masked_steps"),
    needs=frozenset({Property.BIAS_CORRECTED}),
    inputs=contract_cases(min_items=1),
)
def constant_stream(factory: Factory, case: ContractCase) -> None:
    """For the runs that saw any: the same gradient again and again, whichever steps were masked."""
    bench = ScalingBench(factory(), case)
    g = case.rows[:, 0]
    for where in case.masks:
        bench.part.observe_(bench.state, bench.step(g, where))
    got = bench.read()
    for run in np.flatnonzero(case.masks.any(0)):
        expected = case.v[run].astype(np.float64) / np.sqrt(g[run].astype(np.float64) ** 2 + bench.part.eps)
        rtol = TOLERANCES["linear"](case.dtype, n=case.n + case.items) / max(1.0 - bench.part.decay, 1e-3)
        close(got[run], expected, rtol * np.abs(expected), f"H0 v of run {run}")


LAWS = (
    _equals(
        Property.BIAS_CORRECTED,
        _bias_corrected,
        "H0 = diag(1 / sqrt(sum_i decay^(t - i) g_i g_i / sum_i decay^(t - i) + eps))",
        "Kingma & Ba 2015, section 3",
        ("uncorrected", "corrects_by_masked_steps"),
    ),
    _equals(
        Property.CLIPPED_BARZILAI_BORWEIN,
        _clipped,
        "H0 = I / max(y'y / s'y, floor) of the newest pair, I / floor without one",
        "Wang, Ma, Goldfarb & Liu 2017, SdLBFGS",
        ("clips_h0_for_gamma", "floor_only_without_a_pair"),
    ),
    constant_stream,
)
