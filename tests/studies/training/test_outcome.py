"""Outcomes as JSON: what says nothing is left out, and what was stored before reads as it did."""

import json
from dataclasses import replace

import pytest

from studies.training.outcome import LATER, Outcome

PLAIN = Outcome(diverged=False, validation_loss=1.0, test_loss=2.0, steps=3, seconds=1.0, curve=())


def test_what_came_later_is_told_where_it_says_something() -> None:
    assert not LATER.keys() & PLAIN.to_json().keys()
    told = replace(PLAIN, ema_validation_loss=0.0, ema_test_loss=1.5, first_seconds=0.5, side_by_side=4)
    assert LATER.keys() <= told.to_json().keys()
    for outcome in (PLAIN, told):
        assert Outcome.from_json(json.loads(json.dumps(outcome.to_json()))) == outcome


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_an_average_that_is_not_finite_is_none(loss: float) -> None:
    told = replace(PLAIN, ema_test_loss=loss).to_json()
    assert "ema_test_loss" not in told
    assert Outcome.from_json(told) == PLAIN
