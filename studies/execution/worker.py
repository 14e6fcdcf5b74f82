"""A worker: claim a cell, train it, tell the outcome, until it is told to stop or there is nothing left.

``ablate`` and ``worker`` start it as ``python -m studies.execution.worker --out DIR --study NAME`` with a pipe for its
standard input and the storage's URL, if any, in the environment. The pipe closes when the command says stop or
dies in any way: then the worker drops its cell and ends.
"""

import os
import signal
import sys
import threading
import time
import traceback
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import tyro
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial, TrialState

from studies.errors import InputError
from studies.execution.heartbeat import Heartbeat
from studies.execution.job import CellJob, Job, Work
from studies.execution.processes import Worker
from studies.execution.progress import Quiet, RunProgress
from studies.execution.search_job import SearchJob
from studies.execution.storage import given_storage, reason_of, storage_failures
from studies.execution.store import STUDY, Store
from studies.execution.worker_pool import DISK_TROUBLE, STORAGE_LOST
from studies.planning.experiment import Experiment
from studies.planning.search import SEARCH, SearchPlan
from studies.tasks import load_text
from studies.training.loop import Cancelled, prepare_process

POLL_SECONDS, LONGEST_POLL_SECONDS = 0.2, 2.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where the study is, and the file that its text came from."""

    out: Path
    study: str = STUDY
    text: Path | None = None


class Steps:
    """Counts the steps of the run under way; says to a run whether it shall stop."""

    def __init__(self, progress: RunProgress, *stops: threading.Event) -> None:
        self.count, self._progress, self.stops = 0, progress, list(stops)

    def __call__(self) -> bool:
        """Count a step that is about to begin, and return whether to stop before it."""
        self.count += 1
        self._progress.step()
        return any(stop.is_set() for stop in self.stops)


def job_of(store: Store, text: Path | None) -> Job:
    """Return what the study's trials are, from its configuration; `InputError` when this code is another."""
    stored = store.attributes["configuration"]
    if stored.get("kind") == SEARCH:
        plan = SearchPlan.from_configuration(stored, load_text(text))
        store.use_sampler(plan.sampler(plan.sampler_seed + len(store.snapshot().begun())))
        return SearchJob(plan)
    return CellJob(store, Experiment.from_configuration(stored, load_text(text)))


def work(
    store: Store,
    job: Job,
    stop: threading.Event,
    *,
    patience: float | None = None,
    progress: RunProgress | None = None,
) -> int:
    """Do trials until ``stop`` and return how many; an exception of one trial is stored and ends that trial only.

    With a ``patience`` the work also ends when the study is finished, or when nothing was to do for that
    many seconds. An `OSError` or a failure of the storage is not the trial's fault, so it ends the worker.
    """
    this, progress = Worker.current(), progress or Quiet()
    finished, idle_since, pause = 0, time.monotonic(), POLL_SECONDS
    while not stop.is_set():
        trials = _claim(store, job, this)
        if trials:
            finished += _do_all(store, job, trials, stop, progress)
            idle_since, pause = time.monotonic(), POLL_SECONDS
            continue
        if patience is not None:
            over = bool(store.attributes.get("finished")) and not store.has_work()
            if over or time.monotonic() - idle_since > patience:
                break
        stop.wait(pause)
        pause = min(1.3 * pause, LONGEST_POLL_SECONDS)
    return finished


def _claim(store: Store, job: Job, this: Worker) -> list[Trial]:
    """Claim up to the job's number of trials, and half of those that wait: the others are for other workers."""
    trials: list[Trial] = []
    share = 1 if job.at_once == 1 else -(-len(store.snapshot().having(TrialState.WAITING)) // 2)
    while len(trials) < max(1, min(job.at_once, share)):
        trial = store.claim_trial(this)
        if trial is None:
            break
        trials.append(trial)
    return trials


def _do_all(store: Store, job: Job, trials: list[Trial], stop: threading.Event, progress: RunProgress) -> int:
    """Do the trials, with signs of life for all of them until the last is done; return how many have an outcome."""
    counter = Steps(progress, stop)
    with ExitStack() as alive:
        beats = {trial.number: alive.enter_context(Heartbeat(trial, lambda: counter.count)) for trial in trials}
        done = 0
        for work in _works(job, trials):
            counter.stops = [stop, *(beats[trial.number].given_up for trial in work.trials)]
            done += _do(store, work, counter, progress)
        return done


def _works(job: Job, trials: list[Trial]) -> list[Work]:
    try:
        return job.works(trials)
    except UpdateFinishedTrialError:
        return []  # this process slept, and the study gave it up before its first step


def _do(store: Store, work: Work, steps: Steps, progress: RunProgress) -> int:
    """Do some trials and tell their ends; return how many have an outcome."""
    progress.begin(work.name, work.steps)
    try:
        told = work.do(steps)
    except Cancelled:
        _fail(store, work, progress, lost="stopped")
    except OSError:
        raise
    except storage_failures():
        raise
    except Exception as error:
        if work.alone:  # so that it ends the one trial whose fault it is
            return sum(_do(store, each, steps, progress) for each in work.alone)
        place = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__}: {error}".replace("\n", " ")
        _fail(store, work, progress, error=f"{what} ({Path(place.filename).name}:{place.lineno})")
    else:
        for trial, end in zip(work.trials, told, strict=True):
            store.tell(trial, end.value, end.about)
            progress.end(end.loss)
        return len(told)
    return 0


def _fail(store: Store, work: Work, progress: RunProgress, **why: str) -> None:
    for trial in work.trials:
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
        store = Store(options.out, given_storage(None), options.study, create=False)
        work(store, job_of(store, options.text), stop)
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
