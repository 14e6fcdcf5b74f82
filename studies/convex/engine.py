"""The engine: each method is one task of a pool of processes, which tunes it and runs it at its best rate."""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context, parent_process
from typing import Any

from tqdm import tqdm  # type: ignore[import-untyped]

from studies.convex.lines import Lines, Result
from studies.convex.methods import Method
from studies.convex.problem import DATA
from studies.convex.training import Samples, Trial, train
from studies.errors import require_at_least
from studies.execution.worker_pool import WorkersLost
from studies.planning.budget import FIRST_EVALUATION_SEED, FIRST_TUNING_SEED
from studies.planning.plan import best_rate
from studies.training.loop import prepare_process
from studies.variants.variant import GRID_STEP

FIRST_DECADE, LAST_DECADE = -3.0, 1.0


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all methods have in common: data, budget, sizes of samples, schedule and the optimum f*."""

    data: str
    samples: Samples
    epochs: int
    seeds: int
    floor: float
    decay: bool = False
    tuning_seeds: int = 3

    def __post_init__(self) -> None:
        require_at_least(1, epochs=self.epochs, seeds=self.seeds)

    def configuration(self) -> dict[str, Any]:
        """Return all that decides results, as JSON values; the optimum follows from the data."""
        common = {key: value for key, value in asdict(self).items() if key != "floor"}
        return {**common, "rates": list(rates()), "floor": float(f"{self.floor:.9g}")}


def rates(first: float = FIRST_DECADE, last: float = LAST_DECADE) -> tuple[float, ...]:
    """Return learning rates from 10^first to 10^last, half a decade apart, 3 digits each.

    >>> rates(-1, 0)
    (0.1, 0.316, 1.0)
    """
    return tuple(float(f"{10 ** (first + GRID_STEP * k):.3g}") for k in range(round((last - first) / GRID_STEP) + 1))


def beyond(lr: float | None) -> tuple[float, ...]:
    """Return the decade of rates beyond the grid's edge on which ``lr`` lies; nothing for one inside."""
    grid = rates()
    if lr == grid[0]:
        return rates(FIRST_DECADE - 1, FIRST_DECADE - GRID_STEP)
    return rates(LAST_DECADE + GRID_STEP, LAST_DECADE + 1) if lr == grid[-1] else ()


def compare(method: Method, setting: Setting) -> Result:
    """Tune the method on the grid, a decade further where its best rate is the edge, and run the seeds there."""
    problem = DATA[setting.data].load()

    def run(grid: Sequence[float], seeds: Sequence[int]) -> list[Trial]:
        return train(
            method,
            [(lr, seed) for lr in grid for seed in seeds],
            problem=problem,
            floor=setting.floor,
            epochs=setting.epochs,
            samples=setting.samples,
            decay=setting.decay,
        )

    spent = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + setting.tuning_seeds)
    tuning = run(rates(), spent)
    lr = best_rate((trial.lr, trial.gap) for trial in tuning)
    if further := beyond(lr):
        tuning += run(further, spent)
        lr = best_rate((trial.lr, trial.gap) for trial in tuning)
    tried = [trial.lr for trial in tuning]
    # One at a time, so that their seconds are those of one model.
    seeds = range(FIRST_EVALUATION_SEED, FIRST_EVALUATION_SEED + setting.seeds)
    evaluation = [] if lr is None else [trial for seed in seeds for trial in run([lr], [seed])]
    return Result(
        method.name, repr(method.method), lr, lr in (min(tried), max(tried)), tuple(tuning), tuple(evaluation)
    )


def run_all(methods: Sequence[Method], setting: Setting, lines: Lines, workers: int) -> dict[str, str]:
    """Compare the methods that have no result yet, keep each as it ends, and return the errors by name.

    Progress goes to stderr. Raises `WorkersLost` when a process was killed, with all finished methods kept.
    """
    missing = [method for method in methods if lines.find(method) is None]
    if not missing:
        return {}
    errors: dict[str, str] = {}
    bar = tqdm(
        total=len(methods),
        initial=len(methods) - len(missing),
        unit="method",
        desc="methods",
        file=sys.stderr,
        mininterval=0.5 if sys.stderr.isatty() else 15.0,
    )
    if workers == 1:
        return _run_here(missing, setting, lines, bar)
    pool = ProcessPoolExecutor(min(workers, len(missing)), get_context("spawn"), initializer=_prepare)
    try:
        tasks = {pool.submit(compare, method, setting): method for method in missing}
        for task in as_completed(tasks):
            try:
                lines.add(task.result())
            except BrokenProcessPool:
                raise WorkersLost("A worker process was killed: find out by what (memory?), then repeat the command; "
                               "all finished methods are kept.") from None  # fmt: skip
            except OSError:
                raise
            except Exception as error:  # a method's own failure must not cost the others
                errors[tasks[task].name] = _told(error)
            bar.update()
    finally:
        bar.close()
        pool.shutdown(wait=True, cancel_futures=True)
    return errors


def _run_here(methods: Sequence[Method], setting: Setting, lines: Lines, bar: tqdm) -> dict[str, str]:
    """The same in this process: for one worker, another process would only cost its start."""
    errors: dict[str, str] = {}
    prepare_process()
    with bar:
        for method in methods:
            try:
                result = compare(method, setting)
            except Exception as error:
                errors[method.name] = _told(error)
            else:
                lines.add(result)
            bar.update()
    return errors


def _told(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _prepare() -> None:
    """Prepare a worker: it dies of Ctrl-C without a word, and with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    prepare_process()
