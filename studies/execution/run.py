"""The engine: plan, let workers do cells, plan on what they found, until every cell has its result."""

import time
from collections import Counter
from collections.abc import Callable

from studies.execution.equipment import Equipment
from studies.execution.progress import StudyProgress
from studies.execution.provenance import provenance
from studies.execution.snapshot import NOTE
from studies.execution.stopping import stopping
from studies.execution.store import Store
from studies.execution.worker_pool import DATA, WorkerPool
from studies.planning.study import Cell, Result, Study, in_turns

ATTEMPTS = 2
POLL_SECONDS, REMOTE_POLL_SECONDS = 0.25, 1.0


class Coordinator:
    """One command on a study: what it gave up, and the study as it was when last looked at."""

    def __init__(self, study: Study, store: Store) -> None:
        self.study, self.store = study, store
        self.snapshot = store.snapshot()
        self.first_trial = len(self.snapshot.trials)  # earlier commands' errors do not count: their cause may be gone
        self.given_up: dict[str, str] = {}
        self.left: Counter[str] = Counter()
        self._due: list[Cell] = []
        self._notes: set[str] = set()
        self._told: set[str] = set()
        self._planned_on: object = None

    def advance(self) -> int:
        """Release lost trials, enqueue what is due; return the number of finished cells."""
        self.snapshot = self.store.snapshot()
        if self.store.release_lost(self.snapshot):
            self.snapshot = self.store.snapshot()
        errors = self.snapshot.errors(since=self.first_trial)
        self.given_up = {key: found[-1] for key, found in errors.items() if len(found) >= ATTEMPTS}
        self._plan()
        if self.store.enqueue(self._due, self.snapshot, proposed=bool(self.study.proposed())):
            self.snapshot = self.store.snapshot()
        return len(self.snapshot.results)

    def _plan(self) -> None:
        """Plan on the results, which is work, when there are others than last time."""
        results, given_up = self.snapshot.results, self.given_up
        if (basis := (results.keys(), given_up.keys())) != self._planned_on:
            due = [cell for cell in self.study.cells(results, given_up) if cell.key not in given_up]
            self._due, self.left = in_turns(self.study, due), self.study.remaining(results, given_up)
            self._planned_on = basis

    def new_notes(self) -> list[str]:
        """Return what workers have noted that was not told yet."""
        new = {told for trial in self.snapshot.trials if (told := trial.user_attrs.get(NOTE))} - self._notes
        self._notes |= new
        return sorted(new)

    def new_results(self) -> list[Result]:
        """Return the cells that were finished since this was last asked."""
        new = [result for key, result in self.snapshot.results.items() if key not in self._told]
        self._told |= self.snapshot.results.keys()
        return new


def run(
    study: Study,
    store: Store,
    *,
    workers: int,
    equipment: Equipment | None = None,
    allow_mixed: bool = False,
    on_result: Callable[[Result], object] = lambda result: None,
) -> dict[str, str]:
    """Do every cell that has no result yet and return the errors of those that failed twice, by key.

    The workers take one cell at once, on the CPU, without other ``equipment``. A store of no study yet becomes this
    one's.

    Progress goes to stderr. When nothing is missing no worker starts; with 0 ``workers`` those that join from elsewhere
    do it all. The study's data are written into the store's directory, for the workers to map. ``on_result`` is called
    in this process with each cell that is finished meanwhile, once; those of earlier calls are in
    ``store.snapshot().results``, and what it raises ends this call. Raises `KeyboardInterrupt`, `InputError`,
    `WorkersLost`, `OSError` and what a storage raises, with all finished cells stored.
    """
    equipment = equipment or Equipment()
    if "configuration" not in store.attributes:
        study = store.claim_for(study, provenance("studies.run(...) in a program", workers))
    coordinator = Coordinator(study, store)
    coordinator.advance()
    coordinator.new_results()
    if not coordinator.snapshot.has_work():
        store.set_finished(True)
        return {}
    pause = POLL_SECONDS if store.storage is None else REMOTE_POLL_SECONDS
    with stopping(), StudyProgress(study, store.name if store.storage else store.directory.name) as progress:
        progress.show(coordinator.snapshot, coordinator.left)
        size = min(workers, coordinator.left.total())
        if size:
            study.save_data(store.directory / DATA)
        with WorkerPool(size, store, store.directory / DATA, equipment, allow_mixed=allow_mixed) as pool:
            while coordinator.snapshot.has_work():
                store.set_finished(False)
                time.sleep(pause)
                for sentence in [*pool.replace_dead(), *coordinator.new_notes()]:
                    progress.write(sentence)
                coordinator.advance()
                progress.show(coordinator.snapshot, coordinator.left)
                for result in coordinator.new_results():
                    on_result(result)
    store.set_finished(True)
    return coordinator.given_up
