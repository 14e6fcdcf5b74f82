"""Plans that tune fields beside the rate: keys, rounds at the best's fields, and what was chosen."""

import json

import pytest

from studies.planning.budget import Budget
from studies.planning.plan import Phase, Plan, Run, trials_of
from studies.planning.trials import Choice, Trials
from studies.variants.tuned import Fields

FAST: Fields = (("momentum", 0.8), ("decay", 0.99))
TRIALS = Trials(rates=(0.01, 0.1, 1.0), points=((), FAST), fields=("momentum", "decay"))
PLAN = Plan(trials={"a": TRIALS}, budget=Budget(steps=1, rates=3, tuning_seeds=2, seeds=4, rounds=1))


def test_keys_are_those_of_before_without_fields_and_tell_them_with() -> None:
    runs = PLAN.tuning("a")
    assert len({run.key for run in runs}) == len(runs) == 3 * 2 * 2
    assert runs[0].key == "tune a lr=0.01 seed=10000"
    assert runs[2].key == "tune a lr=0.01 momentum=0.8 decay=0.99 seed=10000"
    assert runs[0].cell.parameters == {"phase": "tune", "variant": "a", "lr": 0.01, "seed": 10_000}
    for run in runs:
        assert Run.of(json.loads(json.dumps(run.cell.parameters))) == run


@pytest.mark.parametrize(("best", "fields"), [(Choice(0.1, FAST), FAST), (Choice(0.1), ()), (None, ())])
def test_a_round_tries_rates_at_the_best_s_fields(best: Choice | None, fields: Fields) -> None:
    losses = [(choice, None if best is None else float(choice != best)) for choice in TRIALS.choices]
    first = {run.key for run in PLAN.tuning("a")}
    runs, later = PLAN.tuning_due("a", losses, first)
    fresh = {run.choice for run in runs if run.key not in first}
    assert later == 0
    assert fresh == {Choice(lr, fields) for lr in ((0.0316, 0.316) if best else (0.001, 0.00316))}
    assert PLAN.size == len(runs) + 4


def test_evaluation_has_the_chosen_fields() -> None:
    runs = PLAN.evaluation("a", Choice(0.1, FAST))
    assert {(run.phase, run.lr, run.fields) for run in runs} == {(Phase.EVALUATE, 0.1, FAST)}
    assert runs[0].key == "evaluate a lr=0.1 momentum=0.8 decay=0.99 seed=100"


def test_trials_of_a_configuration() -> None:
    assert trials_of({"method": "", "lr": [0.1, 1.0], "changes": {}}) == Trials(rates=(0.1, 1.0))
    tunes = {"fields": {"momentum": [0.0, 1.0, "linear"]}, "points": [{"fields": {}}, {"fields": {"momentum": 0.5}}]}
    found = trials_of({"method": "", "lr": [0.1], "changes": {}, "tunes": tunes})
    assert found == Trials(rates=(0.1,), points=((), (("momentum", 0.5),)), fields=("momentum",))
