"""A worker's hands: claim cells that go together, do them on its device, store what they gave."""

import threading
import traceback
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import torch
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial, TrialState

from studies.errors import InputError
from studies.execution.equipment import Batches, Equipment
from studies.execution.heartbeat import Heartbeat
from studies.execution.patience import storage_failures
from studies.execution.processes import Worker
from studies.execution.progress import RunProgress
from studies.execution.provenance import environment
from studies.execution.snapshot import AT_ONCE, NOTE, Snapshot, cell_of
from studies.execution.store import Store
from studies.planning.study import Cell, Study
from studies.training.device import device_named, is_out_of_memory, name_of, set_precision
from studies.training.loop import Cancelled

Claimed = tuple[Trial, Cell]


class Steps:
    """Counts the steps of the run under way; says to a run whether it shall stop."""

    def __init__(self, progress: RunProgress) -> None:
        self.count, self._progress = 0, progress
        self.stops: list[threading.Event] = []

    def __call__(self) -> bool:
        """Count a step that is about to begin, and return whether to stop before it."""
        self.count += 1
        self._progress.step()
        return any(stop.is_set() for stop in self.stops)


class Hands:
    """What claims and does the cells of a worker, of whom there are at least ``peers``."""

    def __init__(
        self, store: Store, equipment: Equipment, peers: int, stop: threading.Event, progress: RunProgress
    ) -> None:
        self._store, self._peers, self._stop, self._progress = store, peers, stop, progress
        self._device = equipment.device
        self._batches = Batches(equipment)
        self._this = Worker.current()
        self._beats: dict[int, Heartbeat] = {}

    def claim(self, study: Study) -> list[Claimed]:
        """Claim a cell, and more of its group that go with it; `InputError` when the device cannot do the study."""
        set_precision(device_named(self._device), tf32=study.tf32)
        first = self._store.claim(self._this, study)
        if first is None or not study.together:
            return [] if first is None else [first]
        trial, cell = first
        with Heartbeat(trial, lambda: 0):  # measuring may take long
            more = self._wanted(study, cell) - 1
        return [first, *self._store.claim_more(self._this, study, study.group(cell), more)] if more else [first]

    def _wanted(self, study: Study, cell: Cell) -> int:
        """Return how many cells to do at once with this one; one where measuring raises, as the cell itself will."""
        alike = 1 + self._share(study, cell, self._store.snapshot())
        try:
            return self._batches.size(study, cell, alike)
        except Exception:
            study.forget_memory()
            return 1

    def _share(self, study: Study, cell: Cell, snapshot: Snapshot) -> int:
        """Return how many of the waiting cells go with this one: those of its group, what others want left out."""
        waiting = [study.group(cell_of(trial)) for trial in snapshot.having(TrialState.WAITING)]
        alike = waiting.count(study.group(cell))
        others = {trial.user_attrs.get("worker") for trial in snapshot.having(TrialState.RUNNING)} - {str(self._this)}
        workers = max(self._peers, 1 + len(others))
        return min(alike, -(-(1 + len(waiting)) // workers) - 1)

    def do_all(self, study: Study, claimed: list[Claimed]) -> int:
        """Do the cells by group, with signs of life for all until the last is done; return how many have a result."""
        counter, groups = Steps(self._progress), dict[str, list[Claimed]]()
        for each in claimed:
            groups.setdefault(study.group(each[1]), []).append(each)
        with ExitStack() as alive:
            self._beats = {
                trial.number: alive.enter_context(Heartbeat(trial, lambda: counter.count)) for trial, _ in claimed
            }
            return sum(self._do(study, group, counter) for group in groups.values())

    def _do(self, study: Study, group: Sequence[Claimed], steps: Steps) -> int:
        """Do cells at once and tell their ends; return how many have a result."""
        # Those of the group only: a trial that is finished counts as given up at its next sign of life.
        steps.stops = [self._stop, *(self._beats[trial.number].given_up for trial, _ in group)]
        cells = [cell for _, cell in group]
        name = cells[0].key if len(cells) == 1 else f"{len(cells)} of {study.group(cells[0])}"
        self._progress.begin(name, study.steps_of(cells[0]))
        for trial, _ in group if len(group) > 1 else ():
            with suppress(UpdateFinishedTrialError):  # given up meanwhile, as the run will notice
                trial.set_user_attr(AT_ONCE, len(group))
        too_many = alone = False
        try:
            results = study.do(cells, steps, self._device)
        except Cancelled:
            self._fail(group, lost="stopped")
        except OSError:
            raise
        except storage_failures():
            raise
        except Exception as error:
            too_many, alone = is_out_of_memory(error), len(group) > 1
            if not too_many and isinstance(error, torch.AcceleratorError):
                raise  # every later call would fail as well: another process takes this one's place
            if not too_many and not alone:
                self._fail(group, error=_told(error))
        else:
            self._complete(study, group, results)
            return len(results)
        # Only here is free what the exception held of the memory.
        if too_many:
            return self._do_halves(study, group, steps)
        if not alone:
            return 0
        study.forget_memory()
        return sum(self._do(study, [each], steps) for each in group)  # so that it ends the one cell whose fault it is

    def _complete(self, study: Study, group: Sequence[Claimed], results: Sequence[dict[str, object]]) -> None:
        where = environment(self._device, study.tf32)
        for (trial, _), result in zip(group, results, strict=True):
            values = study.values(result)
            self._store.complete(trial, result, values, where)
            self._progress.end(values[0])

    def _do_halves(self, study: Study, group: Sequence[Claimed], steps: Steps) -> int:
        """Do cells that did not fit in halves, or less, as later ones of the pace; `InputError` for a single one."""
        name, device = study.pace(group[0][1]), name_of(device_named(self._device))
        study.forget_memory()
        if len(group) == 1:
            self._fail(group, lost="out of memory")
            raise InputError(
                f"One {study.unit} of {name} does not fit in the memory of {device}: take a smaller model or batch, a "
                "larger device, or --device cpu; what is finished is kept."
            )
        half = self._batches.halve(name, len(group))
        note = f"{len(group)} {study.unit}s of {name} do not fit in the memory of {device}: {half} at once from now on."
        with suppress(UpdateFinishedTrialError):
            group[-1][0].set_user_attr(NOTE, note)
        self._progress.note(note)
        done, rest = 0, list(group)
        while rest:
            part = rest[: self._batches.limit(name, half)]
            done, rest = done + self._do(study, part, steps), rest[len(part) :]
        return done

    def _fail(self, group: Sequence[Claimed], **why: str) -> None:
        for trial, _ in group:
            self._store.fail(trial, **why)
            self._progress.end(None)


def _told(error: Exception) -> str:
    place = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__}: {error}".replace("\n", " ")
    return f"{what} ({Path(place.filename).name}:{place.lineno})"
