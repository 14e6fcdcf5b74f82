"""The summary: one row per variant, made from what a store or a record holds and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from statistics import fmean
from typing import Any

from studies.analysis.clocks import Clock, Race, reached, work
from studies.analysis.mixed import mixed
from studies.analysis.statistics import Comparison, Interval, adjusted, compare, mean_interval, paired_difference
from studies.analysis.tried import Tried, at_edge, method_with, tried
from studies.execution.store import Store
from studies.planning.experiment import CHARACTERS
from studies.planning.plan import Phase, Plan, plan_of
from studies.planning.record import Record
from studies.tasks import TASKS
from studies.training.outcome import Outcome
from studies.variants.names import REFERENCE

OWN_GRADIENTS = "gradient of the step"


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
            return "all evaluation runs diverged" if self.runs else "no evaluation run finished"
        return "all tuning runs diverged" if any(each.losses for each in self.tried) else "no tuning run finished"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Rows in the order of the study, with the study's configuration, provenance and records."""

    rows: tuple[Row, ...]
    configuration: dict[str, Any]
    provenance: dict[str, Any]
    records: tuple[Record, ...]

    @property
    def chance(self) -> tuple[str, float] | None:
        """Name and value of the loss of the best model that ignores its inputs, ``None`` where unknown."""
        value = self.configuration["text_unigram_entropy"]
        return None if value is None else ("unigram entropy" if self._of else "chance", float(value))

    @property
    def unit(self) -> str:
        """What a loss is measured in, with a blank before it; empty where the task does not say."""
        return f" in nats per {self._of}" if self._of else ""

    @property
    def where(self) -> str:
        """Model and task in words: ``lstm on King James Bible``."""
        stored = self.configuration
        aside = "" if self._task == CHARACTERS or self._task == stored["text"] else f" ({self._task})"
        return f"{stored['model']} on {stored['text']}{aside}"

    @property
    def _task(self) -> str:
        return str(self.configuration.get("task", CHARACTERS))

    @property
    def _of(self) -> str | None:
        return TASKS[self._task].unit if self._task in TASKS else None

    @property
    def reference(self) -> str:
        """The variant that differences are taken to."""
        return str(self.configuration.get("reference", REFERENCE))

    @property
    def mixed(self) -> str:
        """A sentence that says so when runs of different code stand in this summary, else empty."""
        tuned = [run for run in self.records if run.cell.phase == Phase.TUNE]
        counted = [run for name in self.configuration["variants"] for run in self.runs(name)]
        return mixed(run.environment for run in [*tuned, *counted])

    @property
    def tunes_fields(self) -> bool:
        """Whether some variant tuned more than its learning rate."""
        return any("tunes" in stored for stored in self.configuration["variants"].values())

    @property
    def averages(self) -> bool:
        """Whether runs keep an average of their weights."""
        return self.configuration["schedule"].get("ema") is not None

    def row(self, variant: str) -> Row | None:
        """Return the variant's row, ``None`` if it is not in the study."""
        return next((row for row in self.rows if row.variant == variant), None)

    def runs(self, variant: str) -> list[Record]:
        """Return the variant's evaluation runs at the learning rate and the fields that were chosen."""
        return _evaluated(plan_of(self.configuration), self.records, variant)

    def race(self, clock: Clock) -> Race | None:
        """Return who reached the best tuned baseline's final loss when; the reference's without a baseline.

        ``None`` when no such variant has a loss.
        """
        rows = [row for row in self.rows if row.is_baseline and row.loss is not None]
        setter = min(rows, key=_loss, default=None) or self.row(self.reference)
        if setter is None or setter.loss is None:
            return None
        target, windows = setter.loss.mean, self.configuration["windows"]
        costs = {
            row.variant: {run.cell.seed: reached(run.outcome, target, clock, windows) for run in self.runs(row.variant)}
            for row in self.rows
        }
        return Race(setter=setter.variant, loss=target, clock=clock, costs=costs)


