"""Journals that version 0.1 wrote: read, continued where code may be mixed, or refused in one sentence."""

import csv
import shutil
from pathlib import Path

import pytest

from studies.__main__ import main
from studies.execution.storage import JOURNAL
from studies.execution.store import Store
from tests.studies.conftest import Refused, arguments

DATA = Path(__file__).parents[1] / "data"


def kept(name: str, out: Path, file: str = JOURNAL) -> bytes:
    """Put a file of version 0.1 into a directory."""
    out.mkdir()
    shutil.copy(DATA / name, out / file)
    return (out / file).read_bytes()


def losses(out: Path) -> dict[str, float]:
    with (out / "table.csv").open(newline="") as file:
        return {row["variant"]: float(row["loss"]) for row in csv.DictReader(file)}


def test_the_report_of_a_finished_study(
    finished: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = kept("ablation-0.1.log", tmp_path / "study")
    assert main(["report", str(tmp_path / "study")]) == 0
    assert "2/2" in capsys.readouterr().out
    assert len(Store(tmp_path / "study").records()) == 8
    assert losses(tmp_path / "study") == pytest.approx(losses(finished[0]), rel=1e-2)
    assert (tmp_path / "study" / JOURNAL).read_bytes() == journal


def test_the_same_command_on_it(
    text_file: Path, tmp_path: Path, refused: Refused, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "study"
    journal = kept("ablation-0.1.log", out)
    assert "was begun with other code: commit 3895f04" in refused(*arguments(text_file, out))
    assert (out / JOURNAL).read_bytes() == journal
    assert main([*arguments(text_file, out), "--allow-mixed"]) == 0
    assert "MIXED" not in capsys.readouterr().out  # all runs are of one code, that of before
    assert len(Store(out).records()) == 8


def test_a_killed_one_is_continued(
    text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studies.execution.heartbeat.GRACE_SECONDS", 0.5)  # its worker was of another machine
    out = tmp_path / "study"
    journal = kept("killed-ablation-0.1.log", out)
    before = len(Store(out).records())
    assert 0 < before < 8
    assert main([*arguments(text_file, out), "--allow-mixed"]) == 0
    assert "MIXED: " in capsys.readouterr().out
    keys = [record.cell.key for record in Store(out).records()]
    assert len(keys) == len(set(keys)) == 8
    assert (out / JOURNAL).read_bytes().startswith(journal[: journal.rfind(b"\n") + 1])


def test_a_search_and_a_showcase_are_refused(text_file: Path, tmp_path: Path, refused: Refused) -> None:
    out = tmp_path / "search"
    journal = kept("search-0.1.log", out)
    given = ["search", "--factors", "guard", "--trials", "2", "--text", str(text_file), "--out", str(out)]
    assert "holds the study ablation, not one named search" in refused(*given)
    assert "of the kind search" in refused("report", str(out))
    assert (out / JOURNAL).read_bytes() == journal
    kept("showcase-0.1.jsonl", tmp_path / "showcase", "results.jsonl")
    assert "holds results of version 0.1" in refused("convex", "--out", str(tmp_path / "showcase"))
