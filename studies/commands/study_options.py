"""What the commands that run a study have in common: their options, and the way from a study to its results."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from os.path import lexists
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from studies.errors import InputError, counted
from studies.program import program

if TYPE_CHECKING:
    from studies.execution.equipment import Equipment
    from studies.execution.store import Store
    from studies.planning.study import Results, Study

    AStudy = TypeVar("AStudy", bound=Study)


@dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """Options of every command that runs a study."""

    out: Path | None = None
    """Directory of the journal and the results; one under runs/ without it."""
    storage: str | None = None
    """Where the trials are kept, for workers on several machines: postgresql://user:password@host/database or
    grpc://host:port; the environment variable STUDIES_STORAGE without it, else a journal file in --out."""
    study: str | None = None
    """The study's name in the storage; the directory's name without it."""
    workers: int | None = None
    """Worker processes of one thread each; one per usable core without it, on GPUs one for each. With a --storage
    also 0: only the workers which join by the command worker train."""
    device: str = "cpu"
    """What the workers train on: cpu, cuda (every GPU), cuda:1 (the second one) or auto (GPUs where there are any).
    It is no part of the study, which may be finished on another; every row tells its own."""
    side_by_side: int | Literal["auto"] | None = None
    """Runs of a variant that a worker trains at once, as one batched model: the same outcomes to rounding, sooner;
    their seconds are shared evenly. auto: on a GPU all that wait, in halves where they do not fit in the memory; on a
    CPU the fastest number, found by measuring. Without it 1 on a CPU, auto on a GPU."""
    patience: float = 300.0
    """Seconds for which a --storage that is out of reach is asked again, at the start and later."""
    allow_mixed: bool = False
    """Go on with a study that was begun with other code or another torch; its results are marked as mixed."""
    dry_run: bool = False
    """Print how much there is to do and how long it may take, and train nothing."""

    def check(self) -> None:
        """Raise `InputError` for options that cannot be, before anything heavy is done."""
        from studies.errors import require_at_least
        from studies.execution.storage import given_storage

        require_at_least(0 if given_storage(self.storage) else 1, workers=self.workers)
        self.equipment.check_workers(self.workers)

    @property
    def equipment(self) -> Equipment:
        """What the workers work with; `InputError` for what is not here."""
        from studies.execution.equipment import Equipment

        return Equipment.of(self.device, self.side_by_side)

    @property
    def processes(self) -> int:
        """How many worker processes are started."""
        return self.equipment.workers if self.workers is None else self.workers

    def check_equipment(self, study: Study) -> None:
        """Raise `InputError` when the workers' equipment is none for the study."""
        from studies.errors import InputError
        from studies.training.device import device_named, set_precision

        if self.side_by_side not in (None, 1) and not study.together:
            raise InputError(
                f"--side-by-side {self.side_by_side} is nothing for a {study.kind} study, whose {study.unit}s are done "
                "one after the other: leave it out."
            )
        if self.processes:
            set_precision(device_named(self.equipment.device), tf32=study.tf32)

    def place(self, kind: str, out: Path) -> tuple[str | None, str]:
        """Return the storage, ``None`` for the directory's journal, and the study's name in it."""
        from studies.execution.storage import storage_for

        storage = storage_for(out, self.storage)
        return storage, self.study or (kind if storage is None else out.name)

    def at_present(self, study: AStudy, out: Path) -> tuple[AStudy, Results]:
        """Return the study with what is stored of it, and the results that it has already; nothing is made.

        Raises `InputError` where the command itself would.
        """
        from studies.execution.store import NoStudyError, Store

        try:
            store = Store(out, *self.place(study.kind, out), create=False)
        except NoStudyError:
            require_room(out)
            return study, {}
        return store.grown(study, allow_mixed=self.allow_mixed), store.snapshot().results


def require_room(out: Path, option: str = "--out") -> None:
    """Raise `InputError` where the directory cannot be made."""
    nearest = next(place for place in (out, *out.absolute().parents) if lexists(place))
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        reason = "cannot be written" if nearest.is_dir() else "is or lies in a file, not a directory"
        raise InputError(f"{out} {reason}: give a directory that can be written with {option}.")


def carry_out(study: AStudy, options: StudyOptions, out: Path, command: str) -> tuple[AStudy, Store, dict[str, str]]:
    """Run the study in ``out``, which the caller has locked; return it, its store and the errors by cell.

    The study that comes back has what the storage held of it before. Raises `KeyboardInterrupt` with a sentence.
    """
    from studies.execution.provenance import provenance
    from studies.execution.run import run
    from studies.execution.store import Store
    from studies.planning.short import no_pairs

    place = options.place(study.kind, out)
    store = Store(out, *place, objectives=study.objectives, patience=options.patience, on_wait=say)
    origin = provenance(command, options.processes)
    study = store.claim_for(study, origin, allow_mixed=options.allow_mixed, tell=say)
    if study.remaining(store.snapshot().results, {}).total():
        if told := no_pairs(study):
            say(told)
        if options.processes == 0:
            say(f"Workers join with: {_joining(options, store)}")
    try:
        errors = run(
            study, store, workers=options.processes, equipment=options.equipment, allow_mixed=options.allow_mixed
        )
    except KeyboardInterrupt:
        snapshot = store.snapshot()
        done, left = len(snapshot.results), study.remaining(snapshot.results, {}).total()
        raise KeyboardInterrupt(
            f"Stopped: {done} of {counted(done + left, study.unit)} are finished and kept in {store.kept}; the same "
            "command continues with the others."
        ) from None
    return study, store, errors


def _joining(options: StudyOptions, store: Store) -> str:
    """Return the command line of a worker."""
    text = getattr(options, "text", None)
    storage = ["--storage", store.shown] if options.storage else []
    words = ["worker", *storage, "--study", store.name, *(["--text", str(text)] if text else [])]
    return shlex.join([*program().split(), *words])


def report_end(paths: list[Path], errors: dict[str, str]) -> int:
    """Print the paths of the files and the cells that failed; return the command's status."""
    from studies.reports.texts import plain

    for path in paths:
        print(plain(path))
    for key, error in errors.items():
        say(f"{key} failed twice: {error}")
    return 1 if errors else 0


def say(sentence: str) -> None:
    """Print a sentence on stderr."""
    from studies.reports.texts import plain

    print(plain(sentence), file=sys.stderr, flush=True)
