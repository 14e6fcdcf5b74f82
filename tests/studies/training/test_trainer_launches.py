"""What a settled step does outside its graphs: few launches, whatever R is; no read on the host, no loop over runs.

Adam and AdaGrad are torch's own, whose form for a CPU reads its count on the host; that for a GPU is captured.
"""

from collections import Counter
from functools import partial

import pytest
import torch

import adaqn_lab.optimizer
from adaqn_lab.graphs import Graphs, Work
from studies.models import Architecture
from studies.tasks import CharacterTask, Text, Windows
from studies.training.schedule import Schedule
from studies.training.trainer import Trainer
from studies.variants.names import known_variants
from verification.host_reads import Watch

CPU = torch.device("cpu")
LSTM = Architecture(unit="lstm", embedding=6, hidden=8)
MOST_LAUNCHES = 60
FREE = {
    "aten::view", "aten::_unsafe_view", "aten::slice", "aten::select", "aten::unsqueeze", "aten::squeeze",
    "aten::expand", "aten::transpose", "aten::t", "aten::detach", "aten::alias", "aten::as_strided", "aten::split",
    "aten::unbind", "aten::empty", "aten::empty_like", "aten::new_empty", "aten::permute", "aten::flatten",
    "aten::reshape", "aten::split_with_sizes", "aten::view_as", "aten::lift_fresh", "aten::empty_strided",
}  # fmt: skip
"""Operators that launch nothing."""


def once(work: Work) -> Work:
    """A recording whose replay costs nothing: what is counted is then outside of it."""
    work()
    return lambda: None


@pytest.fixture
def task(text: Text) -> CharacterTask:
    return CharacterTask(text, Windows(batch_size=5, length=7, held_out=20, monitor_batches=2))


def launches(
    task: CharacterTask, name: str, count: int, schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> Counter[str]:
    monkeypatch.setattr(adaqn_lab.optimizer, "Graphs", partial(Graphs, once))
    trainer = Trainer(
        known_variants(5)[name], [(0.03, seed) for seed in range(count)], task=task, architecture=LSTM,
        schedule=schedule, device=CPU, record=once,
    )  # fmt: skip
    for _ in range(trainer.warm_up + 1):
        trainer.step()
    with Watch() as watch:
        trainer.step()
    return Counter({name: number for name, number in watch.count.items() if name not in FREE})


@pytest.mark.parametrize("name", ["ADAQN", "ADAQN_RESCALED", "ADAQN_GAUSS_NEWTON", "Muon", "SGD"])
@pytest.mark.parametrize("ema", [None, 0.99])
def test_a_step_launches_little_outside_its_graphs_however_many_runs(
    task: CharacterTask, name: str, ema: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = Schedule(steps=60, decay="linear", ema=ema)
    two, seven = (launches(task, name, count, schedule, monkeypatch) for count in (2, 7))
    assert two == seven
    # Of one parameter each; foreach operators, which a GPU does in one launch, are one.
    assert sum(two.values()) <= MOST_LAUNCHES, two


@pytest.mark.parametrize("name", ["K-FAC", "SOAP", "Shampoo", "Hessian-free"])
def test_second_order_baselines_do_the_same_whatever_the_number_of_runs(
    task: CharacterTask, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = Schedule(steps=60)
    two, seven = (launches(task, name, count, schedule, monkeypatch) for count in (2, 7))
    assert two == seven


def test_batches_come_in_one_transfer_for_many_steps(task: CharacterTask, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = Schedule(steps=300)
    trainer = Trainer(
        known_variants(5)["SGD"], [(0.03, seed) for seed in range(3)], task=task, architecture=LSTM, schedule=schedule,
        device=CPU, record=once,
    )  # fmt: skip
    drawn = list[int]()
    source = trainer._data._feeds[1]._source
    draw = source.draw
    monkeypatch.setattr(source, "draw", lambda steps: drawn.append(steps) or draw(steps))
    for _ in range(300):
        trainer.step()
    assert drawn == [100, 100]  # beside the first hundred, which were drawn before the first step
