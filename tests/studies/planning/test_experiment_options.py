"""Schedule, sizes and tuned fields of an experiment: stored, read back, and grown."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from studies.errors import InputError
from studies.planning.configuration import what_differs
from studies.planning.course import Course, Sizes
from studies.planning.experiment import Experiment
from studies.planning.on_a_task import text_for
from studies.planning.plan import Phase, Run
from studies.planning.study import Result, in_turns
from studies.tasks import Text
from studies.training.schedule import Schedule
from tests.studies.planning.test_experiment import found, made

TUNED: dict[str, Any] = {"tune": ("momentum", "beta1"), "draws": 2}
OPTIONS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "linear": {"course": Course(schedule="linear", warm_up=3)},
    "cosine": {"course": Course(schedule="cosine", ema=0.9)},
    "sizes of the task": {"sizes": Sizes(batch_size=5, length=8)},
    "sizes of the model": {"sizes": Sizes(hidden=7, layers=2)},
    "fields": TUNED,
    "draws of rates alone": {"draws": 3},
    "draws at given rates": {**TUNED, "lr": (0.3, 0.1), "variants": ("AdaGrad", "Adam")},
    "rounds": {**TUNED, "rounds": 2},
    "everything": {
        **TUNED, "sizes": Sizes(batch_size=5, length=8, hidden=7, layers=2), "tf32": True,
        "course": Course(schedule="linear", warm_up=2, ema=0.5),
    },
}  # fmt: skip


def with_options(experiment: Experiment, options: Mapping[str, Any]) -> Experiment:
    names = ("seeds", "tuning_seeds", "rounds", "rates")
    budget = replace(experiment.budget, **{name: options[name] for name in names if name in options})
    return replace(experiment, budget=budget, **{name: v for name, v in options.items() if name not in names})


def stored(experiment: Experiment) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(json.dumps(experiment.configuration()))
    return told


@pytest.mark.parametrize("name", OPTIONS)
def test_is_what_its_configuration_says(experiment: Experiment, name: str) -> None:
    study = with_options(experiment, OPTIONS[name])
    again = Experiment.from_configuration(stored(study), study.text)
    assert stored(again) == stored(study)
    assert again.schedule == study.schedule
    assert again.plan == study.plan
    assert (what_differs(stored(experiment), stored(study)) == "") is (name == "nothing")


@pytest.mark.parametrize("task", ["adding", "copy", "markov", "words-2000"])
def test_sizes_of_any_task(text: Text, task: str) -> None:
    big = text_for(task, replace(text, content=(text.content + "\n") * 5))  # words are fewer than characters
    experiment = replace(made(big, task), sizes=Sizes(batch_size=6, length=7))
    told = stored(experiment)
    assert (told["windows"]["batch_size"], told["windows"]["length"]) == (6, 7)
    assert next(experiment.task.batches(0))[0].shape[0] == 6
    assert Experiment.from_configuration(told, big).configuration() == told


def test_a_plain_study_has_no_new_keys(experiment: Experiment) -> None:
    told = stored(experiment)
    assert not {"tune", "draws", "lr_given"} & told.keys()
    assert all(variant.keys() == {"method", "lr", "changes"} for variant in told["variants"].values())


def test_the_schedule(experiment: Experiment) -> None:
    study = replace(experiment, course=Course(schedule="linear", warm_up=5, ema=0.9))
    assert study.schedule == Schedule(steps=25, decay="linear", warm_up=5, ema=0.9)
    assert experiment.schedule == Schedule(steps=25)
    with pytest.raises(InputError, match="no schedule named 'steps': choose from constant, linear, cosine"):
        replace(experiment, course=Course(schedule="steps"))
    with pytest.raises(InputError, match="a warm-up of 25 steps does not fit in 25"):
        replace(experiment, course=Course(warm_up=25))
    with pytest.raises(InputError, match="an average of the weights"):
        replace(experiment, course=Course(ema=1.0))


def test_runs_of_different_fields_are_no_batch(experiment: Experiment) -> None:
    study = with_options(experiment, TUNED)
    cells = in_turns(study, study.cells({}, set()))
    assert {study.pace(cell) for cell in cells} == {"ADAQN", "Adam"} == set(study.remaining({}, set()))
    for group in {study.group(cell) for cell in cells}:
        assert len({Run.of(cell.parameters).fields for cell in cells if study.group(cell) == group}) == 1
    assert len({study.group(cell) for cell in cells}) == 4
    assert {experiment.group(cell) for cell in experiment.cells({}, set())} == {"ADAQN", "Adam"}


def test_a_run_is_trained_with_its_fields(experiment: Experiment) -> None:
    study = replace(with_options(experiment, TUNED), budget=replace(experiment.budget, steps=2))
    for run in (study.plan.tuning("ADAQN")[0], study.plan.tuning("ADAQN")[1]):
        (told,) = study.do([run.cell], lambda: False, "cpu")
        assert told["method"] == repr(study.chosen["ADAQN"].with_fields(run.fields).method)
        assert ("Momentum(" in told["method"]) is bool(run.fields)


def test_it_tunes_then_evaluates_at_the_best_fields(experiment: Experiment) -> None:
    study = with_options(experiment, TUNED)
    runs = study.plan.tuning("ADAQN")
    best = next(run for run in runs if run.fields)
    results = found((run, float(run != best)) for run in runs)
    fresh = [Run.of(cell.parameters) for cell in study.cells(results, set()) if cell.key not in results]
    assert {run.choice for run in fresh if run.variant == "ADAQN"} == {best.choice}
    assert study.remaining({}, set()).total() == study.plan.size == 2 * (2 * 2 + 2)


GROWTH: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, TUNED, ""),
    ({}, {"draws": 4}, ""),
    (TUNED, {**TUNED, "draws": 5}, ""),
    (TUNED, {**TUNED, "rates": 4}, ""),
    (TUNED, {**TUNED, "rounds": 1, "seeds": 4, "tuning_seeds": 2}, ""),
    (TUNED, {**TUNED, "variants": ("AdaGrad", "K-FAC")}, ""),
    (TUNED, {**TUNED, "variants": ("K-FAC",), "tune": ("momentum", "beta1", "trust")}, ""),
    ({"draws": 2, "variants": ("AdaGrad",)}, {"draws": 3, "rates": 4, "variants": ("AdaGrad",)}, ""),
    ({**TUNED, "lr": (0.1,)}, {**TUNED, "lr": (0.3, 0.1)}, ""),
    (TUNED, {**TUNED, "draws": 3, "tune": ("momentum",)}, "it tunes beta1, which --tune leaves out"),
    (TUNED, {}, "it has draws = 2 already, and --draws 1 would be fewer: give --draws 2 or more"),
    (TUNED, {"draws": 2}, "it tunes momentum, which --tune leaves out"),
    (TUNED, {**TUNED, "tune": ("momentum", "beta1", "decay")}, "its ADAQN tunes momentum beside the rate and would"),
    ({"draws": 2}, TUNED, "its ADAQN tunes nothing beside the rate and would tune momentum"),
    (TUNED, {**TUNED, "course": Course(schedule="linear")}, "schedule differ in decay"),
    ({}, {"course": Course(warm_up=1)}, "schedule differ in warm_up"),
    ({}, {"sizes": Sizes(hidden=9)}, "architecture differ in hidden"),
    ({}, {"sizes": Sizes(batch_size=9)}, "windows differ in batch_size"),
]


@pytest.mark.parametrize(("before", "after", "told"), GROWTH)
def test_growth(experiment: Experiment, before: dict[str, Any], after: dict[str, Any], told: str) -> None:
    first, asked = with_options(experiment, before), with_options(experiment, after)
    if told:
        with pytest.raises(InputError, match=told):
            asked.grown_from(stored(first))
        return
    grown = asked.grown_from(stored(first))
    keys = {run.key for name in grown.chosen for run in grown.plan.tuning(name)}
    assert {run.key for name in first.chosen for run in first.plan.tuning(name)} <= keys
    assert stored(Experiment.from_configuration(stored(grown), grown.text)) == stored(grown)


def test_a_grown_study_keeps_what_it_has(experiment: Experiment) -> None:
    first = with_options(experiment, TUNED)
    results: dict[str, Result] = {}
    while fresh := [cell for cell in first.cells(results, set()) if cell.key not in results]:
        results |= found((Run.of(cell.parameters), 1.0) for cell in fresh)
    grown = replace(first, draws=3).grown_from(stored(first))
    new = [Run.of(cell.parameters) for cell in grown.cells(results, set()) if cell.key not in results]
    assert {run.phase for run in new} == {Phase.TUNE}
    assert len(new) == 2 * 2
    assert all(run.fields for run in new)


def test_points_of_other_code_are_refused(experiment: Experiment) -> None:
    first = with_options(experiment, TUNED)
    told = stored(first)
    told["variants"]["ADAQN"]["tunes"]["points"][1]["method"] = "Recipe(another)"
    with pytest.raises(InputError, match="variants differ in ADAQN"):
        Experiment.from_configuration(told, first.text)
    with pytest.raises(InputError, match="is not among these: it was tuned by other code"):
        first.grown_from(told)


def test_fields_that_no_variant_has(experiment: Experiment) -> None:
    assert with_options(experiment, {"tune": ("momentum", "trust"), "draws": 2}).untuned == ["trust"]
    assert with_options(experiment, TUNED).untuned == []
