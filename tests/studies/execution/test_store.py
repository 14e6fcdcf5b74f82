"""Cells are enqueued once, claimed once, and come back when their worker is gone."""

import os
import threading
import time
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest
import torch

from studies.errors import InputError
from studies.execution.heartbeat import Heartbeat
from studies.execution.processes import Worker
from studies.execution.snapshot import Snapshot
from studies.execution.store import Store
from studies.planning.experiment import Experiment
from studies.planning.plan import Phase, Run
from studies.training.outcome import Outcome, Point

RUNS = [Run(phase=Phase.TUNE, variant="Adam", lr=10.0**-k, seed=0) for k in range(3)]
CELLS = [run.cell for run in RUNS]
OUTCOME = Outcome(
    diverged=False, validation_loss=1.5, test_loss=1.6, steps=3, seconds=0.1,
    curve=(Point(steps=0, seconds=0.0, loss=4.0), Point(steps=3, seconds=0.1, loss=1.5)),
)  # fmt: skip


def result(outcome: Outcome = OUTCOME) -> dict[str, Any]:
    return {"method": "torch.optim.Adam()", "diverged": outcome.diverged, "outcome": outcome.to_json()}


@pytest.fixture
def store(tmp_path: Path, experiment: Experiment) -> Store:
    made = Store(tmp_path)
    made.claim_for(experiment, {"command": "test"})
    return made


def test_enqueues_each_cell_once(store: Store, tmp_path: Path) -> None:
    assert [store.enqueue(CELLS), store.enqueue(CELLS)] == [3, 0]
    assert Store(tmp_path).enqueue(CELLS) == 0


def test_claims_each_cell_once_and_keeps_its_outcome(store: Store, tmp_path: Path) -> None:
    store.enqueue(CELLS)
    two = [store, Store(tmp_path)]
    claimed = []
    while (found := two[len(claimed) % 2].claim(Worker.current())) is not None:
        claimed.append(found[1].key)
        two[(len(claimed) - 1) % 2].complete(found[0], result(), [1.5])
    assert sorted(claimed) == sorted(cell.key for cell in CELLS)
    assert not store.has_work()
    assert [record.cell for record in store.records()] == RUNS
    assert {record.method for record in store.records()} == {"torch.optim.Adam()"}
    assert store.records()[0].environment["torch"] == torch.__version__
    assert all(record.outcome == OUTCOME for record in store.records())
    assert store.enqueue(CELLS) == 0


def test_a_diverged_outcome_is_complete(store: Store) -> None:
    store.enqueue(CELLS[:1])
    claimed = store.claim(Worker.current())
    assert claimed is not None
    diverged = replace(OUTCOME, diverged=True, validation_loss=None, test_loss=None)
    store.complete(claimed[0], result(diverged), [inf])
    assert store.records()[0].outcome == diverged


def test_releases_the_cells_of_workers_that_are_gone(store: Store) -> None:
    store.enqueue(CELLS[:1])
    assert store.claim(replace(Worker.current(), started="other")) is not None
    assert store.release_lost() == 1
    assert store.enqueue(CELLS[:1]) == 1
    assert "was killed or lost" in store.errors()[CELLS[0].key][0]


def test_workers_elsewhere_are_lost_when_their_signs_of_life_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studies.execution.heartbeat.GRACE_SECONDS", 0.2)
    store.enqueue(CELLS[:1])
    claimed = store.claim(replace(Worker.current(), host="other"))
    assert claimed is not None
    for beat in range(3):
        claimed[0].set_user_attr("beat", [beat, 10 * beat])
        assert store.release_lost() == 0
        time.sleep(0.15)
    assert store.snapshot().running() == [(CELLS[0].key, 20)]
    time.sleep(0.2)
    assert store.release_lost() == 1
    # It was not dead but slow: its outcome comes too late and must not replace the second try's.
    store.enqueue(CELLS[:1])
    store.complete(claimed[0], result(), [1.5])
    assert store.records() == []


def test_after_an_outage_every_run_has_its_grace_anew(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studies.execution.heartbeat.GRACE_SECONDS", 0.3)
    monkeypatch.setattr("studies.execution.heartbeat.AWAY_SECONDS", 0.2)
    store.enqueue(CELLS[:1])
    assert store.claim(replace(Worker.current(), host="other")) is not None
    assert store.release_lost() == 0
    time.sleep(0.5)  # neither the watcher nor the worker reached the storage
    assert store.release_lost() == 0
    for _ in range(3):
        time.sleep(0.12)
        released = store.release_lost()
    assert released == 1  # now it had the time to say something


def test_a_beat_carries_the_steps_and_ends_when_the_trial_was_given_up(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studies.execution.heartbeat.BEAT_SECONDS", 0.02)
    store.enqueue(CELLS[:1])
    claimed = store.claim(Worker.current())
    assert claimed is not None
    with Heartbeat(claimed[0], lambda: 7) as beat:
        time.sleep(0.2)
        assert store.snapshot().running() == [(CELLS[0].key, 7)]
        assert not beat.given_up.is_set()
        store.fail(claimed[0], lost="stopped")
        assert beat.given_up.wait(2)


def test_two_commands_that_plan_at_once_double_no_cell(store: Store, tmp_path: Path) -> None:
    store.enqueue(CELLS)
    other = Store(tmp_path)
    assert other.enqueue(CELLS, Snapshot(())) == 3  # as if it had looked before the first one wrote
    stores = [store, other]
    claimed = []
    while (found := stores[len(claimed) % 2].claim(Worker.current())) is not None:
        claimed.append(found)
    assert sorted(cell.key for _, cell in claimed) == sorted(cell.key for cell in CELLS)
    for trial, _ in claimed:
        store.complete(trial, result(), [1.5])
    assert len(store.records()) == 3
    assert not store.has_work()
    assert store.errors() == {}


def test_the_second_of_two_commands_at_once_waits_for_the_configuration(tmp_path: Path, experiment: Experiment) -> None:
    first, second = Store(tmp_path), Store(tmp_path)
    other = replace(experiment, budget=replace(experiment.budget, steps=7))
    timer = threading.Timer(0.3, first.claim_for, (experiment, {}))
    timer.start()
    with pytest.raises(InputError, match="steps is 25 there and 7 here"):
        second.claim_for(other, {})
    timer.join()


def test_leaves_the_cells_of_living_workers(store: Store) -> None:
    store.enqueue(CELLS[:1])
    assert store.claim(Worker.current()) is not None
    assert store.release_lost() == 0
    assert store.enqueue(CELLS[:1]) == 0


def test_keeps_errors_by_cell(store: Store) -> None:
    store.enqueue(CELLS[:1])
    claimed = store.claim(Worker.current())
    assert claimed is not None
    store.fail(claimed[0], error="ValueError: no")
    assert store.errors() == {CELLS[0].key: ["ValueError: no"]}
    assert store.errors(since=1) == {}


def test_refuses_another_configuration(store: Store, experiment: Experiment) -> None:
    other = replace(experiment, budget=replace(experiment.budget, steps=7))
    with pytest.raises(InputError, match="steps is 25 there and 7 here"):
        store.claim_for(other, {})


def test_a_worker_is_known_by_more_than_its_number() -> None:
    this = Worker.current()
    assert this.alive
    assert Worker.parse(str(this)) == this
    assert this.pid == os.getpid()
    assert not replace(this, started="0").alive
    assert not replace(this, pid=2**22 + 1).alive
