"""Cells, plans and the choice of a learning rate."""

import pytest

from studies.plan import BUDGETS, Budget, Phase, Plan, best_rate
from studies.refusal import Refusal

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
    with pytest.raises(Refusal, match="steps 0"):
        Budget(steps=0, rates=1, tuning_seeds=1, seeds=1)
