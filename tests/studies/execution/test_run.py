"""Planning on results, and cells that fail."""

from pathlib import Path

import pytest

from studies.execution.processes import Worker
from studies.execution.run import _Watch, cells_due
from studies.execution.snapshot import Record
from studies.execution.store import Store
from studies.planning.experiment import Experiment
from studies.planning.plan import Cell, Phase
from studies.training.outcome import Outcome


def record(cell: Cell, loss: float | None) -> Record:
    outcome = Outcome(diverged=loss is None, validation_loss=loss, test_loss=loss, steps=1, seconds=0.0, curve=())
    return Record(cell=cell, outcome=outcome, method="", environment={})


def evaluated(experiment: Experiment, records: list[Record], given_up: set[str]) -> set[tuple[str, float]]:
    due = cells_due(experiment.plan, records, given_up)
    return {(cell.variant, cell.lr) for cell in due if cell.phase == Phase.EVALUATE}


def test_a_variant_is_evaluated_as_soon_as_it_is_tuned(experiment: Experiment) -> None:
    first, second = experiment.plan.tuning("Adam")
    assert evaluated(experiment, [record(first, 2.0)], set()) == set()
    assert evaluated(experiment, [record(first, 2.0), record(second, 1.0)], set()) == {("Adam", second.lr)}
    assert evaluated(experiment, [record(first, 2.0), record(second, None)], set()) == {("Adam", first.lr)}
    assert evaluated(experiment, [record(first, None), record(second, None)], set()) == set()
    assert evaluated(experiment, [record(first, 2.0)], {second.key}) == {("Adam", first.lr)}


def test_a_failing_cell_is_tried_twice_and_reported(experiment: Experiment, tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.claim_for(experiment.configuration(), {})
    watch = _Watch(experiment, store)
    watch.advance()
    attempts = 0
    while (claimed := store.claim(Worker.current())) is not None:
        trial, cell = claimed
        if cell.variant == "Adam":
            attempts += 1
            store.fail(trial, error="RuntimeError: broken")
        else:
            store.complete(trial, record(cell, 1.0).outcome, "", {})
        watch.advance()
    assert attempts == 2 * len(experiment.plan.tuning("Adam"))
    assert watch.given_up == {c.key: "RuntimeError: broken" for c in experiment.plan.tuning("Adam")}
    assert watch.expected() == 4
    later = _Watch(experiment, store)
    later.advance()
    assert later.given_up == {}
    assert store.has_work()


def test_workers_refuse_code_that_changed(experiment: Experiment) -> None:
    stored = experiment.configuration()
    assert Experiment.from_configuration(stored, experiment.text).configuration() == stored
    stored["variants"]["Adam"]["method"] = "torch.optim.Adam(amsgrad)"
    with pytest.raises(Exception, match="variants differ in Adam"):
        Experiment.from_configuration(stored, experiment.text)
