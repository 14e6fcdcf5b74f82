"""The command ``worker``: join a study from any machine."""

from __future__ import annotations

import signal
import sys
import threading
import time
from dataclasses import dataclass
from os.path import exists
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import TYPE_CHECKING, Literal

from studies.commands.study_options import say
from studies.errors import InputError, counted, require_at_least

if TYPE_CHECKING:
    from studies.execution.equipment import Equipment
    from studies.execution.store import Store
    from studies.execution.worker_pool import WorkerPool

POLL_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class WorkerCommand:
    """Work on a study that ``ablate --storage`` started, from any machine that reaches its storage.

    Ends when the study is finished. Ctrl-C or SIGTERM hands the runs under way back to the study.
    """

    storage: str | None = None
    """postgresql://user:password@host/database, grpc://host:port, or a directory on a shared file system that
    holds the journal; the environment variable STUDIES_STORAGE without it."""
    study: str | None = None
    """The study's name in the storage; the only study there without it."""
    text: Path | None = None
    """The file that the study's text came from; the King James Bible without it."""
    workers: int | None = None
    """Worker processes of one thread each; one per usable core without it, on GPUs one for each."""
    device: str = "cpu"
    """What they train on: cpu, cuda, cuda:1 or auto, as for ablate."""
    side_by_side: int | Literal["auto"] | None = None
    """Runs of a variant at once, as for ablate."""
    patience: float = 300.0
    """Seconds to wait for the study to appear, and for something to do, before the worker gives up."""
    allow_mixed: bool = False
    """Work on a study that was begun with other code or another torch; its results are marked as mixed."""


def worker(options: WorkerCommand) -> int:
    """Work until the study is finished and return 0."""
    from studies.execution.equipment import Equipment
    from studies.execution.kinds import study_of, text_of
    from studies.execution.provenance import check_code
    from studies.execution.storage import VARIABLE, given_storage, is_directory
    from studies.execution.worker_pool import WorkerPool

    require_at_least(1, workers=options.workers)
    equipment = Equipment.of(options.device, options.side_by_side)
    equipment.check_workers(options.workers)
    where = given_storage(options.storage)
    if where is None:
        raise InputError(f"A worker needs the study's storage: give it with --storage, or in {VARIABLE}.")
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, _stop)
    stop = threading.Event()
    is_url = not is_directory(where)
    store = _await_study(Path() if is_url else Path(where), where if is_url else None, options, stop)
    check_code(store.kept, store.attributes.get("provenance", {}), options.allow_mixed)
    before = store.snapshot()
    if store.attributes.get("finished") and not before.has_work():
        say("The study is finished, nothing is left to do.")
        return 0
    workers = options.workers or equipment.workers
    if workers == 1:
        return _alone(store, options, equipment, stop)
    with TemporaryDirectory(prefix="studies-") as place:
        data = _shared_data(store, options)
        if data is None:
            data, stored = Path(place), store.attributes["configuration"]
            study_of(stored, text_of(stored, None, options.text)).save_data(data)
        with WorkerPool(workers, store, data, equipment, allow_mixed=options.allow_mixed) as pool:
            _watch(store, pool, options.patience)
    say(f"{counted(len(store.snapshot().results) - len(before.results), 'run')} of the study ended meanwhile.")
    return 0


class _Stopped(KeyboardInterrupt):
    """A signal asked to stop."""


def _stop(number: int, frame: FrameType | None) -> None:
    raise _Stopped("Stopped: the runs under way went back to the study.")


def _await_study(directory: Path, storage: str | None, options: WorkerCommand, stop: threading.Event) -> Store:
    """Return the store as soon as its study has a configuration; refuse after ``patience``."""
    from studies.execution.store import NoStudyError, Store

    deadline = time.monotonic() + options.patience
    while True:
        try:
            store = Store(
                directory, storage, options.study, create=False, patience=options.patience, on_wait=say, stop=stop
            )
            if "configuration" in store.attributes:
                return store
            late = InputError(f"The study {store.name} in {store.shown} was never configured: repeat its command.")
        except NoStudyError as refusal:
            late = refusal
        if time.monotonic() > deadline:
            raise late
        time.sleep(POLL_SECONDS)


def _alone(store: Store, options: WorkerCommand, equipment: Equipment, stop: threading.Event) -> int:
    """Work in this process, with a bar for its runs and one for the present run."""
    from studies.execution.kinds import text_of
    from studies.execution.processes import Worker
    from studies.execution.progress import RunBars
    from studies.execution.worker import Present, work
    from studies.training.loop import prepare_process

    prepare_process()
    text = text_of(store.attributes["configuration"], _shared_data(store, options), options.text)
    present = Present(store, text, allow_mixed=options.allow_mixed)
    # From here a signal must not cut a record in two: the run sees the flag between two steps.
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    this = Worker.current()
    bars = RunBars(f"{this.host.partition('/')[0]}:{this.pid}")
    try:
        done = work(store, present, stop, equipment=equipment, patience=options.patience, progress=bars)
    finally:
        bars.close()
    say(f"This worker did {counted(done, 'run')}.")
    if stop.is_set():
        raise _Stopped("Stopped: the run under way went back to the study.")
    return 0


def _shared_data(store: Store, options: WorkerCommand) -> Path | None:
    """Return where the study's data are in a shared directory; ``None`` without them, or when --text names a file."""
    from studies.execution.worker_pool import DATA
    from studies.tasks.prepared import ABOUT

    data = store.directory / DATA
    return data if store.storage is None and options.text is None and exists(data / ABOUT) else None


def _watch(store: Store, pool: WorkerPool, patience: float) -> None:
    """Show the study's progress until it is finished, or until nothing changed for ``patience`` seconds."""
    from studies.execution.progress import bar

    last, since = (-1, -1), time.monotonic()
    with bar(unit="run", desc=store.name) as shown:
        while True:
            snapshot = store.snapshot()
            if store.attributes.get("finished") and not snapshot.has_work():
                return
            for sentence in pool.replace_dead():
                shown.write(sentence, file=sys.stderr)
            if snapshot.progress() != last or snapshot.has_work():
                last, since = snapshot.progress(), time.monotonic()
            elif time.monotonic() - since > patience:
                return
            done, shown.total = last
            shown.update(done - shown.n)
            time.sleep(POLL_SECONDS)
