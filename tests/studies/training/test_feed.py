"""Batches drawn ahead and made on the device are those that the tasks yield one by one, to the last bit."""

from itertools import islice

import pytest
import torch

from studies.tasks import AddingTask, Batch, CharacterTask, MarkovTask, Task, Text, Windows
from studies.tasks.task import BATCHES, CURVATURE
from studies.training.feed import Feed, as_tensor, source_of

CPU = torch.device("cpu")
SEEDS = (3, 4)


@pytest.fixture(params=["characters", "carried", "markov", "adding"])
def task(request: pytest.FixtureRequest, text: Text) -> Task:
    windows = Windows(batch_size=5, length=7, held_out=20, carried=request.param == "carried")
    made: dict[str, Task] = {
        "markov": MarkovTask(symbols=4, length=6, batch_size=5, held_out=20),
        "adding": AddingTask(length=6, batch_size=5, held_out=20),
    }
    return made.get(request.param) or CharacterTask(text, windows)


def one_by_one(task: Task, purpose: int, count: int, seeds: tuple[int, ...] = SEEDS) -> list[Batch]:
    """Each run's batches as its task yields them, stacked."""
    yielded = [islice(task.batches(seed) if purpose == BATCHES else task.curvature(seed), count) for seed in seeds]
    return [tuple(torch.stack(parts) for parts in zip(*rows, strict=True)) for rows in zip(*yielded, strict=True)]  # type: ignore[misc]


def same(found: Batch, wanted: Batch) -> bool:
    return all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize("purpose", [BATCHES, CURVATURE])
@pytest.mark.parametrize("device", [None, CPU], ids=["in place", "copied"])
@pytest.mark.parametrize("ahead", [1, 3, 7])
def test_the_batches_are_the_tasks(task: Task, purpose: int, device: torch.device | None, ahead: int) -> None:
    feed = Feed(source_of(task, SEEDS, purpose, device), CPU, ahead, every_step=True)
    for wanted in one_by_one(task, purpose, 10):
        feed.prepare()
        assert same(feed.make(), wanted)
    feed.restart(source_of(task, (8, 9), purpose, device))
    for wanted in one_by_one(task, purpose, 5, (8, 9)):
        feed.prepare()
        assert same(feed.make(), wanted)


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("every", [1, 2, 3, 7])
def test_so_they_are_when_only_some_steps_ask(task: Task, every: int, begun: bool) -> None:
    feed = Feed(source_of(task, SEEDS, CURVATURE, None), CPU, 4, every_step=False)
    if begun:
        feed.begin()
    wanted = iter(one_by_one(task, CURVATURE, 40))
    for step in range(40):
        feed.prepare()
        if step % every == 0:
            assert same(feed.make(), next(wanted))


def test_a_sequence_is_copied_in_a_type_that_can_be_gathered(text: Text) -> None:
    sequence = CharacterTask(text, Windows(batch_size=5, length=7)).train
    for kind in ("uint8", "uint16", "uint32"):
        copied = as_tensor(sequence.astype(kind))
        assert copied.dtype == (torch.uint8 if kind == "uint8" else torch.int32)
        assert copied[torch.arange(9)].tolist() == sequence[:9].tolist()