def summarise(store: Store) -> Summary:
    """Return the summary of what the store holds by now."""
    return summary_of(store.attributes["configuration"], store.attributes["provenance"], store.records())


def summary_of(configuration: dict[str, Any], provenance: dict[str, Any], records: Sequence[Record]) -> Summary:
    """Return the summary of a study's configuration, provenance and finished cells."""
    plan, reference = plan_of(configuration), str(configuration.get("reference", REFERENCE))
    evaluated = {name: _evaluated(plan, records, name) for name in (*configuration["variants"], reference)}
    tests = _comparisons(evaluated, reference)
    rows = tuple(
        _row(name, configuration, records, evaluated, reference, tests.get(name)) for name in configuration["variants"]
    )
    return Summary(rows=rows, configuration=configuration, provenance=provenance, records=tuple(records))


def _comparisons(evaluated: Mapping[str, Sequence[Record]], reference: str) -> dict[str, Comparison]:
    """Return each variant's comparison of test losses with the reference's, adjusted for their number."""
    losses = {name: _by_seed(runs, "test_loss") for name, runs in evaluated.items()}
    found = {name: compare(own, losses[reference]) for name, own in losses.items() if name != reference}
    return adjusted({variant: comparison for variant, comparison in found.items() if comparison is not None})


def _evaluated(plan: Plan, records: Sequence[Record], variant: str) -> list[Record]:
    # A study that grew may have runs at what was the best before; they are no longer of this comparison.
    choice = plan.chosen(variant, records) if variant in plan.trials else None
    runs = [r for r in records if r.cell.phase == Phase.EVALUATE and r.cell.variant == variant]
    return [run for run in runs if run.cell.choice == choice]


def _loss(row: Row) -> float:
    return inf if row.loss is None else row.loss.mean


def _by_seed(records: Sequence[Record], which: str = "validation_loss") -> dict[int, float]:
    losses = {record.cell.seed: getattr(record.outcome, which) for record in records}
    return {seed: loss for seed, loss in losses.items() if loss is not None}


def _row(
    name: str,
    configuration: dict[str, Any],
    records: Sequence[Record],
    evaluated: Mapping[str, Sequence[Record]],
    reference: str,
    test: Comparison | None,
) -> Row:
    stored, runs = configuration["variants"][name], evaluated[name]
    plan = plan_of(configuration)
    choice, found = plan.chosen(name, records), tried(name, plan, records)
    lr, fields = (choice.lr, dict(choice.fields)) if choice else (None, {})
    tuning = {each.lr: each.losses for each in found if each.fields == fields}
    outcomes = [record.outcome for record in runs]
    losses, rates = _by_seed(runs), list(tuning)

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
        difference=None if name == reference else paired_difference(losses, _by_seed(evaluated[reference])),
        test_loss=mean_interval(list(_by_seed(runs, "test_loss").values())),
        ema_test_loss=mean_interval(list(_by_seed(runs, "ema_test_loss").values())),
        test=test,
        steps=max((outcome.steps for outcome in outcomes), default=0),
        seconds=mean("seconds"),
        work=fmean(work(o, configuration["windows"]) for o in outcomes) if outcomes else None,
        calls=_calls(outcomes),
        admitted=mean("admitted"),
        skipped=mean("skipped"),
        rollbacks=mean("rollbacks"),
        steps_skipped=mean("steps_skipped"),
        runs=len(runs),
        diverged=sum(outcome.diverged for outcome in outcomes),
        tuning=tuning,
        tried=found,
    )


def _calls(outcomes: list[Outcome]) -> dict[str, float]:
    kinds = dict.fromkeys(kind for outcome in outcomes for kind in outcome.calls)
    means = {kind: fmean(outcome.calls.get(kind, 0) for outcome in outcomes) for kind in kinds}
    return {OWN_GRADIENTS: fmean(outcome.steps for outcome in outcomes), **means} if outcomes else {}
