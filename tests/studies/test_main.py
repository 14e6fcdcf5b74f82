"""The command line: it finishes, resumes after a kill, repeats itself, and refuses in one sentence."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

from studies.__main__ import main
from studies.execution.storage import JOURNAL
from studies.execution.store import Store
from studies.models import MODELS
from studies.planning.plan import Phase
from studies.variants.names import FACTORS, bases, choose_variants, known_variants
from tests.studies.conftest import Command, Refused, arguments

FILES = ["report.html", "table.csv", "results.json", "curves-steps.png", "curves-seconds.png"]


def test_prints_the_table_and_the_paths_of_the_files(finished: tuple[Path, str]) -> None:
    out, printed = finished
    for shown in ("ADAQN", "Adam", "unigram entropy", "0/2", "pairs admitted / skipped", *FILES):
        assert shown in printed
    assert all((out / name).stat().st_size > 100 for name in FILES)
    assert "…" not in printed  # rich would crop a cell so
    assert "nan" not in printed.lower()


def test_again_trains_nothing_and_prints_the_same(
    finished: tuple[Path, str], text_file: Path, command: Command
) -> None:
    out, printed = finished
    journal = (out / JOURNAL).read_bytes()
    again = command(*arguments(text_file, out))
    assert (again.returncode, again.stdout, again.stderr) == (0, printed, "")
    assert (out / JOURNAL).read_bytes() == journal


def _heeding_ctrl_c() -> None:
    """A parent in the background (``nohup pytest &``) ignores SIGINT, and its children would with it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _start(text_file: Path, out: Path) -> subprocess.Popen[str]:
    given = arguments(text_file, out, "--steps", "150")
    return subprocess.Popen(
        [sys.executable, "-m", "studies", *given],
        start_new_session=True,
        preexec_fn=_heeding_ctrl_c,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _await_progress(out: Path, process: subprocess.Popen[str], complete: int) -> None:
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline and process.poll() is None:
        journal = out / JOURNAL
        if journal.exists() and journal.read_text().count('"outcome"') >= complete:
            return
        time.sleep(0.05)
    pytest.fail("the study made no progress")


def test_resumes_after_ctrl_c_and_after_a_kill_of_everything(text_file: Path, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "study"
    process = _start(text_file, out)
    _await_progress(out, process, 1)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "the same command continues" in told.splitlines()[-1]

    process = _start(text_file, out)
    _await_progress(out, process, 3)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)

    done = command(*arguments(text_file, out, "--steps", "150"))
    assert done.returncode == 0, done.stderr
    keys = [record.cell.key for record in Store(out).records()]
    assert len(keys) == len(set(keys)) == 2 * (2 + 2)


def test_replaces_a_killed_worker(text_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "study"
    process = _start(text_file, out)
    _await_progress(out, process, 1)
    worker = next(
        int(line.split('"worker":"')[1].split(":")[1])
        for line in (out / JOURNAL).read_text().splitlines()
        if '"worker":"' in line
    )
    os.kill(worker, signal.SIGKILL)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    assert f"worker {worker} was killed by signal 9" in told
    assert len({record.cell.key for record in Store(out).records()}) == 8


def test_a_diverging_rate_is_counted_and_leaves_no_nan(text_file: Path, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "study"
    done = command(
        "ablate", "--text", str(text_file), "--out", str(out), "--budget", "smoke", "--steps", "25",
        "--variants", "ADAQN-no-guard", "AdaGrad", "--lr", "1e6", "--workers", "1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "all tuning runs diverged" in done.stdout
    assert "nan" not in done.stdout.lower()
    records = Store(out).records()
    assert any(record.outcome.diverged and record.cell.phase == Phase.TUNE for record in records)
    json.loads((out / "results.json").read_text(), parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b" \n\t ", "empty"), (b"a\0b", "binary"), (b"\xff\xfe\xfa", "UTF-8"), (b"too short", "9 char")],
)
def test_refuses_a_bad_text(content: bytes, reason: str, tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    out = tmp_path / "study"
    told = refused("ablate", "--text", str(path), "--out", str(out))
    assert reason in told
    assert "text.txt" in told
    assert not out.exists()


def test_refuses_a_missing_text_and_a_directory(tmp_path: Path, refused: Refused) -> None:
    assert "No such file" in refused("ablate", "--text", str(tmp_path / "absent.txt"))
    assert "directory" in refused("ablate", "--text", str(tmp_path))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["--variants", "ADAQM"], "ADAQN-no-guard"),
        (["--model", "gru"], "rnn-relu"),
        (["--budget", "huge"], "full"),
        (["--steps", "0"], "--steps 0"),
        (["--seeds", "-1"], "--seeds -1"),
        (["--workers", "0"], "--workers 0"),
        (["--rates", "0"], "--rates 0"),
        (["--rounds", "-1"], "--rounds -1"),
        (["--factor", "colour"], "curvature-test"),
        (["--base", "Adam"], "ADAQN_RESCALED"),
        (["--lr", "0"], "lr=0"),
        (["--lr", "0.1", "-3"], "lr=-3"),
        (["--lr", "nan"], "lr=nan"),
    ],
)
def test_refuses_a_bad_option(given: list[str], reason: str, text_file: Path, tmp_path: Path, refused: Refused) -> None:
    told = refused("ablate", "--text", str(text_file), "--out", str(tmp_path / "study"), *given)
    assert reason in told
    assert not (tmp_path / "study").exists()


