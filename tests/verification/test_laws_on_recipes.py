"""The shipped recipes, and some of one's own, obey every law about recipes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

import adaqn_lab as lab
from verification import LAWS, Subject, shipped, verify
from verification.conformance import Outcome
from verification.methods import Method
from verification.optimizer.follows_adaqn import reading, trajectories
from verification.problems import Logistic
from verification.properties import declared
from verification.running import run
from verification.tolerances import TOLERANCES

RECIPES = {
    "ADAQN": lab.ADAQN,
    "ADAQN_MINSQN": lab.ADAQN_MINSQN,
    "ADAQN_STOCHQN": lab.ADAQN_STOCHQN,
    "unguarded": lab.ADAQN.but(guard=None, scaling=lab.BarzilaiBorwein(), cadence=lab.Cadence(always_advance=True)),
    "from the start": lab.ADAQN.but(
        guard=lab.MonitorIncrease(slack=0.5, reevaluate=True),
        memory=lab.Window(capacity=2, test=lab.CautiousCosine()),
        cadence=lab.Cadence(from_start=True),
    ),
}
CASES = [
    pytest.param(law, Method(recipe), id=f"{law.name}-{name}")
    for law in LAWS
    if law.subject is Subject.RECIPE
    for name, recipe in RECIPES.items()
    if law.needs <= declared(Method(recipe))
]


def test_what_is_rounded_is_not_held_to_the_trajectory_which_rounds_nothing():
    rounded = torch.bfloat16
    assert reading(lab.ADAQN) is not None
    assert reading(lab.ADAQN.but(pairs=lab.EmpiricalFisher(dtype=rounded))) is None
    assert reading(lab.ADAQN.but(memory=lab.Window(dtype=rounded))) is None


@pytest.mark.parametrize(("law", "method"), CASES)
def test_recipe(law, method):
    run(law, method)


@pytest.mark.parametrize("name", ["ADAQN_GAUSS_NEWTON", "MLBFGS", "OLNAQ", "MULTIBATCH_LBFGS", "OBFGS_AGGREGATED"])
def test_recipes_of_the_family_find_their_needs_met(name):
    """The shipped recipes are all candidates of the command; these ask for what is rarest."""
    report = verify(shipped.RECIPES[name], examples=2)
    assert report, str(report)
    assert report.count(Outcome.PASSED) > 10


@pytest.mark.parametrize(
    ("name", "settings_of_problems"),
    [
        ("ADAQN", [(1.0, 0.1), (300.0, 0.1)]),
        ("ADAQN_MINSQN", [(1.0, 0.1), (300.0, 0.5)]),
        ("ADAQN_STOCHQN", [(0.1, 0.1)]),
    ],
)
def test_recipes_follow_the_textbook_for_500_steps(name, settings_of_problems):
    """To 1e-9 in float64, and every kind of decision occurs on the way."""
    seen = Counter()
    for scale, lr in settings_of_problems:
        problem = Logistic(n=8, seed=0, steps=500, lr=lr, scale=scale)
        w, events, expected, expected_events = trajectories(Method(RECIPES[name]).every(5).recipe, problem)
        assert events == expected_events
        assert np.abs(w - expected).max() <= TOLERANCES["trajectory"]() * (1 + np.abs(expected).max())
        seen.update(kind for _, kind in events)
    assert {"REFERENCE", "ADMITTED", "SKIPPED", "ROLLED_BACK"} <= seen.keys()
