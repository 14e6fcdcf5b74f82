"""Whether a study is whole: its runs are those of its configuration, each once, none missing untold."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from studies.errors import counted
from studies.planning.budget import FIRST_EVALUATION_SEED, FIRST_TUNING_SEED, Budget
from studies.planning.plan import Phase, Plan, Run, plan_of, tuning_losses
from studies.planning.record import Record
from studies.planning.trials import Choice, fields_of


def unfinished(configuration: Mapping[str, Any], records: Sequence[Record], failed: Iterable[str] = ()) -> str:
    """Return ``14 of 20 runs``; empty when nothing is left to do of the study.

    ``failed`` are the keys of the runs that were given up.
    """
    finished = {record.cell.key for record in records} | set(failed)
    planned = plan_of(configuration).by_variant(records, finished).values()
    left = sum(later + sum(run.key not in finished for run in runs) for runs, later in planned)
    return f"{len(records)} of {counted(len(records) + left, 'run')}" if left else ""


def choices(plan: Plan, records: Sequence[Record], failed: Iterable[str]) -> dict[str, Choice | None]:
    """Return what the variants' tuning chose; ``None`` before it is finished, and where all of it diverged."""
    finished = {record.cell.key for record in records} | set(failed)
    is_tuned = {name: later == 0 for name, (_, later) in plan.by_variant(records, finished).items()}
    return {name: plan.chosen(name, records) if is_tuned[name] else None for name in plan.trials}


def what_is_odd(configuration: Mapping[str, Any], records: Sequence[Record], failed: Iterable[str] = ()) -> str:
    """Return the first thing that no finished study of this configuration has, or an empty string.

    ``failed`` are the keys of runs that failed. A study may have grown: then it has runs at rates that
    were the best before.
    """
    plan, given_up = plan_of(configuration), set(failed)
    budget = plan.budget
    found: set[str] = set()
    for record in records:
        key = record.cell.key
        if reason := _odd(record, configuration, budget):
            return f"the run {key} {reason}"
        if key in found or key in given_up:
            return f"the run {key} stands there twice" if key in found else f"the run {key} is there and failed"
        found.add(key)
    done = found | given_up
    if budget.tuning_seeds > len(done):
        return f"there are fewer runs than the {budget.tuning_seeds} tuning seeds"
    for cell in _due(plan, records, done):
        if cell.key not in done:
            return f"the run {cell.key} is missing"
    curves = {tuple(point.steps for point in r.outcome.curve) for r in records if not r.outcome.diverged}
    return "the curves are not all of the same steps" if len(curves) > 1 else ""


def _odd(record: Record, configuration: Mapping[str, Any], budget: Budget) -> str:
    cell, outcome = record.cell, record.outcome
    tuning = cell.phase == Phase.TUNE
    first, count = (FIRST_TUNING_SEED, budget.tuning_seeds) if tuning else (FIRST_EVALUATION_SEED, budget.seeds)
    stored = configuration["variants"].get(cell.variant)
    if stored is None:
        return "is of no variant of the configuration"
    if not first <= cell.seed < first + count:
        return "has no seed of the configuration"
    if tuning and not budget.rounds and cell.lr not in stored["lr"]:
        return "is tuned at no rate of the configuration"
    points = {fields_of(point["fields"]): point["method"] for point in stored.get("tunes", {"points": []})["points"]}
    if cell.fields and cell.fields not in points:
        return "has fields of no point of the configuration"
    if record.method != points.get(cell.fields, stored["method"]):
        return "is of another method than the configuration's"
    if outcome.steps > budget.steps or (outcome.steps < budget.steps and not outcome.diverged):
        return f"has {outcome.steps} steps instead of {budget.steps}"
    return ""


def _due(plan: Plan, records: Sequence[Record], done: set[str]) -> Iterable[Run]:
    """Yield what the study's own plan asks for, as far as it follows from the records."""
    for variant in plan.rates:
        yield from plan.tuning_due(variant, tuning_losses(variant, records), done)[0]
        if (choice := plan.chosen(variant, records)) is not None:
            yield from plan.evaluation(variant, choice)
