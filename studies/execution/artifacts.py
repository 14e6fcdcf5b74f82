"""Files attached to a study in its storage, as optuna-dashboard shows them beside the trials."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta, upload_artifact

from studies.execution.store import Store


def attach(store: Store, files: Mapping[str, str], directory: Path) -> int:
    """Attach texts to the store's study under their names, kept in ``directory``; return how many were new.

    One that is attached already is left alone; of one that changed both states are there, the later one last.
    """
    directory.mkdir(parents=True, exist_ok=True)
    kept, there = FileSystemArtifactStore(str(directory)), attached(store, directory)
    new = {name: text for name, text in files.items() if text not in there.get(name, ())}
    with TemporaryDirectory() as draft:
        for name, text in new.items():
            path = Path(draft) / name
            path.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
            upload_artifact(artifact_store=kept, file_path=str(path), study_or_trial=store.study)
    return len(new)


def attached(store: Store, directory: Path) -> dict[str, list[str]]:
    """Return the texts that are attached to the store's study and kept in ``directory``, by name."""
    found: dict[str, list[str]] = {}
    for told in get_all_artifact_meta(store.study):
        path = directory / told.artifact_id
        if path.is_file():
            found.setdefault(told.filename, []).append(path.read_bytes().decode("utf-8", "replace"))
    return found
