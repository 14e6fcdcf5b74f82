"""A study killed twenty times at random ends equal to an undisturbed one, to the last bit."""

import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest

from studies.analysis.summary import summarise
from studies.execution.equipment import Equipment
from studies.execution.run import Coordinator
from studies.execution.storage import JOURNAL
from studies.execution.store import Store
from studies.execution.worker import Present, work
from studies.planning.budget import Budget
from studies.planning.experiment import Experiment
from studies.tasks import Text
from tests.studies.execution.rows import losses

KILLS = 20


@pytest.fixture(scope="module")
def small(text: Text) -> Experiment:
    """14 runs of a fraction of a second each: most lives end within one."""
    budget = Budget(steps=40, rates=2, tuning_seeds=2, seeds=3)
    return Experiment(text=text, model="rnn-tanh", budget=budget, variants=("ADAQN", "Adam"))


def do(study: Experiment, out: Path, ready: threading.Event | None = None, at_once: int = 1) -> None:
    """Plan and work in this process until the study is finished."""
    store = Store(out)
    study = store.claim_for(study, {})
    coordinator, present = Coordinator(study, store), Present(store, study.text)
    coordinator.advance()
    while coordinator.snapshot.has_work():
        work(store, present, threading.Event(), equipment=Equipment(at_once=at_once), patience=0.0)
        coordinator.advance()
    store.set_finished(True)


def killed(study: Experiment, out: Path, seconds: float) -> bool:
    """Let a child do the study and kill it after so many seconds; whether it was still at work."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            do(study, out)
            status = 0
        finally:
            os._exit(status)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def test_twenty_kills_change_no_bit(small: Experiment, tmp_path: Path) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    for out in (undisturbed, disturbed):
        out.mkdir()
    do(small, undisturbed)
    seed = int.from_bytes(os.urandom(4))
    draw, kills, before = random.Random(seed), 0, b""
    while kills < KILLS and killed(small, disturbed, draw.uniform(0.02, 0.4)):
        kills += 1
        now = (disturbed / JOURNAL).read_bytes() if (disturbed / JOURNAL).exists() else b""
        whole = before[: before.rfind(b"\n") + 1]
        assert now.startswith(whole), f"kill {kills} by {seed} changed what was written"
        before = now
    do(small, disturbed)
    assert kills == KILLS, f"by {seed}"
    assert losses(Store(disturbed)) == losses(Store(undisturbed)), f"by {seed}"
    rows = [tuple((row.variant, row.lr, row.loss, row.test) for row in summarise(Store(out)).rows)
            for out in (disturbed, undisturbed)]  # fmt: skip
    assert rows[0] == rows[1]
