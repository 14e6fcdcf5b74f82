"""Journals of other programs are told from ours, and left as they are."""

from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import create_trial

from studies.execution.storage import JOURNAL, foreign, open_storage
from tests.studies.execution.test_journal import NAME, Lines, lines, study_in

__all__ = ["lines"]


def somebody_s(directory: Path, name: str, trials: int = 2, direction: str = "minimize") -> optuna.Study:
    theirs = JournalStorage(JournalFileBackend(str(directory / JOURNAL)))
    study = optuna.create_study(study_name=name, storage=theirs, direction=direction)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=trials)
    return study


@pytest.mark.parametrize("name", [NAME, "theirs"])
def test_a_foreign_journal_is_told(name: str, tmp_path: Path) -> None:
    somebody_s(tmp_path, name)
    before = (tmp_path / JOURNAL).read_bytes()
    why = foreign(open_storage(str(tmp_path)), NAME)
    assert why is not None
    assert name in why
    assert "made by another program" in why
    assert (tmp_path / JOURNAL).read_bytes() == before


def test_a_foreign_study_without_trials_is_known_by_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    somebody_s(tmp_path / "a", NAME, trials=0, direction="maximize")
    assert foreign(open_storage(str(tmp_path / "a")), NAME)
    (tmp_path / "b").mkdir()
    somebody_s(tmp_path / "b", NAME, trials=0).set_user_attr("theirs", 1)
    assert foreign(open_storage(str(tmp_path / "b")), NAME)


def test_our_studies_are_not_foreign(lines: Lines, tmp_path: Path) -> None:
    assert foreign(open_storage(str(tmp_path)), NAME) is None  # nothing there yet
    study = study_in(tmp_path)
    assert foreign(open_storage(str(tmp_path)), NAME) is None  # just being made
    study.add_trial(create_trial(value=1.0, user_attrs={"cell": "a"}))
    assert foreign(open_storage(str(tmp_path)), NAME) is None
    assert foreign(open_storage(str(tmp_path)), "search") is None  # a second study beside it
    (tmp_path / JOURNAL).write_bytes(b"".join(lines))
    assert foreign(open_storage(str(tmp_path)), NAME) is None
