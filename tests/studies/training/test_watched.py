"""Training that is watched is the training that is not, and what the watcher is given is its own."""

from dataclasses import asdict
from typing import Any

import pytest
import torch
from torch.optim import Optimizer

from studies.models import architecture
from studies.tasks import Text, named_task
from studies.training.loop import train_many
from studies.training.outcome import Outcome
from studies.training.schedule import Schedule
from studies.training.watched import Curvature, train_watched
from studies.variants.names import choose_variants
from verification import audit


def told(outcomes: list[Outcome]) -> list[dict[str, Any]]:
    """All but the time."""
    found = []
    for outcome in outcomes:
        fields = asdict(outcome) | {"seconds": None, "first_seconds": None}
        found.append(fields | {"curve": [(point["steps"], point["loss"]) for point in fields["curve"]]})
    return found


@pytest.mark.parametrize(
    ("variant", "model"), [("ADAQN", "lstm"), ("ADAQN_RESCALED", "lstm-2-dropout"), ("ADAQN_GAUSS_NEWTON", "rnn-tanh")]
)
@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_an_audited_run_is_the_run(text: Text, variant: str, model: str, seeds: tuple[int, ...]) -> None:
    task = named_task("characters", text, smoke=True)
    (method,) = choose_variants((variant,), task.batch_size)
    setting: dict[str, Any] = {
        "task": task,
        "architecture": architecture(model, hidden=8),
        "schedule": Schedule(steps=65, points=3),
    }
    runs = [(0.05, seed) for seed in seeds]
    found = []
    watched = train_watched(
        method, runs, lambda *given: found.append(audit(*given, matrix="fisher")), sequences=30, **setting
    )
    assert told(watched) == told(train_many(method, runs, **setting))
    rows = found[0].rows
    assert {(row.step, row.run) for row in rows} >= {(40, run) for run in range(len(seeds))}
    assert found[0].summary().matrix.startswith("the Fisher matrix, which for softmax")


def test_each_look_has_new_sequences_of_the_number_asked_for(text: Text) -> None:
    task = named_task("characters", text, smoke=True)
    (method,) = choose_variants(("ADAQN",), task.batch_size)
    seen: list[tuple[torch.Size, torch.Tensor]] = []

    def watch(optimizer: Optimizer, curvature: Curvature) -> None:
        for _ in range(3):
            losses, outputs = curvature()
            seen.append((outputs.shape, losses.detach()))

    train_watched(
        method, [(0.1, 0), (0.1, 1)], watch, task=task, architecture=architecture("rnn-tanh", hidden=8),
        schedule=Schedule(steps=1, points=1), sequences=55,
    )  # fmt: skip
    assert [shape[:3] for shape, _ in seen] == [torch.Size((2, 15, 55))] * 3  # runs, symbols, sequences
    assert len({tuple(losses.tolist()) for _, losses in seen}) == 3
    assert all(losses[0] != losses[1] for _, losses in seen)
