"""How much of a loss's variance does each design choice explain? Exact on complete factorials, estimated on others."""

import warnings
from collections.abc import Mapping, Sequence
from itertools import chain, combinations, product
from math import isfinite

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial

from studies.errors import InputError

Subset = tuple[str, ...]


def variance_shares(
    losses: Mapping[tuple[str, ...], Sequence[float]], factors: Sequence[str], replicate: str = "seed"
) -> dict[Subset, float]:
    """Return the share of the variance that each subset of the factors explains; all shares add up to 1.

    ``losses``: one level for each factor -> the loss of each seed, the same seeds everywhere. f = sum_u f_u with
    f_u = sum_{v in u} (-1)^(|u|-|v|) E[f | v], the means taken over the other axes, and the share is var f_u / var f
    (the functional analysis of variance of a balanced design; Hoeffding 1948, Sobol' 1993). The seeds are one more
    axis, named ``replicate``: its subsets hold what no factor explains. Every share is 0 when nothing varies.
    Raises `InputError` for a design with a hole.
    """
    levels = [list(dict.fromkeys(key[axis] for key in losses)) for axis in range(len(factors))]
    missing = [key for key in product(*levels) if key not in losses]
    counts = {len(found) for found in losses.values()}
    if missing or len(counts) != 1 or not all(isfinite(x) for found in losses.values() for x in found):
        what = f"{' '.join(missing[0])} has no run" if missing else "its runs differ in number, or one diverged"
        raise InputError(
            f"The design is not a complete factorial: {what}; only a complete one can be decomposed exactly."
        )
    values = np.array([losses[key] for key in product(*levels)]).reshape(*map(len, levels), counts.pop())
    names = [*factors, replicate]
    axes = range(len(names))
    total = values.var()
    effects: dict[tuple[int, ...], np.ndarray] = {}
    for subset in chain.from_iterable(combinations(axes, size) for size in range(len(names) + 1)):
        others = tuple(axis for axis in axes if axis not in subset)
        mean = values.mean(axis=others, keepdims=True)
        below = sum((effects[part] for part in effects if set(part) < set(subset)), start=np.zeros_like(mean))
        effects[subset] = mean - below
    return {
        tuple(names[axis] for axis in subset): float((effect**2).mean() / total) if total > 0 else 0.0
        for subset, effect in effects.items()
        if subset
    }


def total_shares(shares: Mapping[Subset, float], factors: Sequence[str]) -> dict[str, float]:
    """Return each factor's total share: of all subsets that it is in, so its interactions count for it too."""
    return {factor: sum(share for subset, share in shares.items() if factor in subset) for factor in factors}


def fanova(
    points: Sequence[tuple[Mapping[str, float | str], float]], space: Mapping[str, BaseDistribution]
) -> dict[str, float]:
    """Return Optuna's fANOVA importances (Hutter, Hoos & Leyton-Brown 2014) over points drawn evenly from the space.

    An estimate through a random forest, of single parameters only. On points that a sampler drew where it hoped for
    low losses it would answer another question; Optuna's default evaluator always does (what tells the best tenth
    from the rest), and ranks a factorial wrongly. An infinite loss counts as the worst finite one.
    """
    finite = [loss for _, loss in points if isfinite(loss)]
    study = optuna.create_study()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for params, loss in points:
            value = loss if isfinite(loss) else max(finite, default=0.0)
            study.add_trial(create_trial(params=dict(params), distributions=dict(space), value=value))
        found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0), normalize=False)
    return {name: float(share) for name, share in found.items()}
