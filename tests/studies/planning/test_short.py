"""Runs too short for a pair are told of."""

from dataclasses import replace

from studies.planning.experiment import Experiment
from studies.planning.search import SearchPlan
from studies.planning.short import no_pairs


def test_tells_which_methods_make_no_pair(experiment: Experiment) -> None:
    assert no_pairs(experiment) == "25 steps are fewer than two windows of 20: ADAQN makes no pair."
    more = replace(experiment, variants=("ADAQN", "ADAQN-no-pairs", "ADAQN-no-guard"))
    assert no_pairs(more).endswith(": ADAQN, ADAQN-no-guard make no pair.")
    assert no_pairs(replace(experiment, budget=replace(experiment.budget, steps=40))) == ""
    plan = SearchPlan(
        text=experiment.text, model="rnn-tanh", base="ADAQN", factors=("guard",), steps=1, seeds=1, trials=1, even=1
    )
    assert no_pairs(plan) == "1 step is fewer than two windows of 20: ADAQN makes no pair."
