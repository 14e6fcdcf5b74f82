"""The summary: one row per variant, made from what the store holds and nothing else."""

from dataclasses import dataclass
from statistics import fmean
from typing import Any

from studies.ablations import REFERENCE
from studies.look import Record
from studies.plan import Phase
from studies.run import chosen_rate
from studies.statistics import Interval, mean_interval, paired_difference
from studies.store import Store


@dataclass(frozen=True, kw_only=True)
class Row:
    """A variant's results over its evaluation runs; losses over those that did not diverge.

    Losses are in nats per character, ``seconds`` and the counts are means per run. ``None`` means that there
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
    steps: int
    seconds: float | None
    admitted: float | None
    skipped: float | None
    rollbacks: float | None
    steps_skipped: float | None
    runs: int
    diverged: int
    tuning: dict[float, list[float | None]]
    """Validation losses of the tuning runs by learning rate; ``None`` for one that diverged."""

    @property
    def note(self) -> str:
        """Why the row has no loss, or an empty string."""
        if self.loss is not None:
            return ""
        if any(loss is not None for losses in self.tuning.values() for loss in losses):
            return "all evaluation runs diverged" if self.runs else "no evaluation run finished"
        return "all tuning runs diverged" if any(self.tuning.values()) else "no tuning run finished"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Rows in the order of the study, with the study's configuration, provenance and records."""

    rows: tuple[Row, ...]
    configuration: dict[str, Any]
    provenance: dict[str, Any]
    records: tuple[Record, ...]

    @property
    def unigram_entropy(self) -> float:
        """Loss in nats of the best model without context."""
        return float(self.configuration["text_unigram_entropy"])


def summarise(store: Store) -> Summary:
    """Return the summary of what the store holds by now."""
    configuration, records = store.attributes["configuration"], store.records()
    evaluated = {
        name: [r for r in records if r.cell.phase == Phase.EVALUATE and r.cell.variant == name]
        for name in configuration["variants"]
    }
    reference = _by_seed(evaluated.get(REFERENCE, []))
    rows = tuple(
        _row(name, configuration["variants"][name], records, evaluated[name], reference)
        for name in configuration["variants"]
    )
    return Summary(
        rows=rows,
        configuration=configuration,
        provenance=store.attributes["provenance"],
        records=tuple(records),
    )


def _by_seed(records: list[Record]) -> dict[int, float]:
    losses = {record.cell.seed: record.outcome.validation_loss for record in records}
    return {seed: loss for seed, loss in losses.items() if loss is not None}


def _row(
    name: str, stored: dict[str, Any], records: list[Record], runs: list[Record], reference: dict[int, float]
) -> Row:
    lr, grid = chosen_rate(name, records), stored["lr"]
    outcomes = [record.outcome for record in runs]
    tests = [outcome.test_loss for outcome in outcomes if outcome.test_loss is not None]
    losses = _by_seed(runs)

    def mean(field: str) -> float | None:
        values = [value for outcome in outcomes if (value := getattr(outcome, field)) is not None]
        return fmean(values) if values else None

    return Row(
        variant=name,
        method=stored["method"],
        changes=stored["changes"],
        lr=lr,
        at_edge=len(grid) > 1 and lr in (grid[0], grid[-1]),
        loss=mean_interval(list(losses.values())),
        difference=None if name == REFERENCE else paired_difference(losses, reference),
        test_loss=mean_interval(tests),
        steps=max((outcome.steps for outcome in outcomes), default=0),
        seconds=mean("seconds"),
        admitted=mean("admitted"),
        skipped=mean("skipped"),
        rollbacks=mean("rollbacks"),
        steps_skipped=mean("steps_skipped"),
        runs=len(runs),
        diverged=sum(outcome.diverged for outcome in outcomes),
        tuning=_tuning(name, grid, records),
    )


def _tuning(name: str, grid: list[float], records: list[Record]) -> dict[float, list[float | None]]:
    tuned = [r for r in records if r.cell.phase == Phase.TUNE and r.cell.variant == name]
    return {lr: [r.outcome.validation_loss for r in tuned if r.cell.lr == lr] for lr in grid}
