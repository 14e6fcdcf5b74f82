"""Cells, plans and the choice of a learning rate."""

from collections.abc import Callable
from math import log10

import pytest

from studies.errors import InputError
from studies.planning.budget import BUDGETS, Budget
from studies.planning.plan import Phase, Plan, best_rate
from studies.planning.tuning import next_rates

PLAN = Plan(rates={"a": (0.1, 1.0), "b": (0.01, 0.1)}, budget=Budget(steps=1, rates=2, tuning_seeds=3, seeds=4))


def test_cells_are_distinct_and_counted() -> None:
    cells = [cell for v in PLAN.rates for cell in (*PLAN.tuning(v), *PLAN.evaluation(v, 0.1))]
    assert len({cell.key for cell in cells}) == PLAN.size == 2 * (2 * 3 + 4)


def test_evaluation_seeds_are_fresh_and_shared() -> None:
    tuning = {cell.seed for cell in PLAN.tuning("a")}
    seeds = [[cell.seed for cell in PLAN.evaluation(v, 0.1)] for v in "ab"]
    assert seeds[0] == seeds[1]
    assert not tuning & set(seeds[0])
    assert {cell.phase for cell in PLAN.tuning("a")} == {Phase.TUNE}


def _tune(plan: Plan, loss_at: Callable[[float], float | None]) -> tuple[list[float], list[int]]:
    """Run the tuning of variant a against a known loss; return the rates tried and how many each round added."""
    losses: list[tuple[float, float | None]] = []
    finished: set[str] = set()
    added = []
    while True:
        cells, is_last = plan.tuning_due("a", losses, finished)
        fresh = [cell for cell in cells if cell.key not in finished]
        added.append(len({cell.lr for cell in fresh}))
        losses += [(cell.lr, loss_at(cell.lr)) for cell in fresh]
        finished |= {cell.key for cell in fresh}
        if is_last:
            return sorted({lr for lr, _ in losses}), added


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
    rates, added = _tune(Plan(rates={"a": (0.01, 0.1, 1.0)}, budget=budget), loss_at)
    assert added == [3, 2, 2]
    assert best_rate((lr, loss_at(lr)) for lr in rates) == pytest.approx(best, rel=0.01)


def test_refinement_narrows_around_the_best() -> None:
    assert next_rates((0.01, 0.1, 1.0), 0.1) == (0.0316, 0.316)
    assert next_rates((0.01, 0.0316, 0.1, 0.316, 1.0), 0.1) == (0.0562, 0.178)
    assert next_rates((0.5,), 0.5) == (0.158, 1.58)


def test_without_rounds_the_grid_is_all() -> None:
    cells, is_last = PLAN.tuning_due("a", [], set())
    assert (cells, is_last) == (PLAN.tuning("a"), True)
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
