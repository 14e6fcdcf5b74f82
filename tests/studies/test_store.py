"""Cells are enqueued once, claimed once, and come back when their worker is gone."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from studies.experiment import Experiment
from studies.plan import Cell, Phase
from studies.processes import Worker
from studies.refusal import Refusal
from studies.store import Store
from studies.training import Outcome, Point

CELLS = [Cell(phase=Phase.TUNE, variant="Adam", lr=10.0**-k, seed=0) for k in range(3)]
OUTCOME = Outcome(
    diverged=False, validation_loss=1.5, test_loss=1.6, steps=3, seconds=0.1,
    curve=(Point(steps=0, seconds=0.0, loss=4.0), Point(steps=3, seconds=0.1, loss=1.5)),
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path, experiment: Experiment) -> Store:
    made = Store(tmp_path)
    made.claim_for(experiment.configuration(), {"command": "test"})
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
        two[(len(claimed) - 1) % 2].complete(found[0], OUTCOME, "torch.optim.Adam()", {"torch": "2"})
    assert sorted(claimed) == sorted(cell.key for cell in CELLS)
    assert not store.has_work()
    assert [record.cell for record in store.records()] == CELLS
    assert all(record.outcome == OUTCOME for record in store.records())
    assert store.enqueue(CELLS) == 0


def test_a_diverged_outcome_is_complete(store: Store) -> None:
    store.enqueue(CELLS[:1])
    claimed = store.claim(Worker.current())
    assert claimed is not None
    diverged = replace(OUTCOME, diverged=True, validation_loss=None, test_loss=None)
    store.complete(claimed[0], diverged, "torch.optim.Adam()", {})
    assert store.records()[0].outcome == diverged


@pytest.mark.parametrize("gone", ["started", "host"])
def test_releases_the_cells_of_workers_that_are_gone(store: Store, gone: str) -> None:
    store.enqueue(CELLS[:1])
    assert store.claim(replace(Worker.current(), **{gone: "other"})) is not None
    assert store.release_lost() == 1
    assert store.enqueue(CELLS[:1]) == 1


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
    other = {**experiment.configuration(), "steps": 7}
    with pytest.raises(Refusal, match="steps is 25 there and 7 here"):
        store.claim_for(other, {})


def test_a_worker_is_known_by_more_than_its_number() -> None:
    this = Worker.current()
    assert this.alive
    assert Worker.parse(str(this)) == this
    assert this.pid == os.getpid()
    assert not replace(this, started="0").alive
    assert not replace(this, pid=2**22 + 1).alive
