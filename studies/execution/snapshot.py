"""A look at a study: its trials at one moment, read from the storage once."""

from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from studies.planning.plan import Cell, Phase
from studies.training.outcome import Outcome

OPEN = (TrialState.WAITING, TrialState.RUNNING)


@dataclass(frozen=True, kw_only=True)
class Record:
    """A finished cell: its outcome, the method that ran as a `repr`, and the environment it ran in."""

    cell: Cell
    outcome: Outcome
    method: str
    environment: dict[str, Any]


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

    @property
    def finished(self) -> set[str]:
        """The cells that have an outcome."""
        return self.keys(TrialState.COMPLETE)

    def has_work(self) -> bool:
        """Return whether a cell waits or runs."""
        return bool(self.having(*OPEN))

    @cached_property
    def records(self) -> list[Record]:
        """The finished cells, each once, in the order in which they were enqueued."""
        found: dict[str, Record] = {}
        for trial in self.having(TrialState.COMPLETE):
            found.setdefault(trial.user_attrs["cell"], _record(trial))
        return list(found.values())

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


def value_of(outcome: Outcome) -> float:
    """Return a trial's value: the validation loss, infinite if the run diverged."""
    return inf if outcome.validation_loss is None else outcome.validation_loss


def about(outcome: Outcome, method: str, environment: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes from which a `Record` is read again."""
    return {
        "method": method,
        "environment": environment,
        "diverged": outcome.diverged,
        "outcome": outcome.to_json(),
    }


def _record(trial: FrozenTrial) -> Record:
    values, attributes = trial.params, trial.user_attrs
    return Record(
        cell=Cell(phase=Phase(values["phase"]), variant=values["variant"], lr=values["lr"], seed=values["seed"]),
        outcome=Outcome.from_json(attributes["outcome"]),
        method=attributes["method"],
        environment=attributes["environment"],
    )
