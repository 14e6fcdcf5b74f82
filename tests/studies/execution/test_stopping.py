"""Ctrl-C: answered at once, from the first moment on; a second one ends the command immediately."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from studies.execution.storage import JOURNAL
from tests.studies.conftest import arguments


@pytest.fixture
def process(text_file: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    made = subprocess.Popen(
        [sys.executable, "-m", "studies", *arguments(text_file, tmp_path / "study", "--steps", "4000")],
        start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield made
    if made.poll() is None:
        os.killpg(made.pid, signal.SIGKILL)
    made.communicate()


def _await_a_run(out: Path) -> None:
    deadline = time.monotonic() + 60
    while not ((out / JOURNAL).exists() and '"worker"' in (out / JOURNAL).read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.usefixtures("real_processes")
@pytest.mark.parametrize("seconds", [0.0, 0.4, 0.8, 1.2])
def test_while_importing_one_sentence_and_no_traceback(process: subprocess.Popen[str], seconds: float) -> None:
    assert process.stderr is not None
    assert process.stderr.readline().startswith("Getting ready")
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    begin = time.monotonic()
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in told
    assert told.splitlines()[-1].startswith("Stopped: ")
    assert time.monotonic() - begin < 5


def test_at_work_an_answer_at_once_and_all_runs_kept(process: subprocess.Popen[str], tmp_path: Path) -> None:
    _await_a_run(tmp_path / "study")
    os.killpg(process.pid, signal.SIGINT)
    begin = time.monotonic()
    assert process.stderr is not None
    for line in process.stderr:
        if "stopping ..." in line:
            break
    assert time.monotonic() - begin < 1.0
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "the same command continues" in told.splitlines()[-1]


def test_a_second_one_ends_immediately(process: subprocess.Popen[str], tmp_path: Path) -> None:
    _await_a_run(tmp_path / "study")
    worker = int((tmp_path / "study" / JOURNAL).read_text().split('"worker":"')[1].split(":")[1])
    os.kill(worker, signal.SIGSTOP)  # a worker that does not end when it is told to
    process.send_signal(signal.SIGINT)
    time.sleep(1.0)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    begin = time.monotonic()
    assert process.wait(timeout=5) == 130
    assert time.monotonic() - begin < 1.0
    os.kill(worker, signal.SIGCONT)
