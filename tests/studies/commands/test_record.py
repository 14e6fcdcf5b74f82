"""Records: made from a finished study, drawn again from their own rows, with nothing trained."""

import json
import re
import shutil
from pathlib import Path

import pytest

from studies.__main__ import main
from studies.analysis.conclusions import answer
from studies.analysis.summary import summarise
from studies.execution.snapshot import Snapshot
from studies.execution.storage import JOURNAL
from studies.execution.store import Store
from studies.reports.record_pages import BEGIN, END
from tests.studies.conftest import Refused


@pytest.fixture
def record(finished: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["record", str(finished[0]), "small-test", "--records", str(tmp_path / "records")]) == 0
    told = capsys.readouterr()
    assert "generated part" in told.err
    return Path(told.out.strip())


def test_holds_question_answer_rows_and_figures(record: Path, finished: tuple[Path, str]) -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_small-test", record.name)
    readme = (record / "README.md").read_text()
    summary = summarise(Store(finished[0]))
    assert readme.startswith(f"# {summary.configuration['question']}\n")
    for sentence in answer(summary):
        assert sentence in readme.replace("\\", "")
    figures = re.findall(r"\]\((figures/[\w-]+\.svg)\)", readme)
    assert len(figures) == 6
    assert all((record / figure).read_text().startswith("<?xml") for figure in figures)
    assert "## Caveats" in readme
    assert json.loads((record / "configuration.json").read_text()) == summary.configuration
    environment = json.loads((record / "environment.json").read_text())
    assert {"torch", "commit", "device"} <= environment["runs"][0].keys()
    assert environment["study"]["command"].startswith("python -m studies ablate")
    assert len((record / "rows.csv").read_text().splitlines()) == 1 + 8


def test_regenerates_every_byte_without_the_study(record: Path, tmp_path: Path) -> None:
    alone = tmp_path / "elsewhere"
    shutil.copytree(record, alone)
    shutil.rmtree(alone / "figures")
    (alone / "table.csv").unlink()
    assert main(["record", "--regenerate", str(alone)]) == 0
    for path in record.rglob("*.*"):
        assert (alone / path.relative_to(record)).read_bytes() == path.read_bytes(), path.name
    assert main(["record", "--regenerate", str(alone), "--page"]) == 0
    assert (alone / "report.html").stat().st_size > 10_000


def test_leaves_what_was_written_by_hand(record: Path, refused: Refused, capsys: pytest.CaptureFixture[str]) -> None:
    readme = record / "README.md"
    before, rest = readme.read_text().split(BEGIN)
    middle, after = rest.split(END)
    changed = f"{before}By hand above.\n\n{BEGIN}\nold\n{END}{after}By hand below.\n"
    readme.write_text(changed)
    assert main(["record", "--regenerate", str(record)]) == 0
    assert readme.read_text() == f"{before}By hand above.\n\n{BEGIN}{middle}{END}{after}By hand below.\n"
    readme.write_text("all by hand")
    capsys.readouterr()
    assert "has lost the marks" in refused("record", "--regenerate", str(record))
    assert readme.read_text() == "all by hand"


def test_refusals(finished: tuple[Path, str], record: Path, tmp_path: Path, refused: Refused) -> None:
    into = ["--records", str(record.parent)]
    assert "exists" in refused("record", str(finished[0]), "small-test", *into)
    assert "no name for a record" in refused("record", str(finished[0]), "A b", *into)
    assert "The record has no name: give a short one" in refused("record", str(finished[0]), *into)
    assert "holds no study" in refused("record", str(tmp_path), "x", *into)
    assert "is no record" in refused("record", "--regenerate", str(tmp_path))
    (tmp_path / "file").write_text("")
    assert "cannot be made (" in (told := refused("record", str(finished[0]), "x", "--records", str(tmp_path / "file")))
    assert "with --records" in told


def test_nothing_goes_into_what_pip_installed(finished: tuple[Path, str], tmp_path: Path, refused: Refused) -> None:
    place = tmp_path / "lib" / "site-packages" / "studies" / "records"
    assert "lies in what pip installed" in refused("record", str(finished[0]), "x", "--records", str(place))
    assert not place.exists()


def test_refuses_an_unfinished_study(finished: tuple[Path, str], tmp_path: Path, refused: Refused) -> None:
    cut = tmp_path / "cut"
    cut.mkdir()
    lines = (finished[0] / JOURNAL).read_text().splitlines(keepends=True)
    (cut / JOURNAL).write_text("".join(lines[:-40]))
    assert "is not finished (" in refused("record", str(cut), "x", "--records", str(tmp_path / "records"))
    assert "is not finished (" in refused("record", str(cut), "x", "--records", str(cut / JOURNAL))
    assert main(["report", str(cut)]) == 0
    assert "UNFINISHED: " in (cut / "report.html").read_text()


def test_says_which_runs_failed(
    finished: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot = Store(finished[0]).snapshot()
    lost = next(trial for trial in snapshot.trials if trial.user_attrs["cell"].startswith("evaluate Adam"))
    kept = Snapshot(tuple(trial for trial in snapshot.trials if trial is not lost))
    monkeypatch.setattr(Store, "snapshot", lambda store: kept)
    given = ["record", str(finished[0]), "failed", "--records", str(tmp_path)]
    assert main(given) == 2
    assert "is not finished (7 of 8 runs)" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []  # nothing is left of what could not be a record
    monkeypatch.setattr(
        Snapshot, "errors", lambda snapshot, since=0: {lost.user_attrs["cell"]: ["first", "MemoryError"]}
    )
    assert main(given) == 0
    (record,) = tmp_path.iterdir()
    assert json.loads((record / "environment.json").read_text())["failed"] == {lost.user_attrs["cell"]: "MemoryError"}
    assert f"| {lost.user_attrs['cell']} | MemoryError |" in (record / "README.md").read_text()


def test_compares_with_any_variant(record: Path, capsys: pytest.CaptureFixture[str], refused: Refused) -> None:
    capsys.readouterr()
    before = {path: path.read_bytes() for path in record.rglob("*.*")}
    configuration = json.loads((record / "configuration.json").read_text())
    first, second, *_ = configuration["variants"]
    other = second if configuration["reference"] == first else first
    assert main(["record", str(record), "--against", other]) == 0
    told = capsys.readouterr().out
    assert f"difference to {other}" in told
    assert "\\_" not in told
    for more in (["-r"], ["a-name"], ["--page"]):
        assert "--against only prints" in refused("record", str(record), *more, "--against", other)
    assert {path: path.read_bytes() for path in record.rglob("*.*")} == before
    assert "'Adagrad'" in refused("record", str(record), "--against", "Adagrad")
