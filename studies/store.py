"""The store: a study in a journal file, every cell enqueued once and claimed by one worker."""

import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.samplers import RandomSampler
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from studies.experiment import what_differs
from studies.journal import TornProofJournal, check_journal
from studies.plan import Cell, Phase
from studies.processes import Worker
from studies.refusal import Refusal
from studies.training import Outcome

JOURNAL = "journal.log"
STUDY = "ablation"
CLAIM_SECONDS = 10.0
"""A running trial without a worker's name is lost after this time: its claimer died before it signed."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """A finished cell: its outcome, the method that ran as a `repr`, and the environment it ran in."""

    cell: Cell
    outcome: Outcome
    method: str
    environment: dict[str, Any]


class Store:
    """A study's storage in ``directory``; made when absent. Raises `Refusal` when it cannot be read or made."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.path = directory, directory / JOURNAL
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        check_journal(self.path)
        try:
            self._study = _open(self.path)
        except (ValueError, KeyError, AssertionError, TypeError) as error:
            raise Refusal(f"The journal {self.path} is not one of a study ({error!r}): give another "
                          "directory with --out; the file was left as it is.") from error  # fmt: skip

    @property
    def attributes(self) -> dict[str, Any]:
        """What was stored about the study as a whole: ``configuration`` and ``provenance``."""
        return self._study.user_attrs

    def claim_for(self, configuration: dict[str, Any], provenance: dict[str, Any]) -> None:
        """Make this the storage of that configuration, or refuse when it already is another one's."""
        stored = self.attributes.get("configuration")
        if stored is None:
            self._study.set_user_attr("provenance", provenance)
            self._study.set_user_attr("configuration", configuration)
        elif differences := what_differs(stored, configuration):
            raise Refusal(f"{self.directory} holds another study: {differences}; repeat that study's command "
                          "to continue it, or give another directory with --out.")  # fmt: skip

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=states or None)

    def enqueue(self, cells: Iterable[Cell]) -> int:
        """Enqueue the cells that are neither waiting, running nor complete; return how many were."""
        taken = self._keys(TrialState.WAITING, TrialState.RUNNING, TrialState.COMPLETE)
        missing = [cell for cell in cells if cell.key not in taken]
        for cell in missing:
            values = {"phase": str(cell.phase), "variant": cell.variant, "lr": cell.lr, "seed": cell.seed}
            self._study.enqueue_trial(values, user_attrs={"cell": cell.key})
        return len(missing)

    def _keys(self, *states: TrialState) -> set[str]:
        return {trial.user_attrs["cell"] for trial in self._trials(*states) if "cell" in trial.user_attrs}

    def claim(self, worker: Worker) -> tuple[Trial, Cell] | None:
        """Return a waiting cell, now this worker's and nobody else's, or ``None`` when none waits."""
        if not self._trials(TrialState.WAITING):
            return None
        trial = self._study.ask()
        if "cell" not in trial.user_attrs:
            # Another worker took the last one in between, so Optuna made a trial of its own.
            self._study.tell(trial, state=TrialState.FAIL)
            return None
        try:
            trial.set_user_attr("worker", str(worker))
            variants = list(self.attributes["configuration"]["variants"])
            return trial, _cell(trial, variants)
        except UpdateFinishedTrialError:
            return None  # this process slept through the grace of an unsigned claim

    def complete(self, trial: Trial, outcome: Outcome, method: str, environment: dict[str, Any]) -> None:
        """Store the outcome and finish the trial: its value is the validation loss, infinite if it diverged."""
        loss = outcome.validation_loss
        try:
            trial.set_user_attr("method", method)
            trial.set_user_attr("environment", environment)
            trial.set_user_attr("diverged", outcome.diverged)
            trial.set_user_attr("outcome", outcome.to_json())
            self._study.tell(trial, float("inf") if loss is None else loss)
        except (UpdateFinishedTrialError, ValueError):
            if self._study.trials[trial.number].state != TrialState.FAIL:
                raise
            # The study gave this worker up while it was suspended; the cell runs again elsewhere.

    def fail(self, trial: Trial, **why: str) -> None:
        """Finish the trial without an outcome; ``why`` is ``error=...`` or ``lost=...``."""
        for key, value in why.items():
            trial.set_user_attr(key, value)
        self._study.tell(trial, state=TrialState.FAIL)

    def release_lost(self) -> int:
        """Fail the running trials whose worker is gone, so that their cells can be enqueued again."""
        lost = [trial for trial in self._trials(TrialState.RUNNING) if _is_lost(trial)]
        for trial in lost:
            self._study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        return len(lost)

    def has_work(self) -> bool:
        """Return whether a cell waits or runs."""
        return bool(self._trials(TrialState.WAITING, TrialState.RUNNING))

    @property
    def length(self) -> int:
        """Number of trials of any state; later ones have this number or a greater one."""
        return len(self._trials())

    def records(self) -> list[Record]:
        """Return the finished cells in the order in which they were enqueued."""
        return [_record(trial) for trial in self._trials(TrialState.COMPLETE)]

    def errors(self, since: int = 0) -> dict[str, list[str]]:
        """Return the errors of each cell's failed trials with a number of at least ``since``."""
        found: dict[str, list[str]] = {}
        for trial in self._trials(TrialState.FAIL):
            if trial.number >= since and "error" in trial.user_attrs:
                found.setdefault(trial.user_attrs["cell"], []).append(trial.user_attrs["error"])
        return found


def _open(path: Path) -> optuna.Study:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls its journal experimental
        storage = JournalStorage(TornProofJournal(path))
        # Without an explicit sampler every ask would fit TPE to results that no cell depends on.
        sampler = RandomSampler(seed=0)
        if any(study.study_name == STUDY for study in storage.get_all_studies()):
            # Not create_study(load_if_exists=True): that writes a record at every look.
            return optuna.load_study(study_name=STUDY, storage=storage, sampler=sampler)
        return optuna.create_study(study_name=STUDY, storage=storage, sampler=sampler)


def _cell(trial: Trial, variants: list[str]) -> Cell:
    # Suggesting turns the enqueued values into the trial's parameters, which dashboards show.
    return Cell(
        phase=Phase(trial.suggest_categorical("phase", [str(phase) for phase in Phase])),
        variant=str(trial.suggest_categorical("variant", variants)),
        lr=trial.suggest_float("lr", 5e-324, 1.7e308),
        seed=trial.suggest_int("seed", 0, 2**53),
    )


def _record(trial: FrozenTrial) -> Record:
    values, attributes = trial.params, trial.user_attrs
    return Record(
        cell=Cell(phase=Phase(values["phase"]), variant=values["variant"], lr=values["lr"], seed=values["seed"]),
        outcome=Outcome.from_json(attributes["outcome"]),
        method=attributes["method"],
        environment=attributes["environment"],
    )


def _is_lost(trial: FrozenTrial) -> bool:
    name = trial.user_attrs.get("worker")
    if name is not None:
        return not Worker.parse(name).alive
    began = trial.datetime_start
    return began is None or time.time() - began.timestamp() > CLAIM_SECONDS
