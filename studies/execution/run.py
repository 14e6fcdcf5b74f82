"""The engine: plan, let workers train, plan on what they found, until every cell has its outcome."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from studies.execution.progress import bar
from studies.execution.snapshot import Record
from studies.execution.store import Store
from studies.execution.worker_pool import WorkerPool
from studies.planning.experiment import Experiment
from studies.planning.plan import Cell, Phase, Plan, best_rate

ATTEMPTS = 2
POLL_SECONDS, REMOTE_POLL_SECONDS = 0.25, 1.0


def tuning_losses(variant: str, records: Sequence[Record]) -> list[tuple[float, float | None]]:
    """Return (lr, validation loss) of the variant's finished tuning runs, ``None`` for one that diverged."""
    return [
        (record.cell.lr, record.outcome.validation_loss)
        for record in records
        if record.cell.variant == variant and record.cell.phase == Phase.TUNE
    ]


def chosen_rate(variant: str, records: Sequence[Record]) -> float | None:
    """Return the learning rate that the variant's finished tuning runs chose, ``None`` if all diverged."""
    return best_rate(tuning_losses(variant, records))


def cells_due(plan: Plan, records: Sequence[Record], given_up: set[str]) -> list[Cell]:
    """Return the cells that can be run by now: tuning, and the evaluation of each variant that is tuned.

    A variant is tuned when each cell of its last round has an outcome or is ``given_up`` (keys).
    """
    finished = {record.cell.key for record in records} | given_up
    tuning, evaluation = [], []
    for variant in plan.rates:
        cells, is_last = plan.tuning_due(variant, tuning_losses(variant, records), finished)
        tuning += cells
        if is_last and all(cell.key in finished for cell in cells):
            lr = chosen_rate(variant, records)
            evaluation += [] if lr is None else plan.evaluation(variant, lr)
    return [cell for cell in tuning + evaluation if cell.key not in given_up]


class _Watch:
    """The state of one command: what it gave up, and the study as it was when last looked at."""

    def __init__(self, experiment: Experiment, store: Store) -> None:
        self.plan, self.store = experiment.plan, store
        self.snapshot = store.snapshot()
        self.first_trial = len(self.snapshot.trials)  # earlier commands' errors do not count: their cause may be gone
        self.given_up: dict[str, str] = {}

    def advance(self) -> int:
        """Release lost trials, enqueue what is due; return the number of finished cells."""
        self.snapshot = self.store.snapshot()
        if self.store.release_lost(self.snapshot):
            self.snapshot = self.store.snapshot()
        errors = self.snapshot.errors(since=self.first_trial)
        self.given_up = {key: found[-1] for key, found in errors.items() if len(found) >= ATTEMPTS}
        due = cells_due(self.plan, self.snapshot.records, set(self.given_up))
        if self.store.enqueue(due, self.snapshot):
            self.snapshot = self.store.snapshot()
        return len(self.snapshot.records)

    def expected(self) -> int:
        """Number of cells that will have an outcome, as far as is known by now."""
        records = self.snapshot.records
        done = {record.cell.key for record in records} | set(self.given_up)
        missing = 0
        for variant in self.plan.rates:
            cells, is_last = self.plan.tuning_due(variant, tuning_losses(variant, records), done)
            tuned = is_last and all(cell.key in done for cell in cells)
            if tuned and chosen_rate(variant, records) is None:
                missing += self.plan.budget.seeds
        return self.plan.size - missing - len(self.given_up)


def run(experiment: Experiment, store: Store, *, workers: int, text: Path | None = None) -> dict[str, str]:
    """Run every cell that has no outcome yet and return the errors of those that failed twice, by key.

    Progress goes to stderr. ``text`` is the file that the workers read the experiment's text from. When
    nothing is missing no worker starts; with 0 ``workers`` those that join from elsewhere do it all. Raises
    `KeyboardInterrupt`, `InputError`, `WorkersLost`, `OSError` and what a
    storage raises, with all finished cells stored.
    """
    watch = _Watch(experiment, store)
    finished = watch.advance()
    if not watch.snapshot.has_work():
        store.set_finished(True)
        return {}
    store.set_finished(False)
    pause = POLL_SECONDS if store.storage is None else REMOTE_POLL_SECONDS
    crew_size = min(workers, watch.plan.size)
    with (
        bar(total=watch.expected(), initial=finished, unit="run", desc="runs") as shown,
        WorkerPool(crew_size, store.directory, text, study=store.name, storage=store.storage) as crew,
    ):
        while watch.snapshot.has_work():
            time.sleep(pause)
            for sentence in crew.replace_dead():
                shown.write(sentence, file=sys.stderr)
            finished = watch.advance()
            shown.total = watch.expected()
            shown.update(finished - shown.n)
            if sys.stderr.isatty():
                shown.set_postfix_str(_under_way(watch.snapshot.running(), experiment.budget.steps), refresh=False)
                shown.refresh()
    store.set_finished(True)
    return watch.given_up


def _under_way(running: list[tuple[str, int]], steps: int) -> str:
    """Return a word on the runs under way: how many, and how far the furthest is."""
    furthest = max((count for _, count in running), default=0)
    return f"{len(running)} under way" + (f", furthest {furthest}/{steps} steps" if furthest else "")
