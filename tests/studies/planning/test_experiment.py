"""Experiments on any task: stored, read back; planned on their results; grown without touching what they have."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from studies.errors import InputError
from studies.planning.budget import Budget
from studies.planning.configuration import QUESTION, what_differs
from studies.planning.experiment import Experiment
from studies.planning.on_a_task import text_for
from studies.planning.plan import Phase, Run
from studies.planning.study import Result
from studies.tasks import TASKS, Text
from studies.training.outcome import Outcome
from studies.variants.names import FACTORS

BUDGET = Budget(steps=5, rates=2, tuning_seeds=1, seeds=2)


def made(text: Text, task: str) -> Experiment:
    return Experiment(text=text, model="lstm", budget=BUDGET, variants=("ADAQN", "Adam"), task_name=task)


def found(losses: Iterable[tuple[Run, float | None]]) -> dict[str, Result]:
    """Results by key, as a store gives them."""
    results = {}
    for run, loss in losses:
        outcome = Outcome(diverged=loss is None, validation_loss=loss, test_loss=loss, steps=1, seconds=0.0, curve=())
        values = {"method": "", "diverged": outcome.diverged, "outcome": outcome.to_json()}
        results[run.key] = Result(run.cell, values, {})
    return results


def finish(experiment: Experiment, results: dict[str, Result], best: dict[str, float]) -> dict[str, Result]:
    """Return the results of all cells, on top of some; a variant without a best rate learns alike at all."""
    while fresh := [cell for cell in experiment.cells(results, set()) if cell.key not in results]:
        runs = [Run.of(cell.parameters) for cell in fresh]
        results = results | found((run, float(run.lr != best.get(run.variant, run.lr))) for run in runs)
    assert experiment.remaining(results, set()).total() == 0
    return results


def evaluated(experiment: Experiment, results: dict[str, Result], given_up: set[str]) -> set[tuple[str, float]]:
    runs = [Run.of(cell.parameters) for cell in experiment.cells(results, given_up)]
    return {(run.variant, run.lr) for run in runs if run.phase == Phase.EVALUATE}


@pytest.mark.parametrize("task", TASKS)
def test_is_what_its_configuration_says(text: Text, task: str) -> None:
    # The fixture's text is enough for windows of characters; words are fewer.
    text = replace(text, content=(text.content + "\n") * 5)
    experiment = made(text_for(task, text), task)
    stored = json.loads(json.dumps(experiment.configuration()))
    assert Experiment.from_configuration(stored, text).configuration() == stored
    assert stored["task"] == task
    assert (stored["text"] == task) is TASKS[task].synthetic
    assert stored["windows"]["monitor_batches"] == 4
    assert "\n" not in stored["task_in_words"]
    other = made(text, "copy" if task == "adding" else "adding").configuration()
    assert f"task is {task} there" in what_differs(stored, other)


def test_refuses_an_unknown_task(text: Text) -> None:
    with pytest.raises(InputError, match="no task named 'chess'"):
        made(text, "chess")


def test_the_precision_of_products_is_part_of_what_a_study_is(experiment: Experiment) -> None:
    rounded = replace(experiment, tf32=True).configuration()
    assert what_differs(experiment.configuration(), rounded) == "tf32 is False there and True here"
    assert Experiment.from_configuration(rounded, experiment.text).tf32


def test_refuses_code_that_changed(experiment: Experiment) -> None:
    stored = experiment.configuration()
    assert Experiment.from_configuration(stored, experiment.text).configuration() == stored
    stored["variants"]["Adam"]["method"] = "torch.optim.Adam(amsgrad)"
    with pytest.raises(InputError, match="variants differ in Adam"):
        Experiment.from_configuration(stored, experiment.text)


def test_a_variant_is_evaluated_as_soon_as_it_is_tuned(experiment: Experiment) -> None:
    first, second = experiment.plan.tuning("Adam")
    assert evaluated(experiment, found([(first, 2.0)]), set()) == set()
    assert evaluated(experiment, found([(first, 2.0), (second, 1.0)]), set()) == {("Adam", second.lr)}
    assert evaluated(experiment, found([(first, 2.0), (second, None)]), set()) == {("Adam", first.lr)}
    assert evaluated(experiment, found([(first, None), (second, None)]), set()) == set()
    assert evaluated(experiment, found([(first, 2.0)]), {second.key}) == {("Adam", first.lr)}


def test_counts_what_is_left_with_what_cannot_be_planned_yet(text: Text) -> None:
    budget = Budget(steps=5, rates=2, tuning_seeds=3, seeds=4, rounds=1)
    experiment = Experiment(text=text, model="rnn-tanh", budget=budget, variants=("ADAQN", "Adam"))
    each = 2 * 3 + 2 * 3 + 4  # the grid, the round, the evaluation
    assert experiment.remaining({}, set()) == Counter(ADAQN=each, Adam=each)
    assert experiment.remaining({}, set()).total() == experiment.plan.size
    results: dict[str, Result] = {}
    for step in range(1, each + 1):
        run = next(Run.of(c.parameters) for c in experiment.cells(results, set()) if c.key not in results)
        results |= found([(run, 1.0)])
        assert experiment.remaining(results, set())["ADAQN"] == each - step
    assert {result.cell.parameters["variant"] for result in results.values()} == {"ADAQN"}
    diverged = found((run, None) for run in experiment.plan.tuning("Adam"))
    assert experiment.remaining(diverged, set())["Adam"] == 2 * 3 + 4
    given_up = {run.key for run in experiment.plan.tuning("Adam")}
    assert experiment.remaining({}, given_up)["Adam"] == 2 * 3 + 4


def test_more_rounds_evaluate_at_the_rate_that_they_find(experiment: Experiment) -> None:
    first, second = experiment.plan.tuning("Adam")
    results = found(
        [(first, 2.0), (second, 1.0), *((run, 1.0) for run in experiment.plan.evaluation("Adam", second.choice))]
    )
    assert experiment.remaining(results, set())["Adam"] == 0
    more = replace(experiment, budget=replace(experiment.budget, rounds=1)).grown_from(experiment.configuration())
    assert more.remaining(results, set())["Adam"] == 2 + 2
    assert evaluated(more, results, set()) == set()
    fresh = [Run.of(c.parameters) for c in more.cells(results, set()) if c.key not in results]
    last = [run for run in fresh if run.variant == "Adam"][-1]
    assert last.lr > second.lr
    results |= found((run, 0.5 if run == last else 3.0) for run in fresh if run.variant == "Adam")
    assert evaluated(more, results, set()) == {("Adam", last.lr)}
    assert more.remaining(results, set())["Adam"] == 2


@pytest.mark.parametrize(
    ("more", "cells"),
    [
        ({"budget": {"seeds": 3}}, 2),
        ({"budget": {"tuning_seeds": 2}}, 4),
        ({"budget": {"rates": 4}}, 4),
        ({"variants": ("ADAQN", "Adam", "SGD")}, 4),
        ({"variants": ("SGD",)}, 4),
        ({"variants": ("Adam",)}, 0),
        ({}, 0),
    ],
)
def test_grows_by_the_missing_cells_only(experiment: Experiment, more: dict[str, Any], cells: int) -> None:
    best = {variant: rates[0] for variant, rates in experiment.plan.rates.items()}
    results = finish(experiment, {}, best)
    stored = json.loads(json.dumps(experiment.configuration()))
    asked = replace(experiment, **{**more, "budget": replace(experiment.budget, **more.get("budget", {}))})
    grown = asked.grown_from(stored)
    assert tuple(grown.chosen)[:2] == ("ADAQN", "Adam")
    after = finish(grown, results, best)
    assert len(results) + cells == len(after)
    assert list(after.items())[: len(results)] == list(results.items())
    assert Experiment.from_configuration(grown.configuration(), grown.text).configuration() == grown.configuration()


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        ({"seeds": 1}, "--seeds 1 would be fewer: give --seeds 2 or more"),
        ({"steps": 26}, "another study: steps is 25 there and 26 here"),
        ({"rates": 1}, "its learning rates of ADAQN are not among these"),
    ],
)
def test_does_not_shrink(experiment: Experiment, budget: dict[str, int], told: str) -> None:
    asked = replace(experiment, budget=replace(experiment.budget, **budget))
    with pytest.raises(InputError, match=told):
        asked.grown_from(experiment.configuration())


def test_a_variant_whose_method_changed_does_not_grow(experiment: Experiment) -> None:
    stored = experiment.configuration()
    stored["variants"]["Adam"]["method"] = "torch.optim.Adam(amsgrad)"
    with pytest.raises(InputError, match=r"its Adam was another method, torch.optim.Adam\(amsgrad\)"):
        experiment.grown_from(stored)


def test_given_rates_may_get_more(experiment: Experiment) -> None:
    stored = replace(experiment, lr=(0.1, 0.01)).configuration()
    assert replace(experiment, lr=(0.3, 0.1, 0.01)).grown_from(stored).plan.rates["Adam"] == (0.01, 0.1, 0.3)
    with pytest.raises(InputError, match=r"0\.01 is missing"):
        replace(experiment, lr=(0.3, 0.1)).grown_from(stored)


def test_differences_are_taken_to_the_base_or_the_first_variant(experiment: Experiment) -> None:
    alone = replace(experiment, variants=("Adam", "AdaGrad"))
    assert (experiment.base, alone.base) == ("ADAQN", "Adam")
    assert replace(experiment, variants=()).base == "ADAQN"
    stored = alone.configuration()
    assert stored["reference"] == "Adam"
    for grown in (replace(alone, variants=("SGD",)), experiment):  # a study in place keeps its base
        assert grown.grown_from(stored).configuration()["reference"] == "Adam"
    with pytest.raises(InputError, match="reference is Adam there and ADAQN here"):
        replace(experiment, reference="ADAQN").grown_from(stored)
    old = {**stored, "reference": "ADAQN"}  # which no variant was
    assert alone.grown_from(old).configuration()["reference"] == "ADAQN"


def test_the_question_is_that_of_the_usual_variants_or_of_the_chosen_ones(experiment: Experiment) -> None:
    assert experiment.configuration()["question"] == "How does Adam compare with ADAQN?"
    usual = replace(experiment, variants=())
    assert usual.question == replace(experiment, variants=(*usual.chosen, "SOAP")).question == QUESTION
    assert replace(experiment, factor="guard").question == FACTORS["guard"].question
    grown = replace(experiment, variants=("SOAP",)).grown_from(experiment.configuration())
    assert grown.configuration()["question"] == "How do Adam and SOAP compare with ADAQN?"
