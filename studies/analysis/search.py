"""What a search found: its trials in order, the best of them, and how much each factor matters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite
from statistics import fmean
from typing import Any

from optuna.trial import TrialState

from studies.analysis.importance import Subset, fanova, total_shares, variance_shares
from studies.errors import InputError, counted
from studies.execution.snapshot import Snapshot
from studies.planning.search import SearchPlan
from studies.planning.search_space import LR

FEWEST_FOR_FANOVA = 20
"""Fewer evenly drawn points than this say too little for an estimate."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A finished trial: ``loss`` is the mean over the seeds, infinite if one diverged (None in ``losses``)."""

    key: str
    choice: dict[str, str]
    lr: float
    loss: float
    losses: tuple[float | None, ...]
    seconds: float
    method: str
    environment: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Importance:
    """How much of the variance each factor explains; ``exact`` tells a decomposition from an estimate.

    ``totals`` count a factor's interactions for it; ``shares`` are those of single factors and of combinations, empty
    for an estimate. ``note`` says what it rests on.
    """

    totals: dict[str, float]
    shares: dict[Subset, float]
    exact: bool
    note: str


def proposals(plan: SearchPlan, snapshot: Snapshot) -> list[Proposal]:
    """Return the finished trials, the best first."""
    found: dict[str, Proposal] = {}
    for trial in snapshot.having(TrialState.COMPLETE):
        told, params = trial.user_attrs, trial.params
        found.setdefault(told["cell"], Proposal(
            key=told["cell"],
            choice={name: str(params[name]) for name in plan.space.levels},
            lr=float(params[LR]),
            loss=_mean(told["losses"]),
            losses=tuple(told["losses"]),
            seconds=told["seconds"],
            method=told["method"],
            environment=told.get("environment", {}),
        ))  # fmt: skip
    return sorted(found.values(), key=lambda proposal: proposal.loss)


def _mean(losses: Sequence[float | None]) -> float:
    kept = [loss for loss in losses if loss is not None]
    return fmean(kept) if len(kept) == len(losses) else inf


def front(found: Sequence[Proposal]) -> list[Proposal]:
    """Return the proposals that no other beats in both loss and seconds, the least loss first."""
    kept: list[Proposal] = []
    for proposal in sorted(found, key=lambda proposal: (proposal.loss, proposal.seconds)):
        if isfinite(proposal.loss) and (not kept or proposal.seconds < kept[-1].seconds):
            kept.append(proposal)
    return kept


def importance(plan: SearchPlan, found: Sequence[Proposal]) -> Importance | str:
    """Return the factors' importances, or a sentence on why there are none."""
    return _exact(plan, found) if plan.factorial else _estimate(plan, found)


def _exact(plan: SearchPlan, found: Sequence[Proposal]) -> Importance | str:
    """Decompose the variance of the losses at each combination's best rate."""
    best: dict[tuple[str, ...], Proposal] = {}
    for proposal in found:  # the best first
        best.setdefault(tuple(proposal.choice[name] for name in plan.space.levels), proposal)
    losses = {key: [inf if x is None else x for x in proposal.losses] for key, proposal in best.items()}
    try:
        shares = variance_shares(losses, list(plan.space.levels))
    except InputError as refusal:
        return str(refusal)
    return Importance(
        totals=total_shares(shares, list(plan.space.levels)),
        shares=shares,
        exact=True,
        note=f"Exact shares of the variance over all {plan.space.combinations} combinations and "
        f"{counted(plan.seeds, 'seed')}, "
        f"each combination at the best of its {counted(plan.rates, 'rate')}.",
    )


def _estimate(plan: SearchPlan, found: Sequence[Proposal]) -> Importance | str:
    even = [proposal for proposal in found if proposal.key in plan.even_keys]
    if sum(isfinite(proposal.loss) for proposal in even) < FEWEST_FOR_FANOVA:
        return (f"No importances: they take {FEWEST_FOR_FANOVA} or more evenly drawn trials that did not diverge "
                "(--even).")  # fmt: skip
    points: list[tuple[dict[str, Any], float]] = [({**p.choice, LR: p.lr}, p.loss) for p in even]
    totals = fanova(points, plan.space.distributions)
    return Importance(
        totals=totals,
        shares={},
        exact=False,
        note=f"Estimated by fANOVA from the {len(even)} evenly drawn trials: single factors, without interactions. The "
        "sampler's own trials are left out, they are no fair sample of the space. --factorial gives exact shares.",
    )
