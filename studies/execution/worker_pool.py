"""The pool: worker processes that end with the command that started them, however it ends."""

import os
import subprocess
import sys
from pathlib import Path

from studies.errors import InputError, WorkersLost
from studies.execution.equipment import Equipment
from studies.execution.patience import StorageLost
from studies.execution.storage import VARIABLE
from studies.execution.store import Store
from studies.training.device import VISIBLE, device_named, gpus

REPLACEMENTS_PER_WORKER = 3
DATA = "data"
"""The folder in a study's directory where its data are kept."""
STOP_SECONDS = 10.0
DISK_TROUBLE, STORAGE_LOST = 3, 4
"""Exit statuses of a worker beside 0 and 2; its last line on stderr says which trouble."""


class WorkerPool:
    """``size`` workers on the store's study; a context manager that stops them all at its end.

    They map the study's data in the directory ``data``. On GPUs they take turns: each sees its own only.
    """

    def __init__(
        self, size: int, store: Store, data: Path, equipment: Equipment | None = None, *, allow_mixed: bool = False
    ) -> None:
        equipment = equipment or Equipment()
        program = [sys.executable, "-m", "studies.execution.worker"]
        place = ["--out", str(store.directory.resolve()), "--study", store.name, "--data", str(data.resolve())]
        self._command = [*program, *place, "--patience", str(store.patience)]
        self._command += ["--peers", str(size)]
        self._command += [] if equipment.at_once is None else ["--at-once", str(equipment.at_once)]
        self._command += ["--allow-mixed"] if allow_mixed else []
        self._gpus = gpus(device_named(equipment.device))
        self._storage = store.storage
        self._size = size
        self._replacements = REPLACEMENTS_PER_WORKER * size
        self._workers: list[subprocess.Popen[str]] = []

    def __enter__(self) -> "WorkerPool":
        self._workers = [self._start(place) for place in range(self._size)]
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            _close(worker)
        for worker in self._workers:
            try:
                worker.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()

    def _start(self, place: int) -> subprocess.Popen[str]:
        # One thread each: the processes share the cores, and sums do not depend on the number of threads.
        # The storage goes by the environment: command lines, and a password in one, are everybody's to read.
        threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        environment = {**os.environ, **threads, VARIABLE: self._storage or ""}
        if self._gpus:
            environment[VISIBLE] = self._gpus[place % len(self._gpus)]
        return subprocess.Popen(
            [*self._command, "--device", "cuda" if self._gpus else "cpu"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def replace_dead(self) -> list[str]:
        """Replace the workers that died and return a sentence about each.

        Raises `InputError` with a worker's own sentence when it could not do its work at all, `OSError` when the
        storage failed, `WorkersLost` when too many died.
        """
        sentences = []
        for place, worker in enumerate(self._workers):
            status = worker.poll()
            if status is None:
                continue
            last_words = _last_words(worker)
            if status == 2:
                raise InputError(last_words)
            if status == DISK_TROUBLE:
                _, number, reason = last_words.split(" ", 2)
                raise OSError(int(number), reason)
            if status == STORAGE_LOST:
                raise StorageLost(last_words)
            died = (
                f"worker {worker.pid} was killed by signal {-status}"
                if status < 0
                else (f"worker {worker.pid} ended with status {status} ({last_words})")
            )
            if self._replacements == 0:
                raise WorkersLost(f"The {died}, and {REPLACEMENTS_PER_WORKER * self._size} were replaced before: "
                               "find out what kills them (memory?), then repeat the command.")  # fmt: skip
            self._replacements -= 1
            self._workers[place] = self._start(place)
            sentences.append(f"The {died}; another one takes its place and its trial starts again.")
        return sentences


def _close(worker: subprocess.Popen[str]) -> None:
    if worker.stdin is not None:
        worker.stdin.close()


def _last_words(worker: subprocess.Popen[str]) -> str:
    lines = worker.stderr.read().strip().splitlines() if worker.stderr else []
    _close(worker)
    return lines[-1] if lines else "it said nothing"
