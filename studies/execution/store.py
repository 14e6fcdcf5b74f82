"""The store: a study in Optuna's storage, every cell enqueued once and claimed by one worker."""

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.samplers import BaseSampler, RandomSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import Trial, TrialState

from studies.errors import InputError
from studies.execution.heartbeat import Watch
from studies.execution.processes import Worker
from studies.execution.snapshot import OPEN, Record, Snapshot, about, value_of
from studies.execution.storage import JOURNAL, open_storage, without_password
from studies.planning.experiment import what_differs
from studies.planning.plan import Cell, Phase
from studies.training.outcome import Outcome

STUDY = "ablation"
CREATOR_SECONDS = 10.0
"""Who finds a study without a configuration waits this long for its creator, then takes the creator for dead."""


class Store:
    """A study in ``storage``, or in a journal file in ``directory`` without one.

    Made when absent, unless ``create`` is false. Raises `InputError` when it cannot be read or made.
    """

    def __init__(
        self,
        directory: Path,
        storage: str | None = None,
        study: str = STUDY,
        *,
        sampler: BaseSampler | None = None,
        create: bool = True,
        objectives: int = 1,
    ) -> None:
        self.directory, self.storage, self.name = directory, storage, study
        self.shown = without_password(storage or str(directory / JOURNAL))
        self._watch = Watch()
        opened = open_storage(storage or str(directory))
        # Without an explicit sampler every ask would fit TPE to results that no cell depends on.
        sampler = sampler or RandomSampler(seed=0)
        try:
            self._study, self._created = _open(opened, study, sampler, objectives if create else 0)
        except (ValueError, KeyError, AssertionError, TypeError) as error:
            if not create and _absent(opened, study):
                raise InputError(
                    f"{self.shown} holds no study named {study}: start it with the command ablate, "
                    "or give its name with --study."
                ) from error
            raise InputError(
                f"The journal {self.shown} is not one of a study ({error!r}): give another "
                "directory with --out; the file was left as it is."
            ) from error

    @property
    def attributes(self) -> dict[str, Any]:
        """What was stored about the study as a whole: ``configuration``, ``provenance`` and ``finished``."""
        return self._study.user_attrs

    @property
    def kept(self) -> str:
        """Where the results are, for a sentence to the user."""
        return str(self.directory) if self.storage is None else f"{self.shown}, study {self.name}"

    def use_sampler(self, sampler: BaseSampler) -> None:
        """Let the sampler propose what trials were enqueued without."""
        self._study.sampler = sampler

    def claim_for(self, configuration: dict[str, Any], provenance: dict[str, Any]) -> None:
        """Make this the storage of that configuration, or refuse when it already is another one's."""
        stored = self.attributes.get("configuration")
        deadline = time.monotonic() + CREATOR_SECONDS
        while stored is None and not self._created and time.monotonic() < deadline:
            time.sleep(0.1)  # two commands at once: the one that made the study also says what it is
            stored = self.attributes.get("configuration")
        if stored is None:
            self._study.set_user_attr("provenance", provenance)
            self._study.set_user_attr("configuration", configuration)
        elif differences := what_differs(stored, configuration):
            raise InputError(
                f"{self.kept} holds another study: {differences}; repeat that study's command "
                "to continue it, or give another directory with --out."
            )

    def set_finished(self, finished: bool) -> None:
        """Tell the workers of other machines whether there will be more to do."""
        if self.attributes.get("finished", not finished) != finished:
            self._study.set_user_attr("finished", finished)

    def snapshot(self) -> Snapshot:
        """Read the trials."""
        return Snapshot(tuple(self._study.get_trials(deepcopy=False)))

    def enqueue(self, cells: Iterable[Cell], snapshot: Snapshot | None = None) -> int:
        """Enqueue the cells that are neither waiting, running nor complete; return how many were."""
        named = {
            cell.key: {"phase": str(cell.phase), "variant": cell.variant, "lr": cell.lr, "seed": cell.seed}
            for cell in cells
        }
        return self.enqueue_named(named, snapshot)

    def enqueue_named(self, params: Mapping[str, Mapping[str, Any]], snapshot: Snapshot | None = None) -> int:
        """Do the same for trials with any parameters, by the key of each; those not given are for the sampler."""
        taken = (snapshot or self.snapshot()).keys(*OPEN, TrialState.COMPLETE)
        missing = {key: values for key, values in params.items() if key not in taken}
        for key, values in missing.items():
            self._study.enqueue_trial(dict(values), user_attrs={"cell": key})
        return len(missing)

    def claim(self, worker: Worker) -> tuple[Trial, Cell] | None:
        """Return a waiting cell, now this worker's and nobody else's, or ``None`` when none waits."""
        trial = self.claim_trial(worker)
        if trial is None:
            return None
        try:
            return trial, cell_of(trial, list(self.attributes["configuration"]["variants"]))
        except UpdateFinishedTrialError:
            return None

    def claim_trial(self, worker: Worker) -> Trial | None:
        """Return a waiting trial, now this worker's, or ``None`` when none waits."""
        while self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            trial = self._study.ask()
            if "cell" not in trial.user_attrs:
                # Another worker took the last one in between, so Optuna made a trial of its own.
                self._study.tell(trial, state=TrialState.FAIL)
                return None
            if self._is_double(trial):
                self.fail(trial, double="the cell is another trial's")
                continue
            try:
                trial.set_user_attr("worker", str(worker))
            except UpdateFinishedTrialError:
                return None  # this process slept through the grace of an unsigned claim
            return trial
        return None

    def _is_double(self, trial: Trial) -> bool:
        """Whether an older trial has the cell: two commands that plan at once may both enqueue it."""
        others = self.snapshot().having(*OPEN, TrialState.COMPLETE)
        older = (other for other in others if other.number < trial.number)
        return any(other.user_attrs.get("cell") == trial.user_attrs["cell"] for other in older)

    def complete(self, trial: Trial, outcome: Outcome, method: str, environment: dict[str, Any]) -> None:
        """Store the outcome and finish the trial: its value is the validation loss, infinite if it diverged."""
        self.tell(trial, value_of(outcome), about(outcome, method, environment))

    def tell(self, trial: Trial, value: float | list[float], attributes: dict[str, Any]) -> None:
        """Store the attributes in the trial and finish it with the value."""
        try:
            for key, told in attributes.items():
                trial.set_user_attr(key, told)
            self._study.tell(trial, value)
        except (UpdateFinishedTrialError, ValueError):
            if self._study.trials[trial.number].state != TrialState.FAIL:
                raise
            # The study gave this worker up while it was suspended; the cell runs again elsewhere.

    def fail(self, trial: Trial, **why: str) -> None:
        """Finish the trial without an outcome; ``why`` is ``error=...``, ``lost=...`` or ``double=...``."""
        try:
            for key, value in why.items():
                trial.set_user_attr(key, value)
            self._study.tell(trial, state=TrialState.FAIL)
        except (UpdateFinishedTrialError, ValueError):
            if self._study.trials[trial.number].state != TrialState.FAIL:
                raise

    def release_lost(self, snapshot: Snapshot | None = None) -> int:
        """Fail the running trials whose worker is gone, so that their cells can be enqueued again."""
        running = (snapshot or self.snapshot()).having(TrialState.RUNNING)
        lost = [trial for trial in running if self._watch.is_lost(trial)]
        for trial in lost:
            # Another command may have found the same; its word stands.
            with suppress(UpdateFinishedTrialError):
                self._study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        return len(lost)

    def has_work(self) -> bool:
        """Return whether a cell waits or runs."""
        return self.snapshot().has_work()

    def records(self) -> list[Record]:
        """Return the finished cells, each once, in the order in which they were enqueued."""
        return self.snapshot().records

    def errors(self, since: int = 0) -> dict[str, list[str]]:
        """Return why each cell's trials with a number of at least ``since`` failed: errors and lost workers."""
        return self.snapshot().errors(since)


