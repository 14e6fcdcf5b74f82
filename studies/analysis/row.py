"""A row of the results: what the evaluation runs of one variant came to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from studies.analysis.clocks import mean_calls, work
from studies.analysis.statistics import Comparison, Interval, mean_interval, paired_difference
from studies.analysis.tried import Tried, at_edge, method_with, tried
from studies.planning.plan import plan_of
from studies.planning.record import Record
from studies.planning.trials import Choice


@dataclass(frozen=True, kw_only=True)
class Row:
    """A variant's results over its evaluation runs; losses over those that did not diverge, ``method`` with ``fields``.

    Losses are in the task's unit, ``seconds`` and the counts are means per run. ``None`` means that there
    is nothing to tell: no run, no quasi-Newton pairs, or no reference to compare with.
    """

    variant: str
    method: str
    changes: dict[str, str]
    lr: float | None
    at_edge: bool
    fields: dict[str, float]
    """The settings that tuning chose in place of the variant's own."""
    fields_at_edge: tuple[str, ...]
    loss: Interval | None
    difference: Interval | None
    test_loss: Interval | None
    ema_test_loss: Interval | None
    """The test loss of the averaged weights, where a study keeps them."""
    test: Comparison | None
    steps: int
    seconds: float | None
    work: float | None
    calls: dict[str, float]
    """Mean evaluations per run by kind, the gradients of the steps among them."""
    admitted: float | None
    skipped: float | None
    rollbacks: float | None
    steps_skipped: float | None
    runs: int
    diverged: int
    tuning: dict[float, list[float | None]]
    """Validation losses of the tuning runs by learning rate, at ``fields``; ``None`` for one that diverged."""
    tried: tuple[Tried, ...]
    """All that the variant was tuned at."""

    @property
    def is_baseline(self) -> bool:
        """Whether the variant is another optimizer than a recipe of this library."""
        return not self.method.startswith("Recipe(")

    @property
    def note(self) -> str:
        """Why the row has no loss, or an empty string."""
        if self.loss is not None:
            return ""
        if any(loss is not None for each in self.tried for loss in each.losses):
            if self.lr is None:
                return "its tuning is not finished"
            return "all evaluation runs diverged" if self.runs else "no evaluation run finished"
        return "all tuning runs diverged" if any(each.losses for each in self.tried) else "no tuning run finished"


def by_seed(records: Sequence[Record], which: str = "validation_loss") -> dict[int, float]:
    """Return the runs' losses of a kind by seed, without those that diverged."""
    losses = {record.cell.seed: getattr(record.outcome, which) for record in records}
    return {seed: loss for seed, loss in losses.items() if loss is not None}


def make_row(
    name: str,
    configuration: dict[str, Any],
    records: Sequence[Record],
    evaluated: Mapping[str, Sequence[Record]],
    reference: str,
    choice: Choice | None,
    test: Comparison | None,
) -> Row:
    """Return the row of the variant ``name``: its evaluation runs, those of the reference, what its tuning chose."""
    stored, runs = configuration["variants"][name], evaluated[name]
    found = tried(name, plan_of(configuration), records)
    lr, fields = (choice.lr, dict(choice.fields)) if choice else (None, {})
    tuning = {each.lr: each.losses for each in found if each.fields == fields}
    outcomes = [record.outcome for record in runs]
    losses, rates = by_seed(runs), list(tuning)

    def mean(field: str) -> float | None:
        values = [value for outcome in outcomes if (value := getattr(outcome, field)) is not None]
        return fmean(values) if values else None

    return Row(
        variant=name,
        method=method_with(stored, fields),
        changes=stored["changes"],
        lr=lr,
        at_edge=len(rates) > 1 and lr in (rates[0], rates[-1]),
        fields=fields,
        fields_at_edge=at_edge(stored, fields),
        loss=mean_interval(list(losses.values())),
        difference=None if name == reference else paired_difference(losses, by_seed(evaluated[reference])),
        test_loss=mean_interval(list(by_seed(runs, "test_loss").values())),
        ema_test_loss=mean_interval(list(by_seed(runs, "ema_test_loss").values())),
        test=test,
        steps=max((outcome.steps for outcome in outcomes), default=0),
        seconds=mean("seconds"),
        work=fmean(work(o, configuration["windows"]) for o in outcomes) if outcomes else None,
        calls=mean_calls(outcomes),
        admitted=mean("admitted"),
        skipped=mean("skipped"),
        rollbacks=mean("rollbacks"),
        steps_skipped=mean("steps_skipped"),
        runs=len(runs),
        diverged=sum(outcome.diverged for outcome in outcomes),
        tuning=tuning,
        tried=found,
    )
