"""The command ``ablate``: it finishes, resumes after a kill and repeats itself."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studies.__main__ import main
from studies.commands.ablate import Ablate
from studies.execution.storage import JOURNAL
from studies.execution.store import Store
from studies.models import MODELS
from studies.planning.experiment import Experiment
from studies.planning.plan import Phase
from studies.variants.names import FACTORS, bases, choose_variants
from tests.studies.conftest import Command, arguments

FILES = ["report.html", "table.csv", "results.json", "curves-steps.png", "curves-seconds.png"]


def test_prints_the_table_and_the_paths_of_the_files(finished: tuple[Path, str]) -> None:
    out, printed = finished
    for shown in ("ADAQN", "Adam", "unigram entropy", "0/2", "pairs admitted / skipped", *FILES):
        assert shown in printed
    assert all((out / name).stat().st_size > 100 for name in FILES)
    assert "…" not in printed  # rich would crop a cell so
    assert "nan" not in printed.lower()


def test_again_trains_nothing_and_prints_the_same(finished: tuple[Path, str], text_file: Path, called: Command) -> None:
    out, printed = finished
    journal = (out / JOURNAL).read_bytes()
    again = called(*arguments(text_file, out))
    assert (again.returncode, again.stdout, again.stderr) == (0, printed, "")
    assert (out / JOURNAL).read_bytes() == journal


def _start(text_file: Path, out: Path) -> subprocess.Popen[str]:
    given = arguments(text_file, out, "--steps", "150")
    return subprocess.Popen(
        [sys.executable, "-m", "studies", *given],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _complete(out: Path) -> int:
    return (out / JOURNAL).read_text().count('"outcome"') if (out / JOURNAL).exists() else 0


def _await_progress(out: Path, process: subprocess.Popen[str], complete: int) -> None:
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline and process.poll() is None:
        if _complete(out) >= complete:
            return
        time.sleep(0.05)
    pytest.fail("the study made no progress")


def test_resumes_after_ctrl_c_and_after_kills_of_everything_and_of_a_worker(text_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "study"
    process = _start(text_file, out)
    _await_progress(out, process, 1)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "the same command continues" in told.splitlines()[-1]

    process = _start(text_file, out)
    _await_progress(out, process, 2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)

    process = _start(text_file, out)
    _await_progress(out, process, _complete(out) + 1)
    worker = _last_worker(out)
    os.kill(worker, signal.SIGKILL)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    assert f"worker {worker} was killed by signal 9" in told
    keys = [record.cell.key for record in Store(out).records()]
    assert len(keys) == len(set(keys)) == 2 * (2 + 2)


def _last_worker(out: Path) -> int:
    """The process that began the last run."""
    named = [line for line in (out / JOURNAL).read_text().splitlines() if '"worker":"' in line]
    return int(named[-1].split('"worker":"')[1].split(":")[1])


def test_a_diverging_rate_is_counted_and_leaves_no_nan(text_file: Path, tmp_path: Path, called: Command) -> None:
    out = tmp_path / "study"
    done = called(
        "ablate", "--text", str(text_file), "--out", str(out), "--budget", "smoke", "--steps", "25",
        "--model", "rnn-tanh", "--variants", "ADAQN-no-guard", "AdaGrad", "--lr", "1e6", "--workers", "1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "all tuning runs diverged" in done.stdout
    assert "nan" not in done.stdout.lower()
    records = Store(out).records()
    assert any(record.outcome.diverged and record.cell.phase == Phase.TUNE for record in records)
    json.loads((out / "results.json").read_text(), parse_constant=pytest.fail)


def test_help_names_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["ablate", "--help"])
    told = capsys.readouterr().out
    assert "--variants" in told
    for name in (*FACTORS, *bases(50), *(v.name for v in choose_variants((), 50)), *MODELS):
        assert name in told


def test_a_dry_run_counts_and_trains_nothing(
    text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], finished: tuple[Path, str]
) -> None:
    out = tmp_path / "study"
    assert main([*arguments(text_file, out), "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("8 of 8 runs of 25 steps are left; at ")
    assert not out.exists()
    journal = (finished[0] / JOURNAL).read_bytes()
    assert main([*arguments(text_file, finished[0]), "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("0 of 8 runs")
    assert (finished[0] / JOURNAL).read_bytes() == journal


def test_the_directory_names_the_task(experiment: Experiment) -> None:
    for task, name in (
        ("characters", "kjv-lstm-small"),
        ("words", "kjv-words-lstm-small"),
        ("copy", "copy-lstm-small"),
    ):
        assert Ablate(task=task).directory(experiment).name == name
