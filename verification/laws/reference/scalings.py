"""Scalings equal their textbook diagonals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from verification.benches import ScalingBench
from verification.compare import close
from verification.law import Group, Law, Property, Subject, law
from verification.references import scalings
from verification.strategies import Array, ContractCase, contract_cases
from verification.tolerances import TOLERANCES

Factory = Callable[[], Any]
Diagonal = Callable[[Any, ContractCase, int], Array]


def _seen(case: ContractCase, run: int) -> Array:
    """The gradients which one run saw, (K, n)."""
    result: Array = case.rows[run][case.masks[:, run]]
    return result


def _adagrad(part: Any, case: ContractCase, run: int) -> Array:
    return scalings.adagrad(_seen(case, run), part.eps)


def _rmsprop(part: Any, case: ContractCase, run: int) -> Array:
    return scalings.rmsprop(_seen(case, run), part.eps, part.decay)


def _bias_corrected(part: Any, case: ContractCase, run: int) -> Array:
    """The mean of the squares with weights decay^(t - k), which sum to one."""
    G = _seen(case, run).astype(np.float64)
    if not len(G):
        return np.full(case.n, part.eps**-0.5)
    weights = part.decay ** np.arange(len(G) - 1, -1, -1.0)
    return np.asarray(1 / np.sqrt(weights @ G**2 / weights.sum() + part.eps))


def _clipped_barzilai_borwein(part: Any, case: ContractCase, run: int) -> Array:
    gamma = 0.0
    if case.has_pair:
        s, y = (x[run].astype(np.float64) for x in (case.v, case.partners))
        gamma = float(y @ y) / float(s @ y)
    return np.full(case.n, 1 / max(gamma, part.floor))


def _constant(part: Any, case: ContractCase, run: int) -> Array:
    return np.full(case.n, float(part.value))


def _barzilai_borwein(part: Any, case: ContractCase, run: int) -> Array:
    s, y = (case.v[run], case.partners[run]) if case.has_pair else (None, None)
    return scalings.barzilai_borwein(s, y, case.n)


def _barzilai_borwein_mean(part: Any, case: ContractCase, run: int) -> Array:
    if not case.has_pair:
        return np.full(case.n, part.initial)
    S, Y = (x[run][case.masks[:, run]] for x in case.pairs)
    S, Y = np.vstack([S, case.v[run]]), np.vstack([Y, case.partners[run]])
    each = [scalings.barzilai_borwein(s, y, case.n) for s, y in zip(S, Y, strict=True)]
    return np.asarray(np.mean(each, axis=0))


def _identity(part: Any, case: ContractCase, run: int) -> Array:
    return np.ones(case.n)


def _equals(needed: Property, diagonal: Diagonal, formula: str, source: str, kills: tuple[str, ...]) -> Law:
    @law(
        name=f"{needed.value.replace(' ', '-')}-equals-textbook",
        number=4,
        statement=formula,
        source=source,
        group=Group.REFERENCE,
        subject=Subject.SCALING,
        tolerance="linear",
        kills=kills,
        needs=frozenset({needed}),
        inputs=contract_cases(),
    )
    def check(factory: Factory, case: ContractCase) -> None:
        bench = ScalingBench(factory(), case)
        bench.feed_all()
        got = bench.read()
        for run in range(case.runs):
            expected = diagonal(bench.part, case, run) * case.v[run].astype(np.float64)
            # A recursion over the items: each adds its rounding.
            rtol = TOLERANCES["linear"](case.dtype, n=case.n + case.items)
            close(got[run], expected, rtol * np.abs(expected), f"H0 v of run {run}")

    return check


LAWS = (
    _equals(
        Property.ADAGRAD,
        _adagrad,
        "H0 = diag(1 / sqrt(sum_k g_k g_k + eps)), the current g included",
        "Duchi, Hazan & Singer 2011; Keskar & Berahas 2016",
        (
            "gradient_as_scaling",
            "accumulator_never_updated",
            "current_gradient_left_out",
            "eps_outside_root",
            "sum_for_mean",
            "stale_h0",
        ),
    ),
    _equals(
        Property.RMSPROP,
        _rmsprop,
        "H0 = diag(1 / sqrt(V + eps)), V <- decay V + (1 - decay) g g",
        "minSQN, mode 'RMS'",
        ("rmsprop_never_updated", "rmsprop_eps_outside_root", "decays_masked_runs", "bias_corrected"),
    ),
    _equals(
        Property.BIAS_CORRECTED,
        _bias_corrected,
        "H0 = diag(1 / sqrt(sum_k w_k g_k g_k + eps)), w_k = decay^(t - k) / sum_i decay^(t - i)",
        "Kingma & Ba, Adam (2015), section 3, but with eps inside the root",
        ("correction_forgotten", "counts_masked_steps"),
    ),
    _equals(
        Property.BARZILAI_BORWEIN,
        _barzilai_borwein,
        "H0 = (s'y / y'y) I of the newest pair, I without one",
        "Liu & Nocedal 1989",
        ("first_barzilai_borwein", "forgets_that_there_is_no_pair"),
    ),
    _equals(
        Property.BARZILAI_BORWEIN_MEAN,
        _barzilai_borwein_mean,
        "H0 = mean(s'y / y'y) I over the pairs held, initial I without one",
        "oLBFGS, Schraudolph, Yu & Guenter 2007",
        ("mean_over_empty_slots", "newest_for_mean", "ratio_of_sums", "initial_is_one"),
    ),
    _equals(
        Property.CLIPPED_BARZILAI_BORWEIN,
        _clipped_barzilai_borwein,
        "H0 = I / max(y'y / s'y, floor) of the newest pair, I / floor without one",
        "SdLBFGS, Wang, Ma, Goldfarb & Liu 2017",
        ("floor_forgotten", "floor_is_a_ceiling", "identity_without_a_pair"),
    ),
    _equals(
        Property.CONSTANT,
        _constant,
        "H0 = value I",
        "oBFGS, Schraudolph, Yu & Guenter 2007; RES; K-BFGS: a fixed H0",
        ("value_upside_down",),
    ),
    _equals(Property.IDENTITY, _identity, "H0 = I", "Nocedal & Wright 2006, section 7.2", ("halves_identity",)),
)
