"""The fast code follows the plain float64 trajectory of every shipped recipe."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from adaqn_lab import EventKind, QuasiNewton
from adaqn_lab.recipes import ALL
from verification.profiles import FAST, current
from verification.references.trajectories import SIZES, TRAJECTORIES, Problem

STEPS = 120 if current() is FAST else 300
RATES = {"ADAQN_ADAM": 0.01, "ADAQN_PER_TENSOR": 0.02, "OBFGS_AGGREGATED": 0.05}
AMPLIFYING = [
    "OLBFGS",
    "OBFGS",
    "OBFGS_AGGREGATED",
    "RES",
    "LRES",
    "OLBFGS_STOCHQN",
    "MULTIBATCH_LBFGS",
    "ADAQN_STOCHQN",
    "ADAQN_SKETCHED",
]
"""Without damping a pair of nearly no curvature multiplies rounding by 1e5 and more; 30 steps of these compare."""
RECIPES = {named.name: named.recipe for named in ALL}


def follow(recipe, problem, lr, steps=STEPS):
    """The iterates (steps, n) and the kinds of the windows, with every callable that any recipe may need."""
    a, b = map(torch.from_numpy, problem.data)
    parts = np.split(problem.start, np.cumsum(SIZES)[:-1])
    parameters = [torch.nn.Parameter(torch.from_numpy(part.copy())) for part in parts]
    now = 1

    def loss(rows):
        rows = torch.from_numpy(rows)
        w = torch.cat(parameters)
        outputs = a[rows] @ w
        of = torch.nn.functional.softplus if problem.convex else torch.sigmoid
        return of(-b[rows] * outputs).mean() + problem.ridge * (w @ w) / 2, outputs

    optimizer = QuasiNewton(
        parameters,
        recipe,
        lr=lr,
        monitor=lambda: loss(np.arange(problem.rows)),
        curvature=lambda: loss(problem.curvature),
        batch=lambda: loss(problem.batch(now)),
        overlap=lambda: loss(problem.overlap(now)),
    )
    iterates = []
    for k in range(1, steps + 1):
        now = k
        optimizer.zero_grad()
        loss(problem.batch(k))[0].backward()
        optimizer.step()
        iterates.append(torch.cat(parameters).detach().numpy().copy())
    return np.array(iterates), [event.kind.name for event in optimizer.events], optimizer


def test_every_recipe_has_a_trajectory():
    assert RECIPES.keys() == TRAJECTORIES.keys()
    assert len(RECIPES) >= 25


def check(name, problem, lr, steps=STEPS):
    """Compare whole trajectories; return how often each kind of window occurred."""
    expected = TRAJECTORIES[name](problem, lr, steps)
    got, kinds, _ = follow(RECIPES[name], problem, lr, steps)
    assert kinds == expected.kinds
    assert np.isfinite(got).all()
    size = np.maximum(1.0, np.abs(expected.w).max(axis=1))
    assert (np.abs(got - expected.w).max(axis=1) / size).max() < 1e-9
    return Counter(kinds)


@pytest.mark.parametrize("name", RECIPES)
def test_the_fast_code_follows(name):
    kinds = check(name, Problem(seed=3), RATES.get(name, 0.1))
    assert kinds[EventKind.ADMITTED.name] > STEPS // 60


@pytest.mark.parametrize("name", RECIPES)
def test_it_follows_where_curvature_is_negative(name):
    check(name, Problem(seed=3, convex=False), RATES.get(name, 0.1), 30 if name in AMPLIFYING else STEPS)
