"""Captured steps are the eager ones bit for bit; on a CPU a tape stands for the CUDA graph."""

from collections.abc import Sequence
from functools import partial

import pytest
import torch

import adaqn_lab.optimizer
from adaqn_lab.graphs import Graphs
from studies.models import Architecture, BatchedModel, architecture
from studies.tasks import CharacterTask, MarkovTask, Task, Text, Windows
from studies.training.data import TrainingData
from studies.training.feed import Windows as FeedWindows
from studies.training.loop import train_all
from studies.training.outcome import Outcome
from studies.training.schedule import Schedule
from studies.training.trainer import Record, Trainer
from studies.variants.names import known_variants
from tests.adaqn_lab.tape import record

CPU = torch.device("cpu")
LSTM = Architecture(unit="lstm", embedding=6, hidden=8)
RUNS, OTHERS = [(0.03, 3), (1e30, 4), (0.1, 5)], [(0.05, 7), (0.02, 8), (0.05, 9)]
SCHEDULE = Schedule(steps=65, points=5, decay="linear", warm_up=5, ema=0.9)
SHORT = Schedule(steps=9, points=3)


@pytest.fixture(autouse=True)
def tapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let recipes record by tape, too."""
    monkeypatch.setattr(adaqn_lab.optimizer, "Graphs", partial(Graphs, record))


@pytest.fixture(scope="module")
def task(text: Text) -> CharacterTask:
    return CharacterTask(text, Windows(batch_size=5, length=4, held_out=10, monitor_batches=2))


def trained(
    task: Task, name: str, *batches: Sequence[tuple[float, int]], schedule: Schedule = SCHEDULE,
    model: Architecture = LSTM, recorder: Record | None = None,
) -> list[list[Outcome]]:  # fmt: skip
    """The outcomes of batches of runs that one trainer trains one after the other."""
    variant, found = known_variants(5)[name], []
    common = {"task": task, "architecture": model, "schedule": schedule, "device": CPU, "record": recorder}
    trainer = Trainer(variant, batches[0], **common)  # type: ignore[arg-type]
    for place, runs in enumerate(batches):
        if place:
            trainer.begin(runs)
        found.append(train_all(trainer, len(runs), schedule, CPU, lambda: False))
    return found


def told(outcomes: list[Outcome]) -> list[object]:
    """All but the seconds."""
    return [
        ([point.loss for point in o.curve], o.validation_loss, o.test_loss, o.ema_test_loss, o.events, o.calls, o.steps,
         o.diverged, o.admitted, o.skipped, o.rollbacks, o.steps_skipped)
        for o in outcomes
    ]  # fmt: skip


CAPTURED = ["ADAQN", "ADAQN_RESCALED", "ADAQN_GAUSS_NEWTON", "SQN_BY_DIFFERENCE", "ADAQN-no-pairs", "SGD", "Adam",
            "AdaGrad", "K-FAC"]  # fmt: skip


@pytest.mark.parametrize("name", CAPTURED)
def test_captured_steps_are_the_eager_ones_and_serve_the_next_runs(task: CharacterTask, name: str) -> None:
    eager = [trained(task, name, runs)[0] for runs in (RUNS, OTHERS)]
    captured = trained(task, name, RUNS, OTHERS, recorder=record)
    assert told(eager[0]) == told(captured[0])
    assert told(eager[1]) == told(captured[1])  # what was captured with other runs, seeds and rates
    assert any(outcome.diverged for outcome in eager[0]) or name in ("ADAQN_GAUSS_NEWTON", "Adam", "K-FAC")


@pytest.mark.parametrize("kind", ["carried", "markov", "overlaps", "rnn-relu-3"])
def test_so_they_are_on_other_data_and_models(task: CharacterTask, text: Text, kind: str) -> None:
    tasks: dict[str, Task] = {
        "carried": CharacterTask(text, Windows(batch_size=5, length=4, held_out=10, carried=True)),
        "markov": MarkovTask(symbols=4, length=6, batch_size=5, held_out=20),
    }
    chosen, name = tasks.get(kind, task), "MULTIBATCH_LBFGS" if kind == "overlaps" else "ADAQN"
    model = architecture(kind) if kind.startswith("rnn") else LSTM
    eager = [trained(chosen, name, runs, model=model)[0] for runs in (RUNS, OTHERS)]
    assert [told(each) for each in eager] == [
        told(each) for each in trained(chosen, name, RUNS, OTHERS, model=model, recorder=record)
    ]


class Counting:
    """Counts what is recorded and what is replayed."""

    def __init__(self) -> None:
        self.recorded = self.replayed = 0

    def __call__(self, work: object) -> object:
        self.recorded += 1
        again = record(work)  # type: ignore[arg-type]

        def replay() -> None:
            self.replayed += 1
            again()

        return replay


def test_gradients_and_validation_are_captured_once_whatever_runs_follow(task: CharacterTask) -> None:
    counting = Counting()
    schedule = Schedule(steps=50, points=5)
    trained(task, "ADAQN", OTHERS, OTHERS, OTHERS, schedule=schedule, recorder=counting)  # type: ignore[arg-type]
    assert counting.recorded == 2
    # 50 - 20 eager - 1 recorded, then all; marks at 30, 40 and 50 after the first kind was over, one of them recorded.
    assert counting.replayed == (29 + 2) + 2 * (50 + 6)


def test_a_model_with_dropout_takes_eager_steps(task: CharacterTask) -> None:
    dropping = Architecture(unit="lstm", layers=2, embedding=6, hidden=8, dropout=0.3)
    counting = Counting()
    eager = trained(task, "Adam", OTHERS, model=dropping)
    captured = trained(task, "Adam", OTHERS, model=dropping, recorder=counting)  # type: ignore[arg-type]
    assert told(eager[0]) == told(captured[0])
    assert counting.recorded == 0


def test_first_seconds_are_told_apart(task: CharacterTask) -> None:
    (eager,) = trained(task, "ADAQN", OTHERS)
    first, second = trained(task, "ADAQN", OTHERS, OTHERS, recorder=record)
    assert all(outcome.first_seconds == 0.0 for outcome in (*eager, *second))
    assert all(0.0 < outcome.first_seconds < outcome.seconds for outcome in first)
    assert {outcome.side_by_side for outcome in first} == {3}


@pytest.mark.parametrize("captured", [False, True])
def test_a_run_that_ended_has_no_gradient_whatever_its_numbers_are(task: CharacterTask, captured: bool) -> None:
    trainer = Trainer(
        known_variants(5)["SGD"], OTHERS, task=task, architecture=LSTM, schedule=SHORT, device=CPU,
        record=record if captured else None,
    )  # fmt: skip
    weights = list(trainer.model.parameters())
    for _ in range(6):
        trainer.step()
    trainer.end([True, False, True])
    for weight in weights:
        weight.data[1] = torch.nan
    trainer.step()
    for weight in weights:
        assert weight.grad is not None
        assert not weight.grad[1].any()
        assert weight.grad[[0, 2]].any()


def test_data_begun_again_are_the_data_of_the_seeds(task: CharacterTask) -> None:
    model = BatchedModel(LSTM, [LSTM.build(task.shape, seed) for seed in (0, 1)])
    again, fresh = (TrainingData(model, task, seeds, static=True) for seeds in ((3, 4), (8, 9)))
    for _ in range(2):
        again.prepare()
        again.advance()
        again.curvature()
    again.restart((8, 9))
    for each in (again, fresh):
        each.prepare()
        each.advance()
    assert torch.equal(again.monitor(), fresh.monitor())
    assert torch.equal(again.loss(), fresh.loss())
    assert torch.equal(again.curvature()[0], fresh.curvature()[0])
    torch.testing.assert_close(again.factors()[0][1], fresh.factors()[0][1], rtol=0, atol=0)


def test_what_a_graph_reads_is_kept_for_it(task: CharacterTask) -> None:
    # A graph holds no reference to what came from outside: memory given back would be read all the same.
    with_graphs = {"task": task, "architecture": LSTM, "schedule": SHORT, "device": CPU, "record": record}
    trainer = Trainer(known_variants(5)["SGD"], OTHERS, **with_graphs)  # type: ignore[arg-type]
    train_all(trainer, 3, SHORT, CPU, lambda: False)
    assert trainer._validation is not None
    assert torch.equal(trainer._validation[2][0][0], task.validation[0])
    read = [
        source._offsets for feed in trainer._data._feeds.values() if isinstance(source := feed._source, FeedWindows)
    ]
    trainer.begin(RUNS)
    again = [
        source._offsets for feed in trainer._data._feeds.values() if isinstance(source := feed._source, FeedWindows)
    ]
    assert len(read) == 2
    assert all(one is other for one, other in zip(read, again, strict=True))
