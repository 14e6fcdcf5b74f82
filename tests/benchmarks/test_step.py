"""Whole steps of every recipe on an LSTM's parameters, beside torch's own optimizers on copies of them."""

from __future__ import annotations

import pytest

from adaqn_lab.recipes import ADAQN, ALL
from tests.benchmarks import peers
from tests.benchmarks.models import SIZES, parameters
from tests.benchmarks.peers.first_order import FIRST_ORDER
from tests.benchmarks.stepping import GivenGradients, quasi_newton, recipes, state_bytes, steps
from tests.benchmarks.timing import PLAIN, InPlainTorch, Race

RECIPES = {named.name: named.recipe for named in ALL}
ON_ALL_SIZES = ("ADAQN", "ADAQN_RESCALED", "ADAQN_ROUNDED", "ADAQN_SKETCHED", "SQN", "OLBFGS", "SDLBFGS", "ASNAQ")
CASES = [
    *(("tiny", name) for name in ON_ALL_SIZES),  # what Python and the dispatcher cost
    *((size, name) for size in ("0.1M", "1M") for name in recipes(parameters(SIZES[size].build()))),
    *(("10M", name) for name in ON_ALL_SIZES),
]


@pytest.mark.benchmark(group="step")
@pytest.mark.parametrize(("size", "name"), CASES, ids=["_".join(case) for case in CASES])
def test_step(size, name, benchmark, compete, compiled):
    model = SIZES["tiny" if benchmark.disabled else size].build()
    recipe, n = RECIPES[name], parameters(model)
    own_given = GivenGradients(model)
    own = quasi_newton(own_given, recipe)
    every = recipe.cadence.every
    others, absent = {}, {}
    for label, build in FIRST_ORDER.items():
        given = GivenGradients(model)
        others[label] = steps(build(given), given, every)
    if recipe == ADAQN:
        try:
            others |= peers.whole_steps(model, every)
        except peers.AbsentError as reason:
            absent["stochQN"] = str(reason)
    facts = {"case": {"size": size, "n": n, "recipe": name, "steps": every}, "bytes": {"own": state_bytes(own)}}
    stepping = steps(own, own_given, every)
    if compiled:
        others[PLAIN] = InPlainTorch(stepping)
    compete(Race(stepping, others), absent=absent, **facts)
