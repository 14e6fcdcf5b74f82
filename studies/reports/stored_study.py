"""The storage of an ablation, for those who only read it."""

from pathlib import Path

from studies.errors import InputError
from studies.execution.storage import storage_for
from studies.execution.store import Store
from studies.planning.experiment import Experiment
from studies.reports.record_files import OF_A_STUDY, OF_ITS_ORIGIN
from studies.reports.schema import ShapeError, check
from studies.reports.texts import plain


def stored_study(place: Path, storage: str | None, name: str | None) -> Store:
    """Return the storage of an ablation that was begun; `InputError` for what is none."""
    storage = storage_for(place, storage)
    store = Store(place, storage, name or (None if storage is None else place.name), create=False)
    configuration, told = (
        store.attributes.get("configuration"),
        f"The study {plain(store.name)} in {plain(store.shown)}",
    )
    if configuration is None:
        raise InputError(f"{told} was never configured: repeat the command that made it.")
    kind = configuration.get("kind", Experiment.kind) if isinstance(configuration, dict) else Experiment.kind
    if kind != Experiment.kind:
        raise InputError(
            f"{told} is of the kind {plain(kind)}, not an ablation: repeat the command that made it, which writes "
            "its tables and its page again and trains nothing that is finished."
        )
    try:
        check(configuration, OF_A_STUDY)
        check(store.attributes.get("provenance"), OF_ITS_ORIGIN, "provenance")
    except ShapeError as error:
        raise InputError(f"{told} is not as ablate stores one: {plain(error)}; restore it from a copy.") from error
    return store


def failures(store: Store) -> dict[str, str]:
    """Return the last error of each run that has no outcome, by its key."""
    snapshot = store.snapshot()
    return {key: found[-1] for key, found in snapshot.errors().items() if key not in snapshot.results}
