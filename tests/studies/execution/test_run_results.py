"""Each finished cell is told to the caller of run, once, while others are still to do."""

from pathlib import Path

import pytest

from studies import Experiment, Record, Result, Store, record_of, run


def test_every_result_is_told_once(experiment: Experiment, tmp_path: Path) -> None:
    told: list[Result] = []
    left: list[bool] = []

    def on_result(result: Result) -> None:
        told.append(result)
        left.append(Store(tmp_path).snapshot().has_work())

    store = Store(tmp_path)
    assert run(experiment, store, workers=1, on_result=on_result) == {}
    keys = [result.cell.key for result in told]
    assert sorted(keys) == sorted(store.snapshot().results)
    assert len(keys) == len(set(keys)) == 8
    records: list[Record] = [record_of(result) for result in told]
    assert sorted(map(repr, records)) == sorted(map(repr, store.records()))
    assert left[0]  # not all at the end
    run(experiment, store, workers=1, on_result=on_result)
    assert len(told) == 8


def test_what_it_raises_ends_the_call_and_keeps_what_is_finished(experiment: Experiment, tmp_path: Path) -> None:
    def fails(result: Result) -> None:
        raise ConnectionError("the tracker is away")

    with pytest.raises(ConnectionError, match="the tracker is away"):
        run(experiment, Store(tmp_path), workers=1, on_result=fails)
    kept = Store(tmp_path).snapshot().results
    assert kept
    seen: list[str] = []
    assert run(experiment, Store(tmp_path), workers=1, on_result=lambda result: seen.append(result.cell.key)) == {}
    assert len(seen) + len(kept) == len(Store(tmp_path).snapshot().results) == 8
