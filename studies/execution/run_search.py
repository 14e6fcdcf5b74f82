"""Run a search: enqueue every trial once, let workers do them, until each has its outcome."""

import sys
import time
from pathlib import Path

from studies.execution.progress import bar
from studies.execution.run import ATTEMPTS, POLL_SECONDS, REMOTE_POLL_SECONDS
from studies.execution.snapshot import Snapshot
from studies.execution.store import Store
from studies.execution.worker_pool import WorkerPool
from studies.planning.search import SearchPlan


def run_search(plan: SearchPlan, store: Store, *, workers: int, text: Path | None = None) -> dict[str, str]:
    """Do every trial that has no outcome yet and return the errors of those that failed twice, by key.

    As `studies.execution.run.run` does for the cells of an ablation.
    """
    first_trial = len(store.snapshot().trials)
    snapshot, given_up = _advance(plan, store, first_trial)
    if not snapshot.has_work():
        store.set_finished(True)
        return given_up
    store.set_finished(False)
    pause = POLL_SECONDS if store.storage is None else REMOTE_POLL_SECONDS
    with (
        bar(total=plan.size, initial=len(snapshot.finished), unit="trial", desc="trials") as shown,
        WorkerPool(min(workers, plan.size), store.directory, text, study=store.name, storage=store.storage) as crew,
    ):
        while snapshot.has_work():
            time.sleep(pause)
            for sentence in crew.replace_dead():
                shown.write(sentence, file=sys.stderr)
            snapshot, given_up = _advance(plan, store, first_trial)
            shown.total = plan.size - len(given_up)
            shown.update(len(snapshot.finished) - shown.n)
    store.set_finished(True)
    return given_up


def _advance(plan: SearchPlan, store: Store, first_trial: int) -> tuple[Snapshot, dict[str, str]]:
    """Release lost trials, enqueue what is missing; return the study as it is then, and what is given up."""
    snapshot = store.snapshot()
    if store.release_lost(snapshot):
        snapshot = store.snapshot()
    errors = snapshot.errors(since=first_trial)
    given_up = {key: found[-1] for key, found in errors.items() if len(found) >= ATTEMPTS}
    if store.enqueue_named({key: point for key, point in plan.points().items() if key not in given_up}, snapshot):
        snapshot = store.snapshot()
    return snapshot, given_up