def test_refuses_another_study_s_directory(finished: tuple[Path, str], text_file: Path, refused: Refused) -> None:
    out, _ = finished
    journal = (out / JOURNAL).read_bytes()
    told = refused(*arguments(text_file, out, "--steps", "26"))
    assert "steps is 25 there and 26 here" in told
    assert "--out" in told
    assert (out / JOURNAL).read_bytes() == journal


@pytest.mark.parametrize("content", [b"not a journal\n", b"\x89PNG", b'{"a": 1}\n', b"[]\n"])
def test_refuses_a_damaged_journal_and_leaves_it(
    content: bytes, text_file: Path, tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / JOURNAL).write_bytes(content)
    assert "journal" in refused(*arguments(text_file, tmp_path))
    assert (tmp_path / JOURNAL).read_bytes() == content


def test_refuses_a_journal_that_cannot_be_read(text_file: Path, tmp_path: Path, refused: Refused) -> None:
    (tmp_path / JOURNAL).mkdir()
    assert "cannot be read" in refused(*arguments(text_file, tmp_path))


def test_refuses_an_output_path_that_cannot_be_a_directory(text_file: Path, tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "file").write_text("")
    assert "--out" in refused(*arguments(text_file, tmp_path / "file"))
    assert "--out" in refused(*arguments(text_file, tmp_path / "file" / "below"))


def test_refuses_a_place_where_nothing_can_be_made(text_file: Path, refused: Refused) -> None:
    assert "cannot be written" in refused(*arguments(text_file, Path("/proc/study")))


def test_refuses_a_directory_at_work(finished: tuple[Path, str], text_file: Path, refused: Refused) -> None:
    with FileLock(finished[0] / "command.lock"):
        assert "Another command" in refused(*arguments(text_file, finished[0]))


def test_tells_of_a_full_disk(
    text_file: Path, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert "disk is full" in refused(*arguments(text_file, tmp_path))


def test_help_names_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["ablate", "--help"])
    told = capsys.readouterr().out
    assert "--variants" in told
    for name in (*FACTORS, *bases(50), *(v.name for v in choose_variants((), 50)), *MODELS):
        assert name in told


def test_variants_lists_every_question_and_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["variants"]) == 0
    told = capsys.readouterr().out
    names = told.replace(":", " ").split()
    assert set(known_variants(50)) <= set(names)
    for factor in FACTORS.values():
        assert f"{factor.name}: {factor.question}" in told


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
