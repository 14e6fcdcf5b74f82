"""A search as a study: its trials are planned before the first one runs; it may get more of them."""

import json
from collections import Counter
from dataclasses import replace
from math import inf
from typing import Any

import pytest

from studies.errors import InputError
from studies.planning.course import Course, Sizes
from studies.planning.search import SearchPlan
from studies.planning.search_space import LR
from studies.planning.study import Result
from studies.tasks import Text
from studies.variants.names import FACTORS


@pytest.fixture
def plan(text: Text) -> SearchPlan:
    return SearchPlan(
        text=text, model="rnn-tanh", base="ADAQN", factors=("guard", "capacity"), steps=25, seeds=2, trials=8, even=5
    )


def test_refusals(plan: SearchPlan) -> None:
    with pytest.raises(InputError, match="more than 5000"):
        replace(plan, factorial=True, factors=tuple(FACTORS))
    with pytest.raises(InputError, match="colour"):
        replace(plan, factors=("colour",))
    with pytest.raises(InputError, match="base named 'Adam'"):
        replace(plan, base="Adam")
    stored = plan.configuration()
    assert SearchPlan.from_configuration(stored, plan.text).configuration() == stored
    stored["factors"]["guard"]["no-guard"] = "another recipe"
    with pytest.raises(InputError, match="factors differ in guard"):
        SearchPlan.from_configuration(stored, plan.text)


def test_the_first_points_are_drawn_evenly_and_the_others_left_to_the_sampler(plan: SearchPlan) -> None:
    cells = plan.cells({}, set())
    assert [cell.key for cell in cells] == [f"search {number}" for number in range(8)]
    assert [set(cell.parameters) for cell in cells] == [{"guard", "capacity", LR}] * 5 + [set()] * 3
    assert plan.even_keys == {f"search {number}" for number in range(5)}
    assert plan.proposed().keys() == {"guard", "capacity", LR}


def test_counts_the_trials_that_are_left(plan: SearchPlan) -> None:
    first, second, *_ = plan.cells({}, set())
    assert plan.remaining({}, set()) == Counter(search=8)
    assert plan.remaining({first.key: Result(first, {}, {})}, {second.key}) == Counter(search=6)


def test_a_trial_is_trained_on_all_tuning_seeds(plan: SearchPlan) -> None:
    cell = plan.cells({}, set())[0]
    (told,) = replace(plan, steps=3).do([cell], lambda: False)
    assert len(told["losses"]) == 2
    assert len(set(told["losses"])) == 2  # seeds of their own
    assert told["method"].startswith("Recipe(")
    assert json.loads(json.dumps(told)) == told


@pytest.mark.parametrize(
    ("losses", "timed", "values"),
    [([1.0, 2.0], False, [1.5]), ([1.0, None], False, [inf]), ([1.0, 2.0], True, [1.5, 7.0])],
)
def test_the_value_is_the_mean_loss_and_when_timed_the_seconds(
    plan: SearchPlan, losses: list[Any], timed: bool, values: list[float]
) -> None:
    plan = replace(plan, timed=timed)
    assert plan.values({"losses": losses, "seconds": 7.0}) == values
    assert plan.objectives == len(values)


def test_grows_by_trials_only(plan: SearchPlan) -> None:
    stored = json.loads(json.dumps(plan.configuration()))
    more = replace(plan, trials=10).grown_from(stored)
    assert more.cells({}, set())[:8] == plan.cells({}, set())
    for asked, told in (
        ({"trials": 7}, "--trials 7 would be fewer"),
        ({"even": 6}, "even is 5 there and 6 here"),
        ({"steps": 26}, "steps is 25 there and 26 here"),
        ({"seeds": 3}, "seeds is 2 there and 3 here"),
        ({"factors": ("guard",)}, "factors differ in capacity"),
    ):
        with pytest.raises(InputError, match=told):
            replace(plan, **asked).grown_from(stored)
    complete = replace(plan, factorial=True)
    with pytest.raises(InputError, match="trials is 8 there and 9 here"):
        replace(complete, trials=9).grown_from(complete.configuration())


def test_schedule_and_sizes(plan: SearchPlan) -> None:
    course, sizes = Course(schedule="cosine", warm_up=3, ema=0.9), Sizes(batch_size=5, length=8, hidden=7, layers=2)
    other = replace(plan, course=course, sizes=sizes)
    stored = json.loads(json.dumps(other.configuration()))
    again = SearchPlan.from_configuration(stored, plan.text)
    assert again.configuration() == stored
    assert again.schedule == course.of(25)
    assert again.task.batch_size == again.space.batch_size == 5
    with pytest.raises(
        InputError, match=r"windows differ in batch_size, length, architecture differ in layers, hidden"
    ):
        other.grown_from(plan.configuration())
    with pytest.raises(InputError, match="a warm-up of 25 steps"):
        replace(plan, course=Course(warm_up=25))
