"""The coordinator: it plans on results, tries a failing cell twice, and begins anew with the next command."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from studies.execution.processes import Worker
from studies.execution.run import Coordinator, run
from studies.execution.store import Store
from studies.planning.budget import Budget
from studies.planning.experiment import Experiment
from studies.training.outcome import Outcome


def result(loss: float) -> dict[str, Any]:
    outcome = Outcome(diverged=False, validation_loss=loss, test_loss=loss, steps=1, seconds=0.0, curve=())
    return {"method": "", "diverged": False, "outcome": outcome.to_json()}


def test_a_failing_cell_is_tried_twice_and_reported(experiment: Experiment, tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.claim_for(experiment, {})
    coordinator = Coordinator(experiment, store)
    coordinator.advance()
    attempts = 0
    while (claimed := store.claim(Worker.current())) is not None:
        trial, cell = claimed
        if cell.parameters["variant"] == "Adam":
            attempts += 1
            store.fail(trial, error="RuntimeError: broken")
        else:
            store.complete(trial, result(1.0), [1.0])
        coordinator.advance()
    tuning = experiment.plan.tuning("Adam")
    assert attempts == 2 * len(tuning)
    assert coordinator.given_up == {run.key: "RuntimeError: broken" for run in tuning}
    # Adam has no rate to be evaluated at, so nothing of it is left; ADAQN is done.
    assert experiment.remaining(coordinator.snapshot.results, coordinator.given_up).total() == 0
    assert len(coordinator.snapshot.results) == 4
    later = Coordinator(experiment, store)
    later.advance()
    assert later.given_up == {}
    assert store.has_work()


def test_variants_take_turns(experiment: Experiment, tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.claim_for(experiment, {})
    Coordinator(experiment, store).advance()
    variants = [trial.user_attrs["parameters"]["variant"] for trial in store.snapshot().trials]
    assert variants == ["ADAQN", "Adam"] * 2


def test_a_store_of_no_study_becomes_the_one_that_runs(experiment: Experiment, tmp_path: Path) -> None:
    small = replace(experiment, variants=("Adam",), budget=Budget(steps=2, rates=1, tuning_seeds=1, seeds=1))
    store = Store(tmp_path)
    assert run(small, store, workers=1) == {}
    assert len(store.records()) == 2
    assert store.attributes["provenance"]["workers"] == 1