def _open(storage: BaseStorage, name: str, sampler: BaseSampler, objectives: int) -> tuple[optuna.Study, bool]:
    """Return the study and whether this call made it, to minimise so many objectives; with 0 it must exist."""
    # Not create_study(load_if_exists=True): on a journal that writes a record at every snapshot.
    if objectives and _absent(storage, name):
        try:
            directions = [StudyDirection.MINIMIZE] * objectives
            return optuna.create_study(study_name=name, storage=storage, sampler=sampler, directions=directions), True
        except DuplicatedStudyError:
            pass  # another command was faster
    return optuna.load_study(study_name=name, storage=storage, sampler=sampler), False


def _absent(storage: BaseStorage, name: str) -> bool:
    return all(study.study_name != name for study in storage.get_all_studies())


def cell_of(trial: Trial, variants: list[str]) -> Cell:
    """Return the cell of a claimed trial."""
    # Suggesting turns the enqueued values into the trial's parameters, which dashboards show.
    return Cell(
        phase=Phase(trial.suggest_categorical("phase", [str(phase) for phase in Phase])),
        variant=str(trial.suggest_categorical("variant", variants)),
        lr=trial.suggest_float("lr", 5e-324, 1.7e308),
        seed=trial.suggest_int("seed", 0, 2**53),
    )
