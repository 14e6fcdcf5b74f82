"""Experiments on any task: stored, read back, told apart; studies stored before there were tasks go on."""

import json
from dataclasses import replace

import pytest

from studies.commands.ablate import Ablate
from studies.errors import InputError
from studies.planning.budget import Budget
from studies.planning.experiment import Experiment, text_for, what_differs
from studies.tasks import TASKS, Text

BUDGET = Budget(steps=5, rates=2, tuning_seeds=1, seeds=2)


def experiment(text: Text, task: str) -> Experiment:
    return Experiment(text=text, model="lstm", budget=BUDGET, variants=("ADAQN", "Adam"), task_name=task)


@pytest.mark.parametrize("task", TASKS)
def test_is_what_its_configuration_says(text: Text, task: str) -> None:
    # The fixture's text is enough for windows of characters; words are fewer.
    text = replace(text, content=(text.content + "\n") * 5)
    made = experiment(text_for(task, text), task)
    stored = json.loads(json.dumps(made.configuration()))
    assert Experiment.from_configuration(stored, text).configuration() == stored
    assert stored["task"] == task
    assert (stored["text"] == task) is TASKS[task].synthetic
    assert stored["windows"]["monitor_batches"] == 4
    assert "\n" not in stored["task_in_words"]
    other = experiment(text, "copy" if task == "adding" else "adding").configuration()
    assert f"task is {task} there" in what_differs(stored, other)


def test_an_older_study_is_the_same_study_at_the_defaults_only(text: Text) -> None:
    now = experiment(text, "characters").configuration()
    before = json.loads(json.dumps(now))
    for name in ("task", "task_in_words"):
        del before[name]
    for name in ("carried", "symbols"):
        del before["windows"][name]
    del before["architecture"]["dropout"]
    assert what_differs(before, now) == ""
    carried = experiment(text, "characters-carried").configuration()
    assert "carried" in what_differs(before, carried)


def test_a_size_of_a_task_counts(text: Text) -> None:
    now = experiment(text, "markov").configuration()
    assert what_differs({**now, "windows": {**now["windows"], "order": 3}}, now) == "windows differ in order"


def test_the_directory_names_the_task(text: Text) -> None:
    for task, name in (
        ("characters", "kjv-lstm-small"),
        ("words", "kjv-words-lstm-small"),
        ("copy", "copy-lstm-small"),
    ):
        assert Ablate(task=task).directory(experiment(text, "characters")).name == name


def test_refuses_an_unknown_task(text: Text) -> None:
    with pytest.raises(InputError, match="no task named 'chess'"):
        experiment(text, "chess")
