"""The showcase as a study: what it plans, what it keeps, how it grows."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import Any

import pytest

from studies.convex.study import ConvexStudy, beyond, rates
from studies.convex.training import Mark, Trial
from studies.errors import InputError
from studies.planning.study import Cell, Result


@pytest.fixture(scope="module")
def small() -> ConvexStudy:
    return ConvexStudy(data="breast-cancer", epochs=1, seeds=2, tuning_seeds=1, recipes=("SQN", "SGD"))


def trial(lr: float, gap: float | None, seed: int = 100) -> dict[str, Any]:
    curve = () if gap is None else (Mark(1.0, 1.0, 0.1, gap),)
    return Trial(lr, seed, gap is None, curve, 1, 0, 0).to_json()


def pretend(cells: Sequence[Cell], lr: float | None = 0.1) -> dict[str, Result]:
    found = {}
    for cell in cells:
        values: dict[str, Any] = {"method": "", "trial": trial(lr or 1.0, 0.5)}
        if cell.parameters["phase"] == "tune":
            values = {"method": "", "lr": lr, "at_edge": False, "trials": [trial(0.1, None if lr is None else 0.5)]}
        found[cell.key] = Result(cell, values, {})
    return found


def test_the_grid_goes_one_decade_further_at_its_edges() -> None:
    assert rates()[0] == 0.001
    assert rates()[-1] == 10.0
    assert beyond(0.001) == (0.0001, 0.000316)
    assert beyond(10.0) == (31.6, 100.0)
    assert beyond(0.1) == beyond(None) == ()


def test_is_what_its_configuration_says(small: ConvexStudy) -> None:
    stored = json.loads(json.dumps(small.configuration()))
    assert ConvexStudy.from_configuration(stored).configuration() == stored
    stored["methods"]["SGD"] = "another"
    with pytest.raises(InputError, match="methods differ in SGD"):
        ConvexStudy.from_configuration(stored)


def test_evaluates_a_method_as_soon_as_it_is_tuned(small: ConvexStudy) -> None:
    tuning = small.cells({}, set())
    assert [cell.key for cell in tuning] == ["tune SQN", "tune SGD"]
    assert small.remaining({}, set()).total() == 2 * (1 + 2)
    found = pretend(tuning[:1])
    assert [cell.key for cell in small.cells(found, set())[2:]] == [
        "evaluate SQN lr=0.1 seed=100",
        "evaluate SQN lr=0.1 seed=101",
    ]
    assert small.remaining(found, set()) == Counter({"evaluate SQN": 2, "tune SGD": 1, "evaluate SGD": 2})
    assert small.remaining(found, {"tune SGD"}).total() == 2
    assert small.remaining(pretend(tuning, lr=None), set()).total() == 0  # nothing to evaluate: all diverged


def test_a_method_has_a_result_when_all_its_runs_have(small: ConvexStudy) -> None:
    tuned = pretend(small.cells({}, set()))
    assert small.results(tuned) == []
    every = tuned | pretend(small.cells(tuned, set())[2:])
    assert [result.name for result in small.results(every)] == ["SQN", "SGD"]
    assert len(small.results(every)[0].evaluation) == 2
    lost = pretend(small.cells({}, set()), lr=None)
    assert [(result.lr, result.evaluation) for result in small.results(lost)] == [(None, ())] * 2


def test_the_value_is_the_gap(small: ConvexStudy) -> None:
    assert small.values({"trials": [trial(0.1, 0.5), trial(0.2, 0.25), trial(10.0, None)]}) == [0.25]
    assert small.values({"trials": [trial(10.0, None)]}) == [inf]
    assert small.values({"trial": trial(0.1, 0.5)}) == [0.5]


def test_tunes_on_seeds_that_no_run_is_evaluated_on(small: ConvexStudy) -> None:
    tuning, _ = small.cells({}, set())
    (told,) = small.do([tuning], lambda: False, "cpu")
    trials = [Trial.from_json(each) for each in json.loads(json.dumps(told))["trials"]]
    assert {each.seed for each in trials} == {10_000}
    assert {each.lr for each in trials} >= set(rates())
    gaps = {each.lr: each.gap for each in trials if each.gap is not None}
    assert min(gaps, key=gaps.__getitem__) == told["lr"]
    assert all(len(each.curve) <= 1 for each in trials)


def test_grows_by_seeds_and_methods(small: ConvexStudy) -> None:
    stored = json.loads(json.dumps(small.configuration()))
    more = replace(small, seeds=3, recipes=("Adam",)).grown_from(stored)
    assert list(more.methods) == ["SQN", "SGD", "Adam"]
    tuned = pretend(small.cells({}, set()))
    found = tuned | pretend(small.cells(tuned, set())[2:])
    assert more.remaining(found, set()) == Counter(
        {"evaluate SQN": 1, "evaluate SGD": 1, "tune Adam": 1, "evaluate Adam": 3}
    )
    with pytest.raises(InputError, match="--seeds 1 would be fewer"):
        replace(small, seeds=1).grown_from(stored)
    with pytest.raises(InputError, match="epochs is 1 there and 2 here"):
        replace(small, epochs=2).grown_from(stored)
    stored["methods"]["SGD"] = "another"
    with pytest.raises(InputError, match="its SGD was another method, another"):
        small.grown_from(stored)
