"""The summary: one row per variant, made from what a store or a record holds and nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import Any

from studies.analysis.clocks import Clock, Race, reached
from studies.analysis.completeness import choices, unfinished
from studies.analysis.mixed import mixed
from studies.analysis.row import Row, by_seed, make_row
from studies.analysis.statistics import Comparison, adjusted, compare
from studies.analysis.words import model_and_task
from studies.execution.run import ATTEMPTS
from studies.execution.store import Store
from studies.planning.experiment import CHARACTERS
from studies.planning.plan import Phase, plan_of
from studies.planning.record import Record
from studies.planning.trials import Choice
from studies.tasks import TASKS
from studies.variants.names import REFERENCE


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
        """Model and task in words: ``the LSTM with the King James Bible``."""
        return model_and_task(self.configuration["model"], self._task, self.configuration["text"])

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
        return _evaluated(self.records, variant, self._choices.get(variant))

    @cached_property
    def _choices(self) -> dict[str, Choice | None]:
        return choices(plan_of(self.configuration), self.records, self.failed)

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
    chosen = choices(plan, records, failed)
    evaluated = {name: _evaluated(records, name, chosen.get(name)) for name in (*configuration["variants"], reference)}
    tests = _comparisons(evaluated, reference)
    rows = tuple(
        make_row(name, configuration, records, evaluated, reference, chosen[name], tests.get(name))
        for name in configuration["variants"]
    )
    return Summary(rows=rows, configuration=configuration, provenance=provenance, records=tuple(records), failed=failed)


def _comparisons(evaluated: Mapping[str, Sequence[Record]], reference: str) -> dict[str, Comparison]:
    """Return each variant's comparison of test losses with the reference's, adjusted for their number."""
    losses = {name: by_seed(runs, "test_loss") for name, runs in evaluated.items()}
    found = {name: compare(own, losses[reference]) for name, own in losses.items() if name != reference}
    return adjusted({variant: comparison for variant, comparison in found.items() if comparison is not None})


def _evaluated(records: Sequence[Record], variant: str, choice: Choice | None) -> list[Record]:
    # A study that grew may have runs at what was the best before; they are no longer of this comparison.
    runs = [r for r in records if r.cell.phase == Phase.EVALUATE and r.cell.variant == variant]
    return [run for run in runs if run.cell.choice == choice]


def _loss(row: Row) -> float:
    return inf if row.loss is None else row.loss.mean
