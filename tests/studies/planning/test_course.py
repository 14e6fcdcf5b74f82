"""Schedules and sizes by name, and read from configurations of any age."""

import pytest

from studies.errors import InputError
from studies.planning.course import SCHEDULES, Course, Sizes
from studies.training.schedule import Schedule


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_name_is_a_schedule(name: str) -> None:
    found = Course(schedule=name, warm_up=2, ema=0.9).of(8)
    assert found == Schedule(steps=8, decay=SCHEDULES[name], warm_up=2, ema=0.9)
    assert (found.factor(1), found.factor(3)) == (0.5, 1.0)
    assert (found.factor(8) < 0.3) is (name != "constant")


def test_of_a_configuration_of_before() -> None:
    assert Course.stored({"schedule": {"steps": 5, "points": 20, "clip": 5.0, "divergence": 2.0}}) == Course()
    told = {"windows": {"letters": 5}, "architecture": {"unit": "lstm"}}
    assert Sizes.stored(told) == Sizes()


def test_refuses_an_unknown_name() -> None:
    with pytest.raises(InputError, match="no schedule named 'step': choose from constant, linear, cosine"):
        Course(schedule="step").of(5)
