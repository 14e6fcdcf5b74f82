"""Two configurations: told apart in words, and what one of them may have more of than the other."""

import json

import pytest

from studies.errors import InputError
from studies.planning.configuration import QUESTION, check_growth, question, what_differs
from studies.planning.experiment import Experiment

STORED = {"steps": 25, "seeds": 2, "rounds": 0, "variants": {"a": 1}, "text": "x.txt"}


def test_an_older_study_is_the_same_study_at_the_defaults_only(experiment: Experiment) -> None:
    now = experiment.configuration()
    before = json.loads(json.dumps(now))
    for name in ("task", "task_in_words", "tf32", "rounds", "reference", "factor", "question"):
        del before[name]
    for name in ("carried", "symbols"):
        del before["windows"][name]
    del before["architecture"]["dropout"]
    assert what_differs(before, now) == ""
    assert what_differs({**before, "side_by_side": 2, "device": "cpu"}, now) == ""  # how it was done, not what it is
    assert what_differs(before, {**now, "tf32": True}) == "tf32 is False there and True here"
    carried = {**now, "windows": {**now["windows"], "carried": True}}
    assert what_differs(before, carried).startswith("windows differ in carried")
    dropout = {**now, "architecture": {**now["architecture"], "dropout": 0.5}}
    assert what_differs(before, dropout) == "architecture differ in dropout"


def test_a_size_of_a_task_counts(experiment: Experiment) -> None:
    now = experiment.configuration()
    assert what_differs({**now, "windows": {**now["windows"], "order": 3}}, now) == "windows differ in order"


def test_a_hash_is_told_in_twelve_characters() -> None:
    assert what_differs({"text_sha256": "a" * 64}, {"text_sha256": "b" * 64}) == (
        f"text_sha256 is {'a' * 12} there and {'b' * 12} here"
    )


def test_numbers_may_grow_and_others_may_change() -> None:
    check_growth(STORED, {**STORED, "seeds": 3, "variants": {"a": 1, "b": 2}}, numbers=("seeds",), others=("variants",))
    check_growth(STORED, STORED)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"steps": 26}, "^it is another study: steps is 25 there and 26 here$"),
        ({"text": "y.txt", "seeds": 3}, "^it is another study: text is x.txt there and y.txt here$"),
        ({"variants": {"b": 2}}, "^it is another study: variants differ in a, b$"),
        ({"seeds": 1}, "^it has seeds = 2 already, and --seeds 1 would be fewer: give --seeds 2 or more$"),
    ],
)
def test_everything_else_is_another_study(wanted: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        check_growth(STORED, {**STORED, **wanted}, numbers=("seeds", "rounds"))


def test_a_number_that_was_not_stored_yet_stands_for_its_default() -> None:
    older = {name: value for name, value in STORED.items() if name != "rounds"}
    check_growth(older, {**STORED, "rounds": 1}, numbers=("rounds",))
    with pytest.raises(InputError, match="would be fewer"):
        check_growth({**STORED, "tuning_seeds": 2}, {**STORED, "tuning_seeds": 1}, numbers=("tuning_seeds",))


def test_the_question_names_what_was_compared() -> None:
    assert question("ADAQN", ["ADAQN"]) == "How well does ADAQN train?"
    assert question("ADAQN", ["Adam", "ADAQN"]) == "How does Adam compare with ADAQN?"
    assert question("Adam", ["a", "Adam", "b", "c"]) == "How do a, b and c compare with Adam?"
    assert question("Adam", list("abcd")) == "How do a, b and 2 others compare with Adam?"


def test_a_study_under_the_question_of_before_is_the_same_one() -> None:
    assert what_differs({"question": QUESTION}, {"question": question("ADAQN", ["Adam"])}) == ""
