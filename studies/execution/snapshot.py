"""A study at one moment, read from the storage once."""

from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any

from optuna.trial import FrozenTrial, Trial, TrialState

from studies.planning.study import Cell, Result

OPEN = (TrialState.WAITING, TrialState.RUNNING)
NOTE, AT_ONCE = "note", "at_once"
"""Attributes of a trial: what its worker had to say, and how many cells it does together with this one."""
NOT_RESULTS = frozenset(("cell", "parameters", "worker", "beat", "environment", NOTE, AT_ONCE))
"""Attributes of a trial that are no part of its result."""


@dataclass(frozen=True)
class Snapshot:
    """The trials of a study as they were at one moment."""

    trials: tuple[FrozenTrial, ...]

    def having(self, *states: TrialState) -> list[FrozenTrial]:
        """Return the trials in one of the states."""
        return [trial for trial in self.trials if trial.state in states]

    def keys(self, *states: TrialState) -> set[str]:
        """Return the cells that have a trial in one of the states."""
        return {trial.user_attrs["cell"] for trial in self.having(*states) if "cell" in trial.user_attrs}

    def begun(self) -> list[FrozenTrial]:
        """Return the trials that somebody has claimed."""
        return [trial for trial in self.trials if trial.state != TrialState.WAITING]

    def has_work(self) -> bool:
        """Return whether a cell waits or runs."""
        return bool(self.having(*OPEN))

    def is_double(self, trial: Trial) -> bool:
        """Whether an older trial has the cell: two commands that plan at once may both enqueue it."""
        older = (other for other in self.having(*OPEN, TrialState.COMPLETE) if other.number < trial.number)
        return any(other.user_attrs.get("cell") == trial.user_attrs["cell"] for other in older)

    @cached_property
    def results(self) -> dict[str, Result]:
        """The finished cells by key, in the order in which they were enqueued."""
        found: dict[str, Result] = {}
        for trial in self.having(TrialState.COMPLETE):
            if "cell" in trial.user_attrs:
                found.setdefault(trial.user_attrs["cell"], _result(trial))
        return found

    @cached_property
    def best(self) -> FrozenTrial | None:
        """The finished trial with the least value, ``None`` when none has a finite one."""
        finished = [trial for trial in self.having(TrialState.COMPLETE) if isfinite(trial.values[0])]
        return min(finished, key=lambda trial: float(trial.values[0]), default=None)

    def errors(self, since: int = 0) -> dict[str, list[str]]:
        """Return why each cell's trials with a number of at least ``since`` failed: errors and lost workers."""
        found: dict[str, list[str]] = {}
        for trial in self.having(TrialState.FAIL):
            told = trial.user_attrs
            if trial.number < since or "cell" not in told or "lost" in told or "double" in told:
                continue  # told to stop, or another trial's cell: not the cell's fault
            reason = told.get("error", f"its worker {told.get('worker', '')} was killed or lost")
            found.setdefault(told["cell"], []).append(reason)
        return found

    def running(self) -> list[tuple[str, int]]:
        """Return the cells under way and their steps as far as their workers' signs of life tell."""
        return [
            (trial.user_attrs["cell"], trial.user_attrs.get("beat", [0, 0])[1])
            for trial in self.having(TrialState.RUNNING)
            if "cell" in trial.user_attrs
        ]

    def progress(self) -> tuple[int, int]:
        """Return how many cells are complete and how many are known by now."""
        done = len(self.keys(TrialState.COMPLETE))
        return done, done + len(self.having(*OPEN))


def cell_of(trial: FrozenTrial) -> Cell:
    """Return the cell of a trial."""
    # Until version 0.1 the parameters of every cell were parameters of the trial; those of proposals still are.
    enqueued = trial.system_attrs.get("fixed_params", {})
    parameters = trial.user_attrs.get("parameters") or {**enqueued, **trial.params}
    return Cell(trial.user_attrs["cell"], parameters)


def _result(trial: FrozenTrial) -> Result:
    told: dict[str, Any] = trial.user_attrs
    values = {name: value for name, value in told.items() if name not in NOT_RESULTS}
    return Result(cell_of(trial), values, told.get("environment", {}))
