"""A worker ends with its pipe, and says in one sentence what keeps it from working."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from studies.execution.store import Store
from studies.planning.experiment import Experiment
from studies.tasks import Text

pytestmark = pytest.mark.usefixtures("real_processes")  # their threads still live while Python ends


def _start(out: Path, data: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "studies.execution.worker", "--out", str(out), "--study", "ablation"]
    command += ["--data", str(data)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_ends_when_its_pipe_closes(experiment: Experiment, tmp_path: Path) -> None:
    Store(tmp_path).claim_for(experiment, {})
    experiment.save_data(tmp_path / "data")
    worker = _start(tmp_path, tmp_path / "data")
    out, err = worker.communicate(timeout=30)
    assert (worker.returncode, out, err) == (0, "", "")


def test_refuses_another_text_while_its_pipe_is_open(experiment: Experiment, tmp_path: Path) -> None:
    store = tmp_path / "study"
    store.mkdir()
    Store(store).claim_for(experiment, {})
    replace(experiment, text=Text(name="made-up.txt", content="another text " * 1000)).save_data(tmp_path / "data")
    worker = _start(store, tmp_path / "data")
    try:
        assert worker.wait(timeout=30) == 2
        assert worker.stderr is not None
        told = worker.stderr.read()
        assert told.count("\n") == 1
        assert "text_sha256" in told
    finally:
        worker.kill()
        worker.communicate()
