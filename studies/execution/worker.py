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
from dataclasses import dataclass
from pathlib import Path

import tyro

from studies.errors import InputError
from studies.execution.equipment import Equipment
from studies.execution.hands import Hands
from studies.execution.kinds import study_of, text_of
from studies.execution.patience import reason_of, storage_failures
from studies.execution.progress import Quiet, RunProgress
from studies.execution.provenance import check_code
from studies.execution.storage import given_storage
from studies.execution.store import Store
from studies.execution.worker_pool import DISK_TROUBLE, STORAGE_LOST
from studies.planning.study import Study
from studies.tasks import Text
from studies.training.loop import prepare_process

POLL_SECONDS, LONGEST_POLL_SECONDS = 0.2, 2.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where the study is and where its data are, how long to wait for a storage, whether other code is allowed.

    ``device`` and ``at_once`` as in `Equipment`; ``peers`` workers started together share what waits.
    """

    out: Path
    study: str
    data: Path | None = None
    patience: float = 0.0
    device: str = "cpu"
    at_once: int | None = None
    peers: int = 1
    allow_mixed: bool = False


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
    equipment: Equipment | None = None,
    peers: int = 1,
    patience: float | None = None,
    progress: RunProgress | None = None,
) -> int:
    """Do cells until ``stop`` and return how many; an exception of one cell is stored and ends that cell only.

    With a ``patience`` the work also ends when the study is finished, or when nothing was to do for that
    many seconds. An `OSError` or a failure of the storage is not the cell's fault, so it ends the worker.
    """
    hands = Hands(store, equipment or Equipment(), peers, stop, progress or Quiet())
    finished, idle_since, pause = 0, time.monotonic(), POLL_SECONDS
    while not stop.is_set():
        study = present.study
        if claimed := hands.claim(study):
            finished += hands.do_all(study, claimed)
            idle_since, pause = time.monotonic(), POLL_SECONDS
            continue
        if patience is not None:
            over = bool(store.attributes.get("finished")) and not store.has_work()
            if over or time.monotonic() - idle_since > patience:
                break
        stop.wait(pause)
        pause = min(1.3 * pause, LONGEST_POLL_SECONDS)
    return finished


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
        equipment = Equipment(device=options.device, at_once=options.at_once)
        present = Present(store, text, allow_mixed=options.allow_mixed)
        work(store, present, stop, equipment=equipment, peers=options.peers)
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
