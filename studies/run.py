"""The engine: plan, let workers train, plan on what they found, until every cell has its outcome."""

import sys
import time
from pathlib import Path

from tqdm import tqdm  # type: ignore[import-untyped]

from studies.crew import Crew
from studies.experiment import Experiment
from studies.plan import Cell, Phase, Plan, best_rate
from studies.store import Record, Store

ATTEMPTS = 2
POLL_SECONDS = 0.25


def chosen_rate(variant: str, records: list[Record]) -> float | None:
    """Return the learning rate that the variant's finished tuning runs chose, ``None`` if all diverged."""
    return best_rate(
        (record.cell.lr, record.outcome.validation_loss)
        for record in records
        if record.cell.variant == variant and record.cell.phase == Phase.TUNE
    )


def cells_due(plan: Plan, records: list[Record], given_up: set[str]) -> list[Cell]:
    """Return the cells that can be run by now: all tuning, and the evaluation of each variant that is tuned.

    A variant is tuned when each of its tuning cells has an outcome or is ``given_up`` (keys).
    """
    finished = {record.cell.key for record in records} | given_up
    due = [cell for variant in plan.rates for cell in plan.tuning(variant)]
    for variant in plan.rates:
        if all(cell.key in finished for cell in plan.tuning(variant)):
            lr = chosen_rate(variant, records)
            due += [] if lr is None else plan.evaluation(variant, lr)
    return [cell for cell in due if cell.key not in given_up]


class _Watch:
    """The state of one command: what it gave up, and the records it has already seen."""

    def __init__(self, experiment: Experiment, store: Store) -> None:
        self.plan, self.store = experiment.plan, store
        self.first_trial = store.length  # errors of earlier commands do not count: their cause may be gone
        self.given_up: dict[str, str] = {}

    def advance(self) -> int:
        """Release lost trials, enqueue what is due; return the number of finished cells."""
        self.store.release_lost()
        errors = self.store.errors(since=self.first_trial)
        self.given_up = {key: found[-1] for key, found in errors.items() if len(found) >= ATTEMPTS}
        records = self.store.records()
        self.store.enqueue(cells_due(self.plan, records, set(self.given_up)))
        return len(records)

    def expected(self) -> int:
        """Number of cells that will have an outcome, as far as is known by now."""
        records = self.store.records()
        done = {record.cell.key for record in records} | set(self.given_up)
        missing = 0
        for variant in self.plan.rates:
            tuned = all(cell.key in done for cell in self.plan.tuning(variant))
            if tuned and chosen_rate(variant, records) is None:
                missing += self.plan.budget.seeds
        return self.plan.size - missing - len(self.given_up)


def run(experiment: Experiment, store: Store, *, workers: int, text: Path | None = None) -> dict[str, str]:
    """Run every cell that has no outcome yet and return the errors of those that failed twice, by key.

    Progress goes to stderr. ``text`` is the file that the workers read the experiment's text from. When
    nothing is missing no worker starts. Raises `KeyboardInterrupt`, `Refusal`, `CrewLost` and `OSError` with
    all finished cells stored.
    """
    watch = _Watch(experiment, store)
    finished = watch.advance()
    if not store.has_work():
        return {}
    with (
        tqdm(
            total=watch.expected(),
            initial=finished,
            unit="run",
            desc="runs",
            file=sys.stderr,
            mininterval=0.5 if sys.stderr.isatty() else 15.0,
            smoothing=0.1,
        ) as bar,
        Crew(min(workers, watch.plan.size), store.directory, text) as crew,
    ):
        while store.has_work():
            time.sleep(POLL_SECONDS)
            for sentence in crew.replace_dead():
                bar.write(sentence, file=sys.stderr)
            finished = watch.advance()
            bar.total = watch.expected()
            bar.update(finished - bar.n)
            if sys.stderr.isatty():
                bar.refresh()
    return watch.given_up
