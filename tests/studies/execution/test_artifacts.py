"""Figures and curves attached to a study: there for whoever opens its journal as optuna-dashboard does, and once."""

import shutil
from pathlib import Path

import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore, download_artifact, get_all_artifact_meta
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from studies.__main__ import main
from studies.execution.artifacts import attach, attached
from studies.execution.storage import JOURNAL
from studies.execution.store import Store


@pytest.fixture
def out(finished: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of the finished study's journal."""
    shutil.copy(finished[0] / JOURNAL, tmp_path)
    return tmp_path


def test_the_command_attaches_figures_and_curves(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = out / "artifacts"
    assert main(["report", str(out), "--artifacts", str(kept)]) == 0
    told = capsys.readouterr().err
    assert f"12 files are newly attached to the study: optuna-dashboard {out / JOURNAL} --artifact-dir {kept}" in told
    # As optuna-dashboard opens it.
    storage = JournalStorage(JournalFileBackend(str(out / JOURNAL)))
    (study,) = (optuna.load_study(study_name=name, storage=storage) for name in optuna.get_all_study_names(storage))
    metas = {meta.filename: meta for meta in get_all_artifact_meta(study)}
    assert {"curves-steps.svg", "curves-steps.csv", "differences.svg"} <= metas.keys()
    assert metas["curves-steps.svg"].mimetype == "image/svg+xml"
    back = out / "back.csv"
    download_artifact(
        artifact_store=FileSystemArtifactStore(str(kept)), file_path=str(back),
        artifact_id=metas["curves-steps.csv"].artifact_id,
    )  # fmt: skip
    assert back.read_text().splitlines()[0] == "variant,steps,mean_loss,lowest_loss,highest_loss,runs"
    assert main(["report", str(out), "--artifacts", str(kept)]) == 0
    assert "0 files are newly attached" in capsys.readouterr().err
    assert len(Store(out).records()) == 8  # the study is what it was


def test_of_a_file_that_changed_both_states_are_there(out: Path) -> None:
    store, kept = Store(out), out / "artifacts"
    assert attach(store, {"a.txt": "one\r\n", "b.csv": "\udcff"}, kept) == 2
    assert attach(Store(out), {"a.txt": "one\r\n"}, kept) == 0
    assert attach(store, {"a.txt": "two"}, kept) == 1
    assert attached(Store(out), kept)["a.txt"] == ["one\r\n", "two"]
    shutil.rmtree(kept)
    assert attached(store, kept) == {}
    assert attach(store, {"a.txt": "two"}, kept) == 1
