"""A worker ends with its pipe, and says in one sentence what keeps it from working."""

import subprocess
import sys
from pathlib import Path

from studies.execution.store import Store
from studies.planning.experiment import Experiment


def _start(out: Path, text: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "studies.execution.worker", "--out", str(out), "--study", "ablation"]
    command += ["--text", str(text)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_ends_when_its_pipe_closes(experiment: Experiment, text_file: Path, tmp_path: Path) -> None:
    Store(tmp_path).claim_for(experiment, {})
    worker = _start(tmp_path, text_file)
    out, err = worker.communicate(timeout=30)
    assert (worker.returncode, out, err) == (0, "", "")


def test_refuses_another_text_while_its_pipe_is_open(experiment: Experiment, tmp_path: Path) -> None:
    store = tmp_path / "study"
    store.mkdir()
    Store(store).claim_for(experiment, {})
    other = tmp_path / "made-up.txt"
    other.write_text("another text " * 400)
    worker = _start(store, other)
    try:
        assert worker.wait(timeout=30) == 2
        assert worker.stderr is not None
        told = worker.stderr.read()
        assert told.count("\n") == 1
        assert "text_sha256" in told
    finally:
        worker.kill()
        worker.communicate()
