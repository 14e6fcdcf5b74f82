"""The command report: the same files from storage, and refusals."""

import shutil
from pathlib import Path

import pytest

from studies.__main__ import main
from studies.execution.store import JOURNAL
from tests.studies.conftest import Refused


def test_writes_the_same_page_from_the_journal_alone(
    finished: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(finished[0] / JOURNAL, tmp_path)
    assert main(["report", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert printed.replace(str(tmp_path), str(finished[0])) == finished[1]
    for name in ("report.html", "table.csv", "rows.csv", "results.json"):
        assert (tmp_path / name).read_bytes() == (finished[0] / name).read_bytes()


def test_refuses_where_there_is_no_study(tmp_path: Path, refused: Refused) -> None:
    assert "holds no study" in refused("report", str(tmp_path))
    assert "holds no study" in refused("report", str(tmp_path / "absent"))
    assert not (tmp_path / "absent").exists()
