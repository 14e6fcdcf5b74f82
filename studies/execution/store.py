"""The store: a study in Optuna's storage, every cell enqueued once and claimed by one worker."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from os.path import exists
from pathlib import Path
from typing import Any, TypeVar

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial, TrialState

from studies.errors import InputError, meant_path
from studies.execution.growth import grown
from studies.execution.heartbeat import Watch
from studies.execution.optuna_studies import open_study, suggest, take
from studies.execution.processes import Worker
from studies.execution.provenance import environment, grown_by
from studies.execution.secrets import masked
from studies.execution.snapshot import OPEN, Snapshot, cell_of
from studies.execution.storage import JOURNAL, foreign, open_storage
from studies.planning.configuration import what_differs
from studies.planning.record import Record, record_of
from studies.planning.study import Cell, Study

CREATOR_SECONDS = 10.0
"""Who finds a study without a configuration waits this long for its creator, then takes the creator for dead."""

AStudy = TypeVar("AStudy", bound=Study)


class NoStudyError(InputError):
    """There is no study of that name."""


class Store:
    """A study in ``storage``, or in a journal file in ``directory`` without one.

    Without a name it is the only study there, or a new one named ``ablation``.
    Made when absent, unless ``create`` is false. A server that is away is waited for ``patience`` seconds, unless
    ``stop`` is set; ``on_wait`` is told. Raises `InputError` when the study cannot be read or made.
    """

    def __init__(
        self,
        directory: Path,
        storage: str | None = None,
        study: str | None = None,
        *,
        create: bool = True,
        objectives: int = 1,
        patience: float = 0.0,
        on_wait: Callable[[str], None] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self.directory, self.storage, self.patience = directory, storage, patience
        self.shown = str(directory / JOURNAL) if storage is None else masked(storage)
        self._watch = Watch()
        if storage is None and not create and not exists(directory / JOURNAL):
            raise NoStudyError(
                f"{directory} holds no study: there is no {JOURNAL} in it{meant_path(directory)}; give a directory "
                "that ablate wrote, or the --storage that the trials are in."
            )
        opened = open_storage(storage or str(directory), patience, on_wait, stop)
        names = [found.study_name for found in opened.get_all_studies()]
        self.name = self._only_name(names, create) if study is None else study
        if storage is None and names and self.name not in names:
            raise InputError(
                f"{directory} holds the study {names[0]}, not one named {self.name}: give another directory with "
                "--out, or the study's name with --study."
            )
        if reason := foreign(opened, self.name):
            raise InputError(f"{self.shown} cannot be used: {reason}; give another --study, or directory with --out.")
        if not create and self.name not in names:
            raise NoStudyError(
                f"{self.shown} holds no study named {self.name}: start it with the command ablate, "
                "or give its name with --study."
            )
        try:
            self.study, self._created = open_study(opened, self.name, 0 if self.name in names else objectives)
        except (ValueError, KeyError, AssertionError, TypeError) as error:
            raise InputError(
                f"The journal {self.shown} is not one of a study ({error!r}): give another "
                "directory with --out; the file was left as it is."
            ) from error

    def _only_name(self, names: list[str], create: bool) -> str:
        if not names and create:
            return "ablation"
        if not names:
            raise NoStudyError(f"{self.shown} holds no study yet: start one with the command ablate.")
        if len(names) > 1:
            raise InputError(
                f"{self.shown} holds several studies: give the name of one with --study, {', '.join(names)}."
            )
        return names[0]

    @property
    def attributes(self) -> dict[str, Any]:
        """What was stored about the study as a whole: ``configuration``, ``provenance`` and ``finished``."""
        return self.study.user_attrs

    @property
    def kept(self) -> str:
        """Where the results are, for a sentence to the user."""
        return str(self.directory) if self.storage is None else f"{self.shown}, study {self.name}"

    def claim_for(
        self,
        study: AStudy,
        provenance: Mapping[str, Any],
        *,
        allow_mixed: bool = False,
        tell: Callable[[str], None] = lambda sentence: None,
    ) -> AStudy:
        """Make this the storage of that study and return it, with what the storage holds of it already.

        Raises `InputError` where that is another study, or one whose results come from other code.
        """
        stored = self.attributes.get("configuration")
        deadline = time.monotonic() + CREATOR_SECONDS
        while stored is None and not self._created and time.monotonic() < deadline:
            time.sleep(0.1)  # two commands at once: the one that made the study also says what it is
            stored = self.attributes.get("configuration")
        if stored is None:
            self.study.set_user_attr("provenance", dict(provenance))
            self.study.set_user_attr("configuration", study.configuration())
            return study
        whole = self.grown(study, allow_mixed=allow_mixed)
        if what_differs(stored, now := whole.configuration()):
            tell(f"The study in {self.kept} grows: its finished runs are kept, what is missing is trained.")
            self.set_finished(False)  # first: however this ends, nobody takes the grown study for a finished one
            self.study.set_user_attr("provenance", grown_by(self.attributes.get("provenance", {}), provenance))
            self.study.set_user_attr("configuration", now)
        return whole

    def grown(self, study: AStudy, *, allow_mixed: bool = False) -> AStudy:
        """Return the study with what this storage holds of it; `InputError` for another study, or other code."""
        return grown(study, self.attributes, self.kept, allow_mixed=allow_mixed)

    def set_finished(self, finished: bool) -> None:
        """Tell the workers of other machines whether there will be more to do."""
        if self.attributes.get("finished", not finished) != finished:
            self.study.set_user_attr("finished", finished)

    def snapshot(self) -> Snapshot:
        """Read the trials."""
        return Snapshot(tuple(self.study.get_trials(deepcopy=False)))

    def enqueue(self, cells: Iterable[Cell], snapshot: Snapshot | None = None, *, proposed: bool = False) -> int:
        """Enqueue the cells that are neither waiting, running nor complete; return how many were.

        Where parameters are ``proposed`` by a sampler, those that a cell comes with are the trial's own.
        """
        taken = (snapshot or self.snapshot()).keys(*OPEN, TrialState.COMPLETE)
        missing = [cell for cell in cells if cell.key not in taken]
        for cell in missing:
            own = {} if proposed else {"parameters": dict(cell.parameters)}
            self.study.enqueue_trial(dict(cell.parameters) if proposed else {}, user_attrs={"cell": cell.key, **own})
        return len(missing)

    def claim(self, worker: Worker, study: Study | None = None) -> tuple[Trial, Cell] | None:
        """Return a waiting cell, now this worker's and nobody else's, or ``None`` when none waits.

        Parameters which ``study`` leaves to a sampler are proposed here.
        """
        proposed = {} if study is None else study.proposed()
        while self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            if study is not None and proposed:
                self.study.sampler = study.sampler(len(self.snapshot().begun()))
            trial = self.study.ask()
            if "cell" not in trial.user_attrs:
                # Another worker took the last one in between, so Optuna made a trial of its own.
                self.study.tell(trial, state=TrialState.FAIL)
                return None
            if self._drops(trial, snapshot := self.snapshot()):
                continue
            try:
                trial.set_user_attr("worker", str(worker))
                drawn = {name: suggest(trial, name, distribution) for name, distribution in proposed.items()}
            except UpdateFinishedTrialError:
                return None  # this process slept through the grace of an unsigned claim
            cell = cell_of(snapshot.trials[trial.number])
            return trial, Cell(cell.key, drawn) if proposed else cell
        return None

    def claim_more(self, worker: Worker, study: Study, group: str, most: int) -> list[tuple[Trial, Cell]]:
        """Claim up to ``most`` cells of the study's group, wherever they wait."""
        claimed = list[tuple[Trial, Cell]]()
        for waiting in self.snapshot().having(TrialState.WAITING):
            if study.group(cell_of(waiting)) == group and (trial := take(self.study, waiting)):
                with suppress(UpdateFinishedTrialError):  # as above
                    trial.set_user_attr("worker", str(worker))
                    claimed.append((trial, cell_of(waiting)))
            if len(claimed) == most:
                break
        snapshot = self.snapshot()
        return [each for each in claimed if not self._drops(each[0], snapshot)]

    def _drops(self, trial: Trial, snapshot: Snapshot) -> bool:
        """Fail a trial whose cell is another's; whether it is."""
        if double := snapshot.is_double(trial):
            self.fail(trial, double="the cell is another trial's")
        return double

    def complete(
        self, trial: Trial, result: Mapping[str, Any], values: list[float], where: Mapping[str, Any] | None = None
    ) -> None:
        """Store the result, and ``where`` it comes from (here, on the CPU); finish the trial with what it is worth."""
        try:
            for key, told in {**result, "environment": where or environment()}.items():
                trial.set_user_attr(key, told)
            self.study.tell(trial, values)
        except (UpdateFinishedTrialError, ValueError):
            if self.study.trials[trial.number].state != TrialState.FAIL:
                raise
            # The study gave this worker up while it was suspended; the cell runs again elsewhere.

    def fail(self, trial: Trial, **why: str) -> None:
        """Finish the trial without a result; ``why`` is ``error=...``, ``lost=...`` or ``double=...``."""
        try:
            for key, value in why.items():
                trial.set_user_attr(key, value)
            self.study.tell(trial, state=TrialState.FAIL)
        except (UpdateFinishedTrialError, ValueError):
            if self.study.trials[trial.number].state != TrialState.FAIL:
                raise

    def release_lost(self, snapshot: Snapshot | None = None) -> int:
        """Fail the running trials whose worker is gone, so that their cells can be enqueued again."""
        running = (snapshot or self.snapshot()).having(TrialState.RUNNING)
        lost = [trial for trial in running if self._watch.is_lost(trial)]
        for trial in lost:
            # Another command may have found the same; its word stands.
            with suppress(UpdateFinishedTrialError):
                self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        return len(lost)

    def has_work(self) -> bool:
        """Return whether a cell waits or runs."""
        return self.snapshot().has_work()

    def records(self) -> list[Record]:
        """Return the finished runs of an ablation, each once, in the order in which they were enqueued."""
        return [record_of(result) for result in self.snapshot().results.values()]

    def errors(self, since: int = 0) -> dict[str, list[str]]:
        """Return why each cell's trials with a number of at least ``since`` failed: errors and lost workers."""
        return self.snapshot().errors(since)
