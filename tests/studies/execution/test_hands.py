"""A worker claims what goes together and leaves others their part; what does not fit in memory is done in halves."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from studies.errors import InputError
from studies.execution import heartbeat
from studies.execution.equipment import Equipment
from studies.execution.hands import Hands
from studies.execution.processes import Worker
from studies.execution.progress import Quiet
from studies.execution.run import Coordinator
from studies.execution.snapshot import AT_ONCE, Snapshot
from studies.execution.store import Store
from studies.execution.worker import Present, work
from studies.planning import on_a_task as module
from studies.planning.budget import Budget
from studies.planning.experiment import Experiment
from studies.planning.study import Cell
from studies.tasks import Text
from studies.training.loop import Cancelled
from studies.training.outcome import Outcome

honest = module.train_many


@pytest.fixture
def study(text: Text) -> Experiment:
    budget = Budget(steps=3, rates=4, tuning_seeds=4, seeds=2)
    return Experiment(text=text, model="rnn-tanh", budget=budget, variants=("Adam",))


@pytest.fixture
def store(study: Experiment, tmp_path: Path) -> Store:
    made = Store(tmp_path)
    made.claim_for(study, {})
    return made


def hands(store: Store, at_once: int | None, peers: int = 1) -> Hands:
    return Hands(store, Equipment(at_once=at_once), peers, threading.Event(), Quiet())


def fitting(most: int, sizes: list[int]) -> Callable[..., list[Outcome]]:
    """Training on a device that has memory for so many runs at once."""

    def train(variant: Any, runs: Sequence[tuple[float, int]], **more: Any) -> list[Outcome]:
        sizes.append(len(runs))
        if len(runs) > most:
            raise torch.OutOfMemoryError(f"CUDA out of memory: {len(runs)} runs")
        return honest(variant, runs, **more)

    return train


@pytest.mark.parametrize(
    ("at_once", "peers", "claimed"), [(1, 1, 1), (5, 1, 4), (8, 1, 8), (64, 1, 16), (64, 3, 6), (64, 16, 1)]
)
def test_a_worker_takes_its_part_of_what_waits(
    study: Experiment, store: Store, at_once: int, peers: int, claimed: int
) -> None:
    Coordinator(study, store).advance()  # 4 rates on 4 seeds: 16 runs wait
    assert len(hands(store, at_once, peers).claim(study)) == claimed


def test_workers_that_joined_from_elsewhere_count(study: Experiment, store: Store) -> None:
    Coordinator(study, store).advance()
    store.claim(Worker("elsewhere", 1, "now"), study)
    assert len(hands(store, 64).claim(study)) == 8  # of the 15 that wait


def test_runs_that_do_not_fit_are_done_in_halves_and_said_once(
    study: Experiment, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = list[int]()
    monkeypatch.setattr(module, "train_many", fitting(4, sizes))
    coordinator = Coordinator(study, store)
    coordinator.advance()
    while store.has_work():
        work(store, Present(store, study.text), threading.Event(), equipment=Equipment(at_once=64), patience=0.0)
        coordinator.advance()
    assert sizes == [16, 8, 4, 4, 4, 4, 2]
    assert len(store.records()) == study.plan.size
    assert store.errors() == {}
    assert {record.outcome.side_by_side for record in store.records()} == {4, 2}
    notes = coordinator.new_notes()
    assert notes == [
        f"{n} runs of Adam do not fit in the memory of cpu: {n // 2} at once from now on." for n in (16, 8)
    ]
    assert coordinator.new_notes() == []


def test_halves_that_are_finished_do_not_stop_the_others(
    study: Experiment, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(variant: Any, runs: Sequence[tuple[float, int]], cancelled: Callable[[], bool], **more: Any) -> Any:
        if len(runs) > 8:
            raise torch.OutOfMemoryError("CUDA out of memory")
        time.sleep(0.2)  # signs of life come meanwhile, and find the first half's trials finished
        if cancelled():
            raise Cancelled
        return honest(variant, runs, **more)

    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(module, "train_many", train)
    Coordinator(study, store).advance()
    found = hands(store, 64)
    assert found.do_all(study, found.claim(study)) == 16


def test_a_single_run_that_does_not_fit_ends_the_worker_and_nothing_is_lost(
    study: Experiment, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "train_many", fitting(0, []))
    coordinator = Coordinator(study, store)
    coordinator.advance()
    with pytest.raises(InputError, match=r"One run of Adam does not fit in the memory of cpu: take a smaller model"):
        work(store, Present(store, study.text), threading.Event(), patience=0.0)
    assert store.errors() == {}
    monkeypatch.undo()
    coordinator.advance()
    while store.has_work():
        work(store, Present(store, study.text), threading.Event(), patience=0.0)
        coordinator.advance()
    assert len(store.records()) == study.plan.size


def test_a_variant_that_cannot_be_measured_ends_its_own_cells_only(
    study: Experiment, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raising(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("a part of one's own")

    monkeypatch.setattr("studies.planning.experiment.choose_runs", raising)
    monkeypatch.setattr(module, "train_many", raising)
    Coordinator(study, store).advance()
    assert (
        work(store, Present(store, study.text), threading.Event(), equipment=Equipment(at_once=None), patience=0.0) == 0
    )
    assert len(store.errors()) == 16
    assert all("a part of one's own" in told for found in store.errors().values() for told in found)


def test_a_study_in_tf32_is_refused_on_a_cpu(study: Experiment, tmp_path: Path) -> None:
    rounded = Experiment(text=study.text, model=study.model, budget=study.budget, variants=("Adam",), tf32=True)
    store = Store(tmp_path / "rounded")
    store.claim_for(rounded, {})
    Coordinator(rounded, store).advance()
    with pytest.raises(InputError, match="which cpu does not have"):
        work(store, Present(store, rounded.text), threading.Event(), patience=0.0)
    assert not any(trial.user_attrs.get(AT_ONCE) for trial in store.snapshot().trials)


def test_what_goes_together_is_claimed_wherever_it_waits(study: Experiment, tmp_path: Path) -> None:
    both = replace(study, variants=("Adam", "SGD"))  # they take turns in the queue, whatever its command trains on
    store = Store(tmp_path / "both")
    store.claim_for(both, {})
    Coordinator(both, store).advance()
    first, second = (hands(store, at_once=64).claim(both) for _ in range(2))
    assert [{cell.parameters["variant"] for _, cell in each} for each in (first, second)] == [{"Adam"}, {"SGD"}]
    assert (len(first), len(second)) == (16, 16)
    assert {trial.user_attrs["worker"] for trial in store.snapshot().begun()} == {str(Worker.current())}


def test_of_two_trials_for_a_cell_a_batch_takes_the_first(study: Experiment, store: Store) -> None:
    # Two commands that plan at once enqueue both.
    cells = study.cells({}, set())[:3]
    for _ in range(2):
        store.enqueue(cells, Snapshot(()))
    claimed = hands(store, at_once=64).claim(study)
    assert [cell.key for _, cell in claimed] == [cell.key for cell in cells]
    assert hands(store, at_once=64).claim(study) == []
    assert store.errors() == {}


def test_two_workers_share_the_cells_of_a_group(study: Experiment, store: Store) -> None:
    Coordinator(study, store).advance()
    found: list[list[tuple[Any, Cell]]] = [[], []]

    def claim(place: int) -> None:
        found[place] = store_of[place].claim_more(Worker.current(), study, "Adam", 12)

    store_of = [Store(store.directory) for _ in found]
    threads = [threading.Thread(target=claim, args=(place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys = [cell.key for each in found for _, cell in each]
    assert len(keys) == len(set(keys)) == 16


def test_a_worker_that_measures_is_seen_alive(study: Experiment, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    beats = list[object]()

    def measured(*_: Any, **__: Any) -> tuple[int, list[Any]]:
        time.sleep(0.2)
        beats.extend(trial.user_attrs.get("beat") for trial in store.snapshot().begun())
        return 4, []

    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr("studies.planning.experiment.choose_runs", measured)
    Coordinator(study, store).advance()
    assert len(hands(store, None).claim(study)) == 4
    ((count, steps),) = beats  # type: ignore[misc]
    assert count > 1
    assert steps == 0
    before = store.snapshot().begun()[0].user_attrs["beat"]
    time.sleep(0.1)
    assert store.snapshot().begun()[0].user_attrs["beat"] == before  # its run will give others
