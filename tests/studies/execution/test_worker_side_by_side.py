"""A worker that trains runs side by side: every cell once, the outcomes of one at a time, a bad cell ends alone."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from studies.execution.equipment import Equipment
from studies.execution.run import Coordinator
from studies.execution.store import Store
from studies.execution.worker import Present, work
from studies.planning import on_a_task as module
from studies.planning.budget import Budget
from studies.planning.experiment import Experiment
from studies.planning.record import Record
from studies.tasks import Text
from studies.training.loop import Cancelled, train_many
from studies.training.outcome import Outcome

RATES = (0.01, 0.03, 0.05)


def finished(
    experiment: Experiment, out: Path, at_once: int | None = 1
) -> tuple[dict[str, Record], dict[str, list[str]], list[int]]:
    """The records and errors of a whole study done by one worker in this process, and the sizes of its batches."""
    out.mkdir(exist_ok=True)
    store = Store(out)
    store.claim_for(experiment, {})
    coordinator, sizes, honest = Coordinator(experiment, store), [], module.train_many
    equipment = Equipment(at_once=at_once)

    def counted(variant: Any, runs: Sequence[tuple[float, int]], **more: Any) -> list[Outcome]:
        sizes.append(len(runs))
        return honest(variant, runs, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "train_many", counted)
        coordinator.advance()
        while store.has_work():
            work(store, Present(store, experiment.text), threading.Event(), equipment=equipment, patience=0.0)
            coordinator.advance()
    records = {record.cell.key: record for record in store.records()}
    assert len(records) == len(store.records())
    return records, store.errors(), sizes


@pytest.fixture(scope="module")
def single(text: Text) -> Experiment:
    budget = Budget(steps=5, rates=3, tuning_seeds=2, seeds=2)
    return Experiment(text=text, model="rnn-tanh", budget=budget, variants=("ADAQN", "Adam"), lr=RATES)


def test_the_outcomes_of_one_at_a_time(single: Experiment, tmp_path: Path) -> None:
    wanted, _, ones = finished(single, tmp_path / "single")
    found, errors, sizes = finished(single, tmp_path / "many", 4)
    assert set(ones) == {1}
    assert max(sizes) == 3  # six runs of a variant in even parts of at most 4
    assert sum(sizes) == sum(ones) == single.plan.size
    assert errors == {}
    assert found.keys() == wanted.keys()
    for key, record in wanted.items():
        other = found[key].outcome
        assert other.validation_loss == pytest.approx(record.outcome.validation_loss, rel=1e-3)
        assert (other.steps, other.events, other.calls) == (
            record.outcome.steps,
            record.outcome.events,
            record.outcome.calls,
        )


def test_an_error_ends_the_cell_whose_fault_it_is(
    single: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fragile(variant: Any, runs: Sequence[tuple[float, int]], **more: Any) -> list[Outcome]:
        if any(lr == RATES[1] and seed % 2 for lr, seed in runs):
            raise ZeroDivisionError("an odd seed")
        return train_many(variant, runs, **more)

    monkeypatch.setattr(module, "train_many", fragile)
    records, errors, _ = finished(single, tmp_path, 4)
    assert errors
    assert all(f"lr={RATES[1]}" in key and int(key[-1]) % 2 for key in errors)
    assert all("an odd seed" in told for found in errors.values() for told in found)
    assert not errors.keys() & records.keys()
    assert len(records) >= 10  # of 12 tuning cells two fail, and the evaluations follow


def test_a_stop_hands_all_claimed_cells_back(
    single: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment, stop, equipment = single, threading.Event(), Equipment(at_once=4)
    store = Store(tmp_path)
    store.claim_for(experiment, {})
    coordinator = Coordinator(experiment, store)
    waiting = coordinator.advance()

    def interrupted(*_: Any, cancelled: Any, **__: Any) -> list[Outcome]:
        stop.set()
        assert cancelled()
        raise Cancelled

    monkeypatch.setattr(module, "train_many", interrupted)
    assert work(store, Present(store, experiment.text), stop, equipment=equipment) == 0
    coordinator.advance()
    assert waiting == 0
    assert store.records() == []
    assert store.errors() == {}
    monkeypatch.undo()
    records, errors, _ = finished(experiment, tmp_path)
    assert (len(records), errors) == (experiment.plan.size, {})
