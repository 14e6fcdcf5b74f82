"""Synthetic tasks: their answers are the ones that the description gives, and their chance and floor are true."""

from math import log

import pytest
import torch

from studies.errors import InputError
from studies.tasks import AddingTask, CopyTask, MarkovTask, Task
from studies.tasks.markov import stationary
from studies.tasks.objectives import NOT_COUNTED

MADE = [AddingTask(), CopyTask(), MarkovTask()]


@pytest.mark.parametrize("task", MADE, ids=lambda task: type(task).__name__)
def test_batches_depend_on_the_seed_alone(task: Task) -> None:
    first, second, other = task.batches(1), task.batches(1), task.batches(2)
    task.monitor(1)
    for _ in range(3):
        drawn = next(first)
        assert torch.equal(drawn[0], next(second)[0])
        assert not torch.equal(drawn[0], next(other)[0])
    assert len(next(task.curvature(1))[0]) == 2 * len(drawn[0])
    assert len(task.monitor(1)[0]) == 4 * len(drawn[0])
    assert not torch.equal(task.validation[0], task.test[0])


def test_the_sum_is_that_of_one_marked_number_from_each_half() -> None:
    task = AddingTask(length=9)
    inputs, sums = task.monitor(0)
    values, marks = inputs.unbind(-1)
    assert torch.equal(marks[:, :4].sum(1), torch.ones(200))
    assert torch.equal(marks[:, 4:].sum(1), torch.ones(200))
    torch.testing.assert_close((values * marks).sum(1), sums)
    # The variance of the sum of two uniform numbers, within four of its own standard errors.
    assert float(((AddingTask(held_out=20_000).test[1] - 1.0) ** 2).mean()) == pytest.approx(1 / 6, abs=4 * 0.0014)


def test_the_letters_come_back_after_the_call() -> None:
    task = CopyTask(letters=3, length=2, delay=4)
    inputs, targets = task.monitor(0)
    assert inputs.shape == targets.shape == (200, 8)
    assert torch.equal(targets[:, -2:], inputs[:, :2])
    assert (targets[:, :-2] == NOT_COUNTED).all()
    assert (inputs[:, 2:6] == 3).all()
    assert (inputs[:, 6] == 4).all()
    assert task.chance == log(3)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_source_is_stationary_and_its_entropy_rate_the_loss_of_its_own_table(order: int) -> None:
    task = MarkovTask(symbols=4, order=order, held_out=4000)
    assert float(task.stationary.min()) > 0
    assert float(task.stationary.sum()) == pytest.approx(1)
    surprise = task.surprise(task.test)
    assert len(surprise) == int((task.test[1] != NOT_COUNTED).sum())
    # Neighbours depend on each other, so the error is estimated from whole sequences.
    rows = surprise.view(4000, -1).mean(1)
    assert float(rows.mean()) == pytest.approx(task.floor, abs=4 * float(rows.std()) / 4000**0.5)
    shares = torch.bincount(task.test[0][:, -1], minlength=4) / 4000
    first = torch.bincount(task.test[0][:, 0], minlength=4) / 4000
    torch.testing.assert_close(shares, first, rtol=0.0, atol=0.05)
    assert task.floor < task.chance < log(4)


def test_two_states_by_hand() -> None:
    table = torch.tensor([[0.9, 0.1], [0.3, 0.7]], dtype=torch.float64)
    torch.testing.assert_close(stationary(table, 2), torch.tensor([0.75, 0.25], dtype=torch.float64))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: AddingTask(length=1), "length=1 has no two halves"),
        (lambda: CopyTask(letters=1), "letters=1 leaves nothing"),
        (lambda: MarkovTask(order=30), "order=30"),
    ],
)
def test_refuses_sizes_without_a_question(make: object, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        make()  # type: ignore[operator]
