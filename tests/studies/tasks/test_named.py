"""Every task at its smoke size: a model learns it in seconds, two runs side by side."""

import random
from dataclasses import replace
from functools import partial
from math import log
from pathlib import Path

import pytest
import torch

from studies.errors import InputError
from studies.models import Architecture
from studies.tasks import TASKS, Batch, MarkovTask, Shape, Text, load_data, named_task, save_data, usual_batch_size
from studies.tasks.named import synthetic
from studies.tasks.synthetic import SyntheticTask
from studies.training.loop import train, train_many
from studies.training.outcome import Outcome
from studies.training.schedule import Schedule
from studies.variants.names import known_variants

SMALL = Architecture(unit="lstm", embedding=8, hidden=24)


@pytest.fixture(scope="module")
def text() -> Text:
    """Sentences in which a word says something about the next."""
    draw = random.Random(0)
    subjects, verbs, things = (
        ["the cat", "a dog", "my bird"],
        ["sees", "likes"],
        ["it .", "the dog .", "a cat ."],
    )
    sentences = (" ".join(map(draw.choice, (subjects, verbs, things))) for _ in range(900))
    return Text(name="made up", content="\n".join(sentences))


def smoke(
    name: str,
    text: Text,
    steps: int,
    variant: str = "Adam",
    lr: float = 0.02,
) -> list[Outcome]:
    return train_many(
        known_variants(50)[variant],
        [(lr, 0), (lr, 1)],
        task=named_task(name, text, smoke=True),
        architecture=SMALL,
        schedule=Schedule(steps=steps, points=2),
    )


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("variant", ["Adam", "ADAQN_RESCALED"])
def test_beats_what_ignores_the_inputs(name: str, variant: str, text: Text) -> None:
    task = named_task(name, text, smoke=True)
    for outcome in smoke(
        name,
        text,
        steps=150,
        variant=variant,
        lr=0.02 if variant == "Adam" else 0.2,
    ):
        assert outcome.test_loss is not None
        assert task.chance is not None
        assert outcome.test_loss < 0.95 * task.chance
        assert task.floor is None or outcome.test_loss > task.floor


def test_an_adding_machine_and_a_memory_come_near_their_floor(text: Text) -> None:
    for name, near in (("adding", 0.02), ("copy", 0.1)):
        for outcome in smoke(name, text, steps=400):
            assert outcome.test_loss is not None
            assert outcome.test_loss < near


def test_no_model_gets_below_the_sources_entropy_rate(text: Text) -> None:
    """Near it within 0.02 nats, never below it by more than chance put into the test set."""
    task = named_task("markov", text, smoke=True)
    assert isinstance(task, MarkovTask)
    rows = task.surprise(task.test).view(len(task.test[0]), -1).mean(1)
    error = float(rows.std()) / len(rows) ** 0.5
    for outcome in smoke("markov", text, steps=500):
        assert outcome.test_loss is not None
        assert task.floor - 4 * error < outcome.test_loss < task.floor + 0.02 + 4 * error
        # On the very sequences the source's own table is the best model that has not seen them.
        assert outcome.test_loss > float(rows.mean()) - 1e-3


def test_refuses_an_unknown_task(text: Text) -> None:
    with pytest.raises(InputError, match="characters, characters-carried, words"):
        named_task("chess", text)


class Parity(SyntheticTask):
    """What a file of a new task holds: whether the number of ones so far is odd."""

    floor, chance = 0.0, log(2)
    shape = Shape(inputs=2, outputs=2)
    question = "whether the ones so far are odd"

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        bits = torch.randint(2, (count, 6), generator=generator)
        return bits, bits.cumsum(1) % 2


def test_a_task_is_two_files(text: Text, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its own and a line of `TASKS`: all else takes it under its name."""
    monkeypatch.setitem(
        TASKS,
        "parity",
        synthetic(partial(Parity, 5, 20, 2), partial(Parity, 2, 4, 1)),
    )
    task = named_task("parity", text)
    save_data(task, Text(name="parity", content=""), tmp_path)
    again = named_task("parity", load_data(tmp_path))
    assert torch.equal(next(again.batches(0))[0], next(task.batches(0))[0])
    outcome = train(
        known_variants(task.batch_size)["Adam"],
        0.02,
        0,
        task=task,
        architecture=SMALL,
        schedule=Schedule(steps=1, points=1),
    )
    assert outcome.steps == 1
    assert outcome.test_loss is not None
    with pytest.raises(InputError, match="markov, parity"):
        named_task("chess", text)


@pytest.mark.parametrize("name", ["characters", "words-2000-carried", "adding", "copy", "markov"])
@pytest.mark.parametrize("smoke", [False, True])
def test_sizes_replace_its_own(name: str, smoke: bool, text: Text) -> None:
    big = replace(text, content=(text.content + "\n") * 5)
    usual, other = named_task(name, big, smoke=smoke), named_task(name, big, smoke=smoke, batch_size=6, length=9)
    assert {**usual.sizes, "batch_size": 6, "length": 9} == other.sizes
    assert len(next(other.batches(0))[0]) == other.batch_size == 6
    assert named_task(name, big, smoke=smoke, batch_size=usual.batch_size).sizes == usual.sizes
    if not smoke:
        assert usual_batch_size(name) == usual.batch_size


def test_refuses_a_size_that_is_none_or_is_not_for_the_task(text: Text, monkeypatch: pytest.MonkeyPatch) -> None:
    for sizes in ({"batch_size": 0}, {"length": -1}):
        with pytest.raises(InputError, match="is too small"):
            named_task("characters", text, **sizes)
    monkeypatch.setitem(TASKS, "parity", synthetic(partial(Parity, 5, 20, 2), partial(Parity, 2, 4, 1)))
    with pytest.raises(InputError, match="length=9 is not for the task parity, which has no length to choose"):
        named_task("parity", Text(name="parity", content=""), length=9)
    assert named_task("parity", Text(name="parity", content=""), batch_size=5).batch_size == 5
