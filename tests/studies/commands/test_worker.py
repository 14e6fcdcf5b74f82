"""The command worker: it waits for its study, works through a shared directory, hands its run back, ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studies.execution.run import Coordinator, run
from studies.execution.store import Store
from studies.planning.budget import Budget
from studies.planning.experiment import Experiment
from studies.tasks import Text


@pytest.fixture(scope="module")
def small(text: Text) -> Experiment:
    budget = Budget(steps=200, rates=2, tuning_seeds=1, seeds=1)
    return Experiment(text=text, model="rnn-tanh", budget=budget, variants=("Adam",))


def _join(where: Path, text_file: Path, *more: str) -> subprocess.Popen[str]:
    given = ["--storage", str(where), "--text", str(text_file), "--patience", "40", *more]
    return subprocess.Popen(
        [sys.executable, "-m", "studies", "worker", *given],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("workers", ["1", "2"])
def test_waits_for_its_study_and_ends_with_it(small: Experiment, text_file: Path, tmp_path: Path, workers: str) -> None:
    worker = _join(tmp_path, text_file, "--workers", workers)
    try:
        store = Store(tmp_path)
        store.claim_for(small, {})
        assert run(small, store, workers=0) == {}
        out, told = worker.communicate(timeout=60)
    finally:
        worker.kill()
        worker.communicate()
    assert (worker.returncode, out) == (0, ""), told
    assert len(store.records()) == small.plan.size == 3
    assert "run" in told  # its progress
    assert told.splitlines()[-1] == (
        "This worker did 3 runs." if workers == "1" else "3 runs of the study ended meanwhile."
    )
    late = _join(tmp_path, text_file, "--workers", workers)
    assert late.communicate(timeout=60)[1].splitlines()[-1] == "The study is finished, nothing is left to do."
    assert late.returncode == 0


def test_hands_its_run_back_when_told_to_stop(small: Experiment, text_file: Path, tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.claim_for(small, {})
    coordinator = Coordinator(small, store)
    coordinator.advance()
    worker = _join(tmp_path, text_file, "--workers", "1")
    try:
        deadline = time.monotonic() + 60
        while not any("worker" in trial.user_attrs for trial in store.snapshot().trials):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        worker.send_signal(signal.SIGTERM)
        _, told = worker.communicate(timeout=30)
    finally:
        worker.kill()
        worker.communicate()
    assert worker.returncode == 130
    assert told.splitlines()[-1] == "Stopped: the run under way went back to the study."
    stopped = [trial for trial in store.snapshot().trials if trial.state.name == "FAIL"]
    assert [trial.user_attrs["lost"] for trial in stopped] == ["stopped"]
    assert store.snapshot().errors() == {}  # not the cell's fault: it does not count as a try
    coordinator.advance()
    assert store.has_work()


def test_gives_up_when_there_is_nothing_to_do(small: Experiment, text_file: Path, tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.claim_for(small, {})
    worker = _join(tmp_path, text_file, "--workers", "1", "--patience", "0.5")
    worker.communicate(timeout=60)
    assert worker.returncode == 0
