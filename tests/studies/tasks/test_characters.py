"""Windows, batches and splits."""

import pytest
import torch

from studies.errors import InputError
from studies.tasks import CharacterTask, Text, Windows
from studies.tasks.encoding import UNKNOWN


def test_targets_are_the_next_characters(text: Text) -> None:
    task = CharacterTask(text)
    inputs, targets = next(task.batches(0))
    assert inputs.shape == targets.shape == (50, 30)
    assert torch.equal(inputs[:, 1:], targets[:, :-1])
    letters = "".join(task.vocabulary[i - 1] for i in inputs[0].tolist())
    assert letters in text.content


def test_batches_depend_on_the_seed_alone_and_not_on_the_monitor(text: Text) -> None:
    task = CharacterTask(text)
    first, second = task.batches(1), task.batches(1)
    task.monitor(1)
    for _ in range(3):
        assert torch.equal(next(first)[0], next(second)[0])
    assert not torch.equal(next(task.batches(2))[0], next(task.batches(1))[0])
    assert task.monitor(1)[0].shape == (200, 30)
    assert not torch.equal(task.monitor(1)[0][:50], next(task.batches(1))[0])


def test_splits_by_position_and_charges_unseen_symbols_as_unknown() -> None:
    task = CharacterTask(Text(name="t", content="ab" * 900 + "c" * 100 + "d" * 100))
    assert task.vocabulary == "ab"
    assert task.symbols == 3
    assert len(task.train) == 1800
    for inputs, _ in (task.validation, task.test):
        assert (inputs == UNKNOWN).all()


def test_training_windows_never_reach_into_the_validation_part() -> None:
    windows = Windows(batch_size=400, length=4)
    task = CharacterTask(
        Text(name="t", content="a" * 1800 + "b" * 200 + "a" * 0 + "c" * 300),
        windows,
    )
    batches = task.batches(0)
    assert all((next(batches)[1] != UNKNOWN).all() for _ in range(20))


def test_the_shortest_text_that_is_taken_gives_a_batch() -> None:
    with pytest.raises(InputError, match=r"give a text of (\d+) characters") as refusal:
        CharacterTask(Text(name="t", content="ab" * 100))
    needed = int(str(refusal.value).split("a text of ")[1].split()[0])
    task = CharacterTask(Text(name="t", content=("ab" * needed)[:needed]))
    assert next(task.batches(0))[0].shape == (50, 30)
    assert len(task.validation[0]) >= 1


def test_a_held_out_part_that_is_shorter_than_a_window_is_named() -> None:
    windows = Windows(batch_size=1, length=10)
    with pytest.raises(
        InputError,
        match="too short a validation part, 5 characters where a window needs 11",
    ) as refusal:
        CharacterTask(Text(name="t", content="a" * 100), windows)
    needed = int(str(refusal.value).split("a text of ")[1].split()[0])
    CharacterTask(Text(name="t", content="a" * needed), windows)
