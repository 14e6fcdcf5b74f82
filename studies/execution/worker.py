"""A worker: claim a cell, do it, store its result, until it is told to stop or there is nothing left.

The commands start it as ``python -m studies.execution.worker --out DIR --study NAME`` with a pipe for its standard
input and the storage's URL, if any, in the environment. The pipe closes when the command says stop or dies in any way:
then the worker drops its cell and ends.
"""

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import tyro
from optuna.trial import Trial, TrialState

from studies.errors import InputError
from studies.execution.heartbeat import Heartbeat
from studies.execution.kinds import study_of, text_of
from studies.execution.patience import reason_of, storage_failures
from studies.execution.processes import Worker
from studies.execution.progress import Quiet, RunProgress
from studies.execution.provenance import check_code
from studies.execution.storage import given_storage
from studies.execution.store import Store
from studies.execution.worker_pool import DISK_TROUBLE, STORAGE_LOST
from studies.planning.study import Cell, Study
from studies.tasks import Text
from studies.training.loop import Cancelled, prepare_process

POLL_SECONDS, LONGEST_POLL_SECONDS = 0.2, 2.0
Claimed = tuple[Trial, Cell]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where the study is and where its data are, how long to wait for a storage, whether other code is allowed."""

    out: Path
    study: str
    data: Path | None = None
    patience: float = 0.0
    allow_mixed: bool = False


class Steps:
    """Counts the steps of the run under way; says to a run whether it shall stop."""

    def __init__(self, progress: RunProgress, *stops: threading.Event) -> None:
        self.count, self._progress, self.stops = 0, progress, list(stops)

    def __call__(self) -> bool:
        """Count a step that is about to begin, and return whether to stop before it."""
        self.count += 1
        self._progress.step()
        return any(stop.is_set() for stop in self.stops)


class Present:
    """The study as its configuration is now: it may have grown since this worker began."""

    def __init__(self, store: Store, text: Text, *, allow_mixed: bool = False) -> None:
        check_code(store.kept, store.attributes.get("provenance", {}), allow_mixed)
        self._store, self._text = store, text
        self._configuration = store.attributes["configuration"]
        self._study = study_of(self._configuration, text)

    @property
    def study(self) -> Study:
        """The study, made again when its configuration has changed."""
        stored = self._store.attributes["configuration"]
        if stored != self._configuration:
            self._study, self._configuration = study_of(stored, self._text), stored
        return self._study


def work(
    store: Store,
    present: Present,
    stop: threading.Event,
    *,
    patience: float | None = None,
    progress: RunProgress | None = None,
) -> int:
    """Do cells until ``stop`` and return how many; an exception of one cell is stored and ends that cell only.

    With a ``patience`` the work also ends when the study is finished, or when nothing was to do for that
    many seconds. An `OSError` or a failure of the storage is not the cell's fault, so it ends the worker.
    """
    this, progress = Worker.current(), progress or Quiet()
    finished, idle_since, pause = 0, time.monotonic(), POLL_SECONDS
    while not stop.is_set():
        study = present.study
        if claimed := _claim(store, study, this):
            finished += _do_all(store, study, claimed, stop, progress)
            idle_since, pause = time.monotonic(), POLL_SECONDS
            continue
        if patience is not None:
            over = bool(store.attributes.get("finished")) and not store.has_work()
            if over or time.monotonic() - idle_since > patience:
                break
        stop.wait(pause)
        pause = min(1.3 * pause, LONGEST_POLL_SECONDS)
    return finished


def _claim(store: Store, study: Study, this: Worker) -> list[Claimed]:
    """Claim as many cells as go side by side, and at most half of those that wait: the others are for other workers."""
    claimed: list[Claimed] = []
    at_once = study.side_by_side
    share = 1 if at_once == 1 else -(-len(store.snapshot().having(TrialState.WAITING)) // 2)
    while len(claimed) < max(1, min(at_once, share)):
        found = store.claim(this, study)
        if found is None:
            break
        claimed.append(found)
    return claimed


def _do_all(store: Store, study: Study, claimed: list[Claimed], stop: threading.Event, progress: RunProgress) -> int:
    """Do the cells by group, with signs of life for all until the last is done; return how many have a result."""
    counter, groups = Steps(progress, stop), dict[str, list[Claimed]]()
    for each in claimed:
        groups.setdefault(study.group(each[1]), []).append(each)
    with ExitStack() as alive:
        beats = {trial.number: alive.enter_context(Heartbeat(trial, lambda: counter.count)) for trial, _ in claimed}
        done = 0
        for group in groups.values():
            counter.stops = [stop, *(beats[trial.number].given_up for trial, _ in group)]
            done += _do(store, study, group, counter, progress)
        return done


def _do(store: Store, study: Study, group: Sequence[Claimed], steps: Steps, progress: RunProgress) -> int:
    """Do cells at once and tell their ends; return how many have a result."""
    cells = [cell for _, cell in group]
    name = cells[0].key if len(cells) == 1 else f"{len(cells)} of {study.group(cells[0])}"
    progress.begin(name, study.steps_of(cells[0]))
    try:
        results = study.do(cells, steps)
    except Cancelled:
        _fail(store, group, progress, lost="stopped")
    except OSError:
        raise
    except storage_failures():
        raise
    except Exception as error:
        if len(group) > 1:  # one by one, so that it ends the one cell whose fault it is
            return sum(_do(store, study, [each], steps, progress) for each in group)
        place = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__}: {error}".replace("\n", " ")
        _fail(store, group, progress, error=f"{what} ({Path(place.filename).name}:{place.lineno})")
    else:
        for (trial, _), result in zip(group, results, strict=True):
            values = study.values(result)
            store.complete(trial, result, values)
            progress.end(values[0])
        return len(results)
    return 0


def _fail(store: Store, group: Sequence[Claimed], progress: RunProgress, **why: str) -> None:
    for trial, _ in group:
        store.fail(trial, **why)
        progress.end(None)


def _await_end_of_input(stop: threading.Event) -> None:
    # Not sys.stdin.read(): its lock, held while it waits, aborts an interpreter that ends before the pipe does.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    stop.set()


def main() -> int:
    """Join the study and return the exit status: 0, or another after one sentence on stderr (see `worker_pool`)."""
    # Ctrl-C reaches every process of the terminal; the command answers it and closes our pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prepare_process()
    options = tyro.cli(Options)
    stop = threading.Event()
    # A batch system's SIGTERM reaches every process too: the run under way goes back to the study.
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threading.Thread(target=_await_end_of_input, args=(stop,), daemon=True).start()
    try:
        storage = given_storage(None)
        store = Store(options.out, storage, options.study, create=False, patience=options.patience, stop=stop)
        text = text_of(store.attributes["configuration"], options.data, None)
        work(store, Present(store, text, allow_mixed=options.allow_mixed), stop)
    except InputError as refusal:
        print(refusal, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"OSError {error.errno} {error.strerror}", file=sys.stderr)
        return DISK_TROUBLE
    except storage_failures() as error:
        print(reason_of(error), file=sys.stderr)
        return STORAGE_LOST
    return 0


if __name__ == "__main__":
    sys.exit(main())
