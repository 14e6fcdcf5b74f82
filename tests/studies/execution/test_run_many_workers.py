"""Many workers, two of them killed, two coordinators: every trial once, and the table that one worker gives."""

import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.trial import TrialState

from studies.analysis.row import Row
from studies.analysis.summary import summarise
from studies.execution.processes import Worker
from studies.execution.provenance import environment
from studies.execution.run import Coordinator, run
from studies.execution.storage import JOURNAL
from studies.execution.store import Store
from studies.execution.worker import Present, work
from studies.planning.budget import Budget
from studies.planning.experiment import Experiment
from studies.tasks import Text
from tests.studies.conftest import Command, arguments
from tests.studies.servers import postgresql

WORKERS, KILLS = 4, 2


@pytest.fixture(scope="module")
def small(text: Text) -> Experiment:
    """12 runs of half a second or so: long enough to be killed in."""
    budget = Budget(steps=120, rates=3, tuning_seeds=1, seeds=3)
    return Experiment(text=text, model="rnn-tanh", budget=budget, variants=("ADAQN", "Adam"))


@pytest.fixture(scope="module")
def alone(small: Experiment, tmp_path_factory: pytest.TempPathFactory) -> tuple[Row, ...]:
    """The rows that one worker in this process gives."""
    store = Store(tmp_path_factory.mktemp("alone"))
    store.claim_for(small, environment())
    coordinator = Coordinator(small, store)
    coordinator.advance()
    while store.has_work():
        work(store, Present(store, small.text), threading.Event(), patience=0.0)
        coordinator.advance()
    return rows(store)


def rows(store: Store) -> tuple[Row, ...]:
    return tuple(replace(row, seconds=None) for row in summarise(store).rows)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A database; what a gRPC proxy before one does, test_worker_database.py says."""
    with postgresql() as database:
        yield database


def _join(url: str, text_file: Path) -> subprocess.Popen[str]:
    given = ["--study", "small", "--text", str(text_file), "--workers", "1", "--patience", "60"]
    return subprocess.Popen(
        [sys.executable, "-m", "studies", "worker", *given],
        env={**os.environ, "STUDIES_STORAGE": url, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _kill_two(workers: list[subprocess.Popen[str]], store: Store, draw: random.Random) -> list[int]:
    """Kill two workers at random moments, each in a run of its own cell; return their numbers.

    Not twice in the same cell: that is tried again once, and a cell which takes two workers is given up.
    """
    killed: dict[int, str] = {}
    deadline = time.monotonic() + 120
    while len(killed) < KILLS and time.monotonic() < deadline:
        time.sleep(draw.uniform(0.0, 0.6))
        running = [trial.user_attrs for trial in store.snapshot().having(TrialState.RUNNING)]
        cells = {Worker.parse(told["worker"]).pid: told["cell"] for told in running if "worker" in told}
        victims = [worker for worker in workers if cells.get(worker.pid, "none") not in {*killed.values(), "none"}]
        if victims := [worker for worker in victims if worker.pid not in killed]:
            victim = draw.choice(victims)
            victim.send_signal(signal.SIGKILL)
            killed[victim.pid] = cells[victim.pid]
    return list(killed)


def test_four_workers_two_killed_two_coordinators(
    url: str, small: Experiment, alone: tuple[Row, ...], text_file: Path, tmp_path: Path
) -> None:
    seed = int.from_bytes(os.urandom(4))
    workers = [_join(url, text_file) for _ in range(WORKERS)]  # on an empty database: they wait for their study
    try:
        stores = [Store(tmp_path, url, "small") for _ in range(3)]
        stores[0].claim_for(small, {"command": "test"})
        coordinators = [
            threading.Thread(target=run, args=(small, store), kwargs={"workers": 0}, daemon=True)
            for store in stores[:2]
        ]
        for coordinator in coordinators:
            coordinator.start()
        killed = _kill_two(workers, stores[2], random.Random(seed))
        for coordinator in coordinators:
            coordinator.join(120)
            assert not coordinator.is_alive(), f"the study did not end; kills drawn by {seed}"
        ended = [worker.wait(60) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    assert sorted(ended) == [-signal.SIGKILL] * KILLS + [0] * (WORKERS - KILLS)
    assert len(killed) == KILLS
    trials = stores[2].study.get_trials()
    complete = [trial.user_attrs["cell"] for trial in trials if trial.state.name == "COMPLETE"]
    why = f"kills drawn by {seed}: {stores[2].errors()}"
    assert len(complete) == len(set(complete)) == small.plan.size, why
    assert {trial.state.name for trial in trials} <= {"COMPLETE", "FAIL"}
    assert sum(map(len, stores[2].errors().values())) <= KILLS  # a kill costs one trial at most
    assert rows(stores[2]) == alone


def test_resumes_after_the_disk_was_full(text_file: Path, tmp_path: Path, called: Command) -> None:
    out = tmp_path / "study"
    limit = 20_000  # bytes a file may have: some runs fit, all do not
    full = subprocess.run(
        [sys.executable, "-m", "studies", *arguments(text_file, out)],
        capture_output=True, text=True, timeout=80, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY)),
    )  # fmt: skip
    assert full.returncode == 2, full.stderr
    assert full.stderr.splitlines()[-1].endswith("repeat the command; all finished runs are kept.")
    before = (out / JOURNAL).read_bytes()
    kept = [record.cell.key for record in Store(out).records()]
    assert 0 < len(kept) < 8
    done = called(*arguments(text_file, out))
    assert done.returncode == 0, done.stderr
    assert (out / JOURNAL).read_bytes().startswith(before)
    keys = [record.cell.key for record in Store(out).records()]
    assert len(keys) == len(set(keys)) == 8
    assert keys[: len(kept)] == kept


def test_a_cell_that_kills_its_workers_is_given_up_after_two(small: Experiment, tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.claim_for(small, {})
    coordinator = Coordinator(small, store)
    coordinator.advance()
    deadly, claims = None, 0
    while (claimed := store.claim(Worker.current())) is not None:
        trial, cell = claimed
        deadly = deadly or cell.key
        if cell.key == deadly:
            claims += 1
            trial.set_user_attr("worker", str(replace(Worker.current(), started="gone")))
        else:
            store.fail(trial, lost="stopped")
            if claims == 2:
                break
        coordinator.advance()
    coordinator.advance()
    assert claims == 2
    assert "was killed or lost" in coordinator.given_up[str(deadly)]
    assert list(coordinator.given_up) == [deadly]
