"""The command ablate: a finished study grows, and what is there keeps every bit; other code is refused or marked."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from studies.__main__ import main
from studies.execution.snapshot import NOT_RESULTS
from studies.execution.storage import JOURNAL
from studies.execution.store import Store
from tests.studies.conftest import Command, Refused, arguments, without_notice

ROOT = Path(__file__).parents[3]


def grown(finished: tuple[Path, str], out: Path) -> tuple[Path, bytes]:
    """A copy of the finished study, and its journal as it is."""
    shutil.copytree(finished[0], out)
    return out, (out / JOURNAL).read_bytes()


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "rows.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def with_options(text_file: Path, out: Path, **options: str) -> list[str]:
    """The command of `finished`, with other values of options."""
    given = arguments(text_file, out)
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if option in given:
            given[given.index(option) + 1] = value
        else:
            given += [option, value]
    return given


def test_grows_by_seeds_and_by_a_variant(
    finished: tuple[Path, str], text_file: Path, tmp_path: Path, called: Command
) -> None:
    before = rows(finished[0])
    out, journal = grown(finished, tmp_path / "study")
    given = arguments(text_file, out, "--seeds", "3")
    given[given.index("ADAQN") + 1 : given.index("ADAQN") + 2] = ["AdaGrad"]  # Adam is there and stays
    done = called(*given)
    assert done.returncode == 0, done.stderr
    assert "grows: its finished runs are kept" in done.stderr
    assert (out / JOURNAL).read_bytes().startswith(journal)
    after = rows(out)
    assert after[: len(before)] == before
    new = [(row["phase"], row["variant"], row["seed"]) for row in after[len(before) :]]
    assert sorted(new) == sorted(
        [("evaluate", "ADAQN", "102"), ("evaluate", "Adam", "102")]
        + [("tune", "AdaGrad", "10000")] * 2
        + [("evaluate", "AdaGrad", str(seed)) for seed in (100, 101, 102)]
    )
    with (out / "table.csv").open(newline="") as file:
        table = {row["variant"]: row["runs"] for row in csv.DictReader(file) if row["lr"]}
    assert table == {"ADAQN": "3", "Adam": "3", "AdaGrad": "3"}
    again = called(*given)
    assert (again.returncode, again.stdout, again.stderr) == (0, done.stdout, "")
    tells_every_command(finished[0], out, tmp_path / "records")


def tells_every_command(before: Path, out: Path, records: Path) -> None:
    """Report and record lead to the grown study; one that never grew is stored as ever."""
    assert "commands" not in Store(before).attributes["provenance"]
    first, second = Store(out).attributes["provenance"]["commands"]
    assert first["command"] == Store(before).attributes["provenance"]["command"]
    assert "--seeds 3" in second["command"]
    page = (out / "report.html").read_text()
    assert "1, then 1 worker<" in page
    assert main(["record", str(out), "grown", "--records", str(records)]) == 0
    (record,) = records.iterdir()
    lines = [line.strip() for line in (record / "README.md").read_text().splitlines()]
    place = lines.index(first["command"])
    assert lines[place + 1] == second["command"]
    assert main(["record", "-r", str(record)]) == 0


def test_an_interrupted_growth_is_not_finished(
    finished: tuple[Path, str],
    text_file: Path,
    tmp_path: Path,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, _ = grown(finished, tmp_path / "study")
    monkeypatch.setattr("studies.commands.study_options.StudyOptions.processes", property(lambda self: 1 / 0))
    with pytest.raises(ZeroDivisionError):
        main(arguments(text_file, out, "--seeds", "3"))
    assert Store(out).attributes["finished"]  # nothing was claimed yet
    monkeypatch.undo()
    monkeypatch.setattr("studies.execution.run.Coordinator.__init__", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(arguments(text_file, out, "--seeds", "3"))
    capsys.readouterr()
    told = refused("record", str(out), "x", "--records", str(tmp_path / "records"))
    assert "is not finished (8 of 10 runs)" in told
    assert not (tmp_path / "records").exists()


def test_grows_by_rounds_whose_rate_is_then_the_one_that_counts(
    finished: tuple[Path, str], text_file: Path, tmp_path: Path, called: Command
) -> None:
    before = rows(finished[0])
    out, _ = grown(finished, tmp_path / "study")
    done = called(*arguments(text_file, out, "--rounds", "1"))
    assert done.returncode == 0, done.stderr
    after = rows(out)
    assert after[: len(before)] == before
    with (out / "table.csv").open(newline="") as file:
        chosen = {row["variant"]: float(row["lr"]) for row in csv.DictReader(file) if row["lr"]}
    results = json.loads((out / "results.json").read_text())
    for row in results["rows"]:
        evaluated = [
            float(run["lr"]) for run in after if run["phase"] == "evaluate" and run["variant"] == row["variant"]
        ]
        assert evaluated.count(chosen[row["variant"]]) == row["runs"] == 2
        assert len(row["tuning"]) == 4


@pytest.mark.parametrize(
    ("more", "left"),
    [
        (["--seeds", "3"], "2 of 10 runs"),
        (["--variants", "AdaGrad"], "4 of 12 runs"),
        (["--variants", "AdaGrad", "--seeds", "3"], "7 of 15 runs"),
    ],
)
def test_a_dry_run_counts_what_is_missing(
    finished: tuple[Path, str], text_file: Path, capsys: pytest.CaptureFixture[str], more: list[str], left: str
) -> None:
    journal = (finished[0] / JOURNAL).read_bytes()
    assert main([*arguments(text_file, finished[0]), *more, "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith(f"{left} of 25 steps are left")
    assert (finished[0] / JOURNAL).read_bytes() == journal


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"seeds": "1"}, "--seeds 1 would be fewer: give --seeds 2 or more"),
        ({"steps": "26"}, "steps is 25 there and 26 here"),
        ({"model": "rnn-relu"}, "model is rnn-tanh there and rnn-relu here"),
        ({"task": "adding"}, "task is characters there and adding here"),
        ({"base": "ADAQN_RESCALED"}, "reference is ADAQN there and ADAQN_RESCALED here"),
        ({"lr": "0.1"}, "learning rates of ADAQN are not among these"),
    ],
)
def test_what_changes_a_run_s_meaning_is_refused(
    finished: tuple[Path, str], text_file: Path, refused: Refused, options: dict[str, str], reason: str
) -> None:
    journal = (finished[0] / JOURNAL).read_bytes()
    told = refused(*with_options(text_file, finished[0], **options))
    assert reason in told
    assert "--out" in told
    assert f"the study that is in it (python -m studies ablate --text {text_file}" in told
    assert refused(*with_options(text_file, finished[0], **options), "--dry-run") == told
    assert (finished[0] / JOURNAL).read_bytes() == journal


def test_a_method_that_has_become_another_is_refused(
    finished: tuple[Path, str], text_file: Path, tmp_path: Path, refused: Refused
) -> None:
    out, _ = grown(finished, tmp_path / "study")
    store = Store(out)
    configuration = store.attributes["configuration"]
    configuration["variants"]["Adam"]["method"] = "torch.optim.Adam(amsgrad=True)"
    store.study.set_user_attr("configuration", configuration)
    assert "its Adam was another method, torch.optim.Adam(amsgrad=True)" in refused(*arguments(text_file, out))


def copied(place: Path) -> Path:
    """The packages alone, so that a line of them can be changed."""
    for package in ("adaqn_lab", "studies"):
        shutil.copytree(ROOT / package, place / package, ignore=shutil.ignore_patterns("records", "__pycache__"))
    return place


def run_in(place: Path, *given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "studies", *given], cwd=place, capture_output=True, text=True, timeout=120, check=False
    )


def test_results_of_different_code_do_not_meet_unseen(
    finished: tuple[Path, str], text_file: Path, tmp_path: Path
) -> None:
    """One line of the library changes between two commands: a stranger's test of what the docs promise."""
    place, (out, _) = copied(tmp_path / "code"), grown(finished, tmp_path / "study")
    same = run_in(place, *arguments(text_file, out), "--dry-run")
    assert (same.returncode, without_notice(same.stderr)) == (0, "")
    assert same.stdout.startswith("0 of 8 runs")
    changed = place / "adaqn_lab" / "scaling" / "adagrad.py"
    changed.write_text(changed.read_text() + "\n# a line more\n")
    journal = (out / JOURNAL).read_bytes()

    again = run_in(place, *arguments(text_file, out, "--seeds", "3"))
    assert again.returncode == 2
    told = without_notice(again.stderr)
    assert told.count("\n") == 1
    assert "was begun with other code: sources" in told
    assert "--allow-mixed" in told
    assert (out / JOURNAL).read_bytes() == journal
    joined = run_in(place, "worker", "--storage", str(out), "--text", str(text_file), "--workers", "1")
    assert joined.returncode == 2
    assert "was begun with other code" in joined.stderr

    mixed = run_in(place, *arguments(text_file, out, "--seeds", "3", "--allow-mixed"))
    assert mixed.returncode == 0, mixed.stderr
    assert "MIXED: 8 of 10 runs" in " ".join(mixed.stdout.split())
    assert "MIXED: 8 of 10 runs" in (out / "report.html").read_text()


def test_another_torch_is_other_code(
    finished: tuple[Path, str], text_file: Path, tmp_path: Path, refused: Refused
) -> None:
    out, _ = grown(finished, tmp_path / "study")
    store = Store(out)
    stored = store.attributes["provenance"]
    store.study.set_user_attr("provenance", {**stored, "torch": "1.0"})
    assert "torch 1.0 there" in (told := refused(*arguments(text_file, out)))
    assert refused(*arguments(text_file, out), "--dry-run") == told
    # A study of before the hash is told apart by its commit.
    without = {name: value for name, value in stored.items() if name != "sources"}
    store.study.set_user_attr("provenance", {**without, "commit": "0123abc"})
    assert "commit 0123abc there" in refused(*arguments(text_file, out))


def test_what_is_no_result_is_not_told_as_one() -> None:
    assert {"cell", "parameters", "worker", "beat"} <= NOT_RESULTS
