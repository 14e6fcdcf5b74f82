"""The command ``convex``: it finishes, resumes, grows and repeats itself, and refuses in one sentence."""

import csv
import json
from pathlib import Path

import pytest

from studies.__main__ import main
from studies.execution.storage import JOURNAL
from studies.execution.store import Store
from tests.studies.conftest import Command, Refused

METHODS = ("MULTIBATCH_LBFGS", "SQN", "SGD")
SMALL = ("convex", "--data", "breast-cancer", "--epochs", "2", "--workers", "1", "--seeds", "2", "--recipes", *METHODS)
FILES = ["report.html", "convex.csv", "convex.md", "convex.json", "convex.png"]


def curves(out: Path) -> dict[str, list[list[float]]]:
    """The gaps of every evaluation run by method, as convex.json has them."""
    runs = json.loads((out / "convex.json").read_text())["runs"]
    return {run["name"]: [[mark["gap"] for mark in trial["curve"]] for trial in run["evaluation"]] for run in runs}


def cut_off_the_last_result(out: Path) -> None:
    """Leave the journal as a kill leaves it, in the middle of the last cell's result."""
    lines = (out / JOURNAL).read_text().splitlines(keepends=True)
    last = max(place for place, line in enumerate(lines) if '"trial"' in line)
    (out / JOURNAL).write_text("".join(lines[:last]) + lines[last][:50])


def test_the_command_finishes_resumes_and_repeats_itself(tmp_path: Path, command: Command, called: Command) -> None:
    out = tmp_path / "convex"
    done = command(*SMALL, "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert all((out / name).stat().st_size > 100 for name in FILES)
    for shown in (*METHODS, "0/2", *FILES):
        assert shown in done.stdout
    assert "…" not in done.stdout
    with (out / "convex.csv").open() as file:
        medians = [float(row["gap_median"]) for row in csv.DictReader(file)]
    assert medians == sorted(medians)
    assert len(medians) == 3
    before, journal = curves(out), (out / JOURNAL).read_bytes()

    again = called(*SMALL, "--out", str(out))
    assert (again.returncode, again.stdout, again.stderr) == (0, done.stdout, "")
    assert (out / JOURNAL).read_bytes() == journal

    cut_off_the_last_result(out)
    assert len(Store(out, study="convex").snapshot().results) == 3 + 3 * 2 - 1
    grown = called(*SMALL[:8], "3", "--recipes", "Adam", "--out", str(out))
    assert grown.returncode == 0, grown.stderr
    assert "grows" in grown.stderr
    after = curves(out)
    assert after.keys() == {*METHODS, "Adam"}
    assert all(len(runs) == 3 and runs[:2] == before.get(name, runs)[:2] for name, runs in after.items())
    assert len(Store(out, study="convex").snapshot().results) == 4 + 4 * 3


def test_a_dry_run_counts_and_trains_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "--out", str(tmp_path / "convex"), "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("9 cells left to do")
    assert not (tmp_path / "convex").exists()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--recipes", "LBFGS"), "There is no recipe named 'LBFGS'"),
        (("--epochs", "0"), "--epochs 0 is too small"),
        (("--batch", "0"), "--batch 0 is too small"),
        (("--batch", "1798"), "--batch 1798 is more than the 1797 examples"),
        (("--seeds", "0"), "--seeds 0 is too small"),
        (("--workers", "0"), "--workers 0 is too small"),
        (
            ("--side-by-side", "4"),
            "--side-by-side 4 is nothing for a convex study, whose runs are done one after the other",
        ),
    ],
)
def test_refuses_in_one_sentence(refused: Refused, given: tuple[str, ...], told: str) -> None:
    assert told in refused("convex", *given)


def test_refuses_the_results_of_version_0_1(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text("{}\n")
    assert "results of version 0.1 (results.jsonl)" in refused("convex", "--out", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["results.jsonl"]
    assert (tmp_path / "results.jsonl").read_text() == "{}\n"
