"""The summary: one row per variant, made from what a store or a record holds and nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from statistics import fmean
from typing import Any

from studies.analysis.clocks import Clock, Race, mean_calls, reached, work
from studies.analysis.completeness import chosen_rates, unfinished
from studies.analysis.mixed import mixed
from studies.analysis.statistics import Comparison, Interval, adjusted, compare, mean_interval, paired_difference
from studies.execution.run import ATTEMPTS
from studies.execution.store import Store
from studies.planning.experiment import CHARACTERS
from studies.planning.plan import Phase, plan_of
from studies.planning.record import Record
from studies.tasks import TASKS
from studies.variants.names import REFERENCE


@dataclass(frozen=True, kw_only=True)
class Row:
    """A variant's results over its evaluation runs; losses over those that did not diverge.

    Losses are in the task's unit, ``seconds`` and the counts are means per run. ``None`` means that there
    is nothing to tell: no run, no quasi-Newton pairs, or no reference to compare with.
    """

    variant: str
    method: str
    changes: dict[str, str]
    lr: float | None
    at_edge: bool
    loss: Interval | None
    difference: Interval | None
    test_loss: Interval | None
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
    """Validation losses of the tuning runs by learning rate; ``None`` for one that diverged."""

    @property
    def is_baseline(self) -> bool:
        """Whether the variant is another optimizer than a recipe of this library."""
        return not self.method.startswith("Recipe(")

    @property
    def note(self) -> str:
        """Why the row has no loss, or an empty string."""
        if self.loss is not None:
            return ""
        if any(loss is not None for losses in self.tuning.values() for loss in losses):
            if self.lr is None:
                return "its tuning is not finished"
            return "all evaluation runs diverged" if self.runs else "no evaluation run finished"
        return "all tuning runs diverged" if any(self.tuning.values()) else "no tuning run finished"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Rows in the order of the study, with the study's configuration, provenance and records."""

    rows: tuple[Row, ...]
    configuration: dict[str, Any]
    provenance: dict[str, Any]
    records: tuple[Record, ...]
    failed: tuple[str, ...] = ()
    """Keys of the runs that were given up."""

    @property
    def warnings(self) -> list[str]:
        """What is said before everything else: that the study is not finished, that its code is not of one kind."""
        left = f"UNFINISHED: {self.unfinished}." if self.unfinished else ""
        return [sentence for sentence in (left, self.mixed) if sentence]

    @property
    def unfinished(self) -> str:
        """``14 of 20 runs`` while a run is left to do, else empty."""
        return unfinished(self.configuration, self.records, self.failed)

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

    def row(self, variant: str) -> Row | None:
        """Return the variant's row, ``None`` if it is not in the study."""
        return next((row for row in self.rows if row.variant == variant), None)

    def runs(self, variant: str) -> list[Record]:
        """Return the variant's evaluation runs at its chosen learning rate."""
        return _evaluated(self.records, variant, self._rates[variant])

    @cached_property
    def _rates(self) -> dict[str, float | None]:
        return chosen_rates(plan_of(self.configuration), self.records, self.failed)

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
    failed = [key for key, errors in store.errors().items() if len(errors) >= ATTEMPTS]
    return summary_of(store.attributes["configuration"], store.attributes["provenance"], store.records(), failed)


def summary_of(
    configuration: dict[str, Any], provenance: dict[str, Any], records: Sequence[Record], failed: Iterable[str] = ()
) -> Summary:
    """Return the summary of a study's configuration, provenance, finished runs and those that were given up (keys)."""
    plan, reference = plan_of(configuration), str(configuration.get("reference", REFERENCE))
    failed = tuple(failed)
    rates = chosen_rates(plan, records, failed)
    evaluated = {name: _evaluated(records, name, rates.get(name)) for name in (*configuration["variants"], reference)}
    tests = _comparisons(evaluated, reference)
    rows = tuple(
        _row(name, configuration, records, evaluated, reference, rates[name], tests.get(name))
        for name in configuration["variants"]
    )
    return Summary(rows=rows, configuration=configuration, provenance=provenance, records=tuple(records), failed=failed)


def _comparisons(evaluated: Mapping[str, Sequence[Record]], reference: str) -> dict[str, Comparison]:
    """Return each variant's comparison of test losses with the reference's, adjusted for their number."""
    losses = {name: _by_seed(runs, "test_loss") for name, runs in evaluated.items()}
    found = {name: compare(own, losses[reference]) for name, own in losses.items() if name != reference}
    return adjusted({variant: comparison for variant, comparison in found.items() if comparison is not None})


def _evaluated(records: Sequence[Record], variant: str, lr: float | None) -> list[Record]:
    # A study that grew may have runs at a rate that was the best before; they are no longer of this comparison.
    return [r for r in records if r.cell.phase == Phase.EVALUATE and r.cell.variant == variant and r.cell.lr == lr]


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
    lr: float | None,
    test: Comparison | None,
) -> Row:
    stored, runs = configuration["variants"][name], evaluated[name]
    tuning = _tuning(name, stored["lr"], records)
    outcomes = [record.outcome for record in runs]
    losses, rates = _by_seed(runs), list(tuning)

    def mean(field: str) -> float | None:
        values = [value for outcome in outcomes if (value := getattr(outcome, field)) is not None]
        return fmean(values) if values else None

    return Row(
        variant=name,
        method=stored["method"],
        changes=stored["changes"],
        lr=lr,
        at_edge=len(rates) > 1 and lr in (rates[0], rates[-1]),
        loss=mean_interval(list(losses.values())),
        difference=None if name == reference else paired_difference(losses, _by_seed(evaluated[reference])),
        test_loss=mean_interval(list(_by_seed(runs, "test_loss").values())),
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
    )


def _tuning(name: str, grid: list[float], records: Sequence[Record]) -> dict[float, list[float | None]]:
    tuned = [r for r in records if r.cell.phase == Phase.TUNE and r.cell.variant == name]
    rates = sorted({*grid, *(record.cell.lr for record in tuned)})
    return {lr: [r.outcome.validation_loss for r in tuned if r.cell.lr == lr] for lr in rates}
