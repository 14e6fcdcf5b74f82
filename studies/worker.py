"""A worker process: claim a cell, train it, tell the outcome, until the command that started it says stop.

``ablate`` starts it as ``python -m studies.worker --out DIR [--text FILE]`` with a pipe for its standard
input. The pipe closes when the command says stop or dies in any way: then the worker drops its cell and ends.
"""

import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import tyro

from studies.experiment import Experiment
from studies.plan import Cell
from studies.processes import Worker
from studies.provenance import environment
from studies.refusal import Refusal
from studies.store import Store
from studies.tasks import load_text
from studies.training import Cancelled, Outcome, prepare_process, train

POLL_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where the study is, and the file that its text came from."""

    out: Path
    text: Path | None = None


def work(store: Store, experiment: Experiment, stop: threading.Event) -> None:
    """Run cells until ``stop``; an exception of one cell is stored as its error and ends that cell only.

    An `OSError` is not the cell's fault (the disk is full, the storage is gone), so it ends the worker.
    """
    this = Worker.current()
    while not stop.is_set():
        claimed = store.claim(this)
        if claimed is None:
            time.sleep(POLL_SECONDS)
            continue
        trial, cell = claimed
        try:
            outcome = _train(experiment, cell, stop)
        except Cancelled:
            store.fail(trial, lost="stopped")
        except OSError:
            raise
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            what = f"{type(error).__name__}: {error}".replace("\n", " ")
            store.fail(trial, error=f"{what} ({Path(place.filename).name}:{place.lineno})")
        else:
            store.complete(trial, outcome, repr(experiment.chosen[cell.variant].method), environment())


def _train(experiment: Experiment, cell: Cell, stop: threading.Event) -> Outcome:
    return train(
        experiment.chosen[cell.variant],
        cell.lr,
        cell.seed,
        task=experiment.task,
        architecture=experiment.architecture,
        schedule=experiment.schedule,
        cancelled=stop.is_set,
    )


def _await_end_of_input(stop: threading.Event) -> None:
    # Not sys.stdin.read(): its lock, held while it waits, aborts an interpreter that ends before the pipe does.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    stop.set()


def main() -> int:
    """Join the study in ``--out`` and return the exit status: 0, or 2 after one sentence on stderr."""
    # Ctrl-C reaches every process of the terminal; the command answers it and closes our pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prepare_process()
    options = tyro.cli(Options)
    stop = threading.Event()
    threading.Thread(target=_await_end_of_input, args=(stop,), daemon=True).start()
    try:
        store = Store(options.out)
        stored = store.attributes["configuration"]
        work(store, Experiment.from_configuration(stored, load_text(options.text)), stop)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"OSError {error.errno} {error.strerror}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
