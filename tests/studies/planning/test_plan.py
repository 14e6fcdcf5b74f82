"""Runs, plans and the choice of a learning rate."""

import json
from collections.abc import Callable
from math import log10

import pytest

from studies.errors import InputError
from studies.planning.budget import BUDGETS, Budget
from studies.planning.plan import Phase, Plan, Run
from studies.planning.record import Record
from studies.planning.trials import Choice, Trials, best_rate
from studies.planning.tuning import next_rates
from studies.training.outcome import Outcome

TRIALS = {"a": Trials(rates=(0.1, 1.0)), "b": Trials(rates=(0.01, 0.1))}
PLAN = Plan(trials=TRIALS, budget=Budget(steps=1, rates=2, tuning_seeds=3, seeds=4))


def test_runs_are_distinct_and_counted() -> None:
    runs = [run for v in PLAN.rates for run in (*PLAN.tuning(v), *PLAN.evaluation(v, Choice(0.1)))]
    assert len({run.key for run in runs}) == PLAN.size == 2 * (2 * 3 + 4)


def test_a_run_is_what_its_cell_says() -> None:
    (run, *_) = PLAN.tuning("a")
    assert run.key == run.cell.key == "tune a lr=0.1 seed=10000"
    assert Run.of(json.loads(json.dumps(run.cell.parameters))) == run


def test_evaluation_seeds_are_fresh_and_shared() -> None:
    tuning = {run.seed for run in PLAN.tuning("a")}
    seeds = [[run.seed for run in PLAN.evaluation(v, Choice(0.1))] for v in "ab"]
    assert seeds[0] == seeds[1]
    assert not tuning & set(seeds[0])
    assert {run.phase for run in PLAN.tuning("a")} == {Phase.TUNE}


def _tune(plan: Plan, loss_at: Callable[[float], float | None]) -> tuple[list[float], list[int]]:
    """Run the tuning of variant a against a known loss; return the rates tried and how many each round added."""
    losses: list[tuple[Choice, float | None]] = []
    finished: set[str] = set()
    added = []
    while True:
        runs, to_come = plan.tuning_due("a", losses, finished)
        fresh = [run for run in runs if run.key not in finished]
        added.append(len({run.lr for run in fresh}))
        assert to_come == plan.budget.rounds + 1 - len(added)
        losses += [(run.choice, loss_at(run.lr)) for run in fresh]
        finished |= {run.key for run in fresh}
        if not to_come:
            return sorted({choice.lr for choice, _ in losses}), added


@pytest.mark.parametrize(
    ("loss_at", "best"),
    [
        (lambda lr: abs(log10(lr) + 1), 0.1),  # inside the grid: refined around it
        (lambda lr: abs(log10(lr) - 1), 10.0),  # beyond its upper edge: followed there
        (lambda lr: abs(log10(lr) + 3.5), 0.000316),  # beyond its lower edge
        (lambda lr: None if lr > 0.005 else -lr, 0.00316),  # everything on the grid diverges: smaller rates
    ],
)
def test_every_variant_gets_the_same_rounds_where_its_best_lies(
    loss_at: Callable[[float], float | None], best: float
) -> None:
    budget = Budget(steps=1, rates=3, tuning_seeds=2, seeds=1, rounds=2)
    rates, added = _tune(Plan(trials={"a": Trials(rates=(0.01, 0.1, 1.0))}, budget=budget), loss_at)
    assert added == [3, 2, 2]
    assert best_rate((lr, loss_at(lr)) for lr in rates) == pytest.approx(best, rel=0.01)


def test_refinement_narrows_around_the_best() -> None:
    assert next_rates((0.01, 0.1, 1.0), 0.1) == (0.0316, 0.316)
    assert next_rates((0.01, 0.0316, 0.1, 0.316, 1.0), 0.1) == (0.0562, 0.178)
    assert next_rates((0.5,), 0.5) == (0.158, 1.58)


def test_without_rounds_the_grid_is_all() -> None:
    assert PLAN.tuning_due("a", [], set()) == (PLAN.tuning("a"), 0)
    with pytest.raises(InputError, match="rounds -1"):
        Budget(steps=1, rates=1, tuning_seeds=1, seeds=1, rounds=-1)


@pytest.mark.parametrize(
    ("losses", "best"),
    [
        ([(0.1, 2.0), (1.0, 1.0)], 1.0),
        ([(0.1, 2.0), (1.0, 1.0), (1.0, None)], 0.1),
        ([(0.1, None), (1.0, None)], None),
        ([(1.0, 1.0), (0.1, 1.0)], 0.1),
        ([(0.1, 1.0), (0.1, 4.0), (1.0, 2.0), (1.0, 2.0)], 1.0),
        ([], None),
    ],
)
def test_best_rate(losses: list[tuple[float, float | None]], best: float | None) -> None:
    assert best_rate(losses) == best


def test_budgets_meet_the_promises() -> None:
    assert BUDGETS["small"].seeds >= 5
    assert BUDGETS["small"].rates >= 4
    assert BUDGETS["full"].seeds >= 10
    with pytest.raises(InputError, match="steps 0"):
        Budget(steps=0, rates=1, tuning_seeds=1, seeds=1)


def test_a_rate_of_a_former_plan_does_not_win() -> None:
    """It was tried with fewer seeds, before the study grew."""

    def tuned(lr: float, seed: int, loss: float) -> Record:
        done = Outcome(diverged=False, validation_loss=loss, test_loss=loss, steps=1, seconds=0.0, curve=())
        return Record(
            cell=Run(phase=Phase.TUNE, variant="a", lr=lr, seed=seed), outcome=done, method="", environment={}
        )

    records = [tuned(lr, seed, loss) for lr, loss in ((0.1, 2.0), (1.0, 1.5)) for seed in range(10_000, 10_003)]
    assert PLAN.chosen("a", records) == Choice(1.0)
    assert PLAN.chosen("a", [*records, tuned(0.5, 10_000, 1.0)]) == Choice(1.0)
    fewer = [record for record in records if record.cell.seed == 10_000 or record.cell.lr < 1]
    assert PLAN.chosen("a", fewer) == Choice(1.0)
    assert PLAN.chosen("b", records) is None
