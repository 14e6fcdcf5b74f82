"""On a GPU: every variant's losses are the CPU's to rounding, and captured steps are the eager ones bit for bit."""

import pytest
import torch

from adaqn_lab.graphs import CudaGraph
from studies.models import architecture
from studies.tasks import CharacterTask, Text, Windows
from studies.training.loop import train_all, train_many
from studies.training.outcome import Outcome
from studies.training.packing import measure
from studies.training.schedule import Schedule
from studies.training.trainer import Trainer
from studies.variants.names import known_variants
from tests.adaqn_lab.small import gpu, needs_cuda

pytestmark = [gpu, needs_cuda]
GPU = torch.device("cuda")
RUNS = [(0.01, 3), (0.02, 4), (0.01, 5)]
LSTM = architecture("lstm")
AMPLIFIES = {"SOAP": 5, "Shampoo": 5, "Muon": 10, "Hessian-free": 5}
"""Steps over which the losses are compared where the method amplifies rounding: eigenvectors of close eigenvalues, a
sum in bfloat16, conjugate gradients without a test of convergence."""


@pytest.fixture(scope="module")
def task(text: Text) -> CharacterTask:
    return CharacterTask(text, Windows(batch_size=10, length=15, held_out=40, monitor_batches=2))


def curve(outcome: Outcome) -> list[float]:
    return [point.loss for point in outcome.curve]


@pytest.mark.parametrize("name", sorted(known_variants(10)))
def test_fifty_steps_give_the_losses_of_the_cpu(task: CharacterTask, name: str) -> None:
    steps = AMPLIFIES.get(name, 50)
    schedule = Schedule(steps=steps, points=steps)
    common = {"task": task, "architecture": LSTM, "schedule": schedule}
    here = train_many(known_variants(10)[name], RUNS, **common)  # type: ignore[arg-type]
    there = train_many(known_variants(10)[name], RUNS, device="cuda", **common)  # type: ignore[arg-type]
    for mine, other in zip(here, there, strict=True):
        assert curve(other)[0] == pytest.approx(curve(mine)[0], rel=1e-5)  # the same parameters and data
        assert curve(other)[1] == pytest.approx(curve(mine)[1], rel=1e-4)  # the same first batch
        assert curve(other) == pytest.approx(curve(mine), rel=1e-2)


@pytest.mark.parametrize("name", ["ADAQN", "ADAQN_GAUSS_NEWTON", "Adam", "AdaGrad", "RMSProp", "SGD", "Muon", "K-FAC"])
def test_captured_steps_are_the_eager_ones_and_serve_the_next_runs(task: CharacterTask, name: str) -> None:
    variant, schedule = known_variants(10)[name], Schedule(steps=65, points=13, decay="linear", ema=0.9)
    common = {"task": task, "architecture": LSTM, "schedule": schedule, "device": GPU}
    captured = Trainer(variant, RUNS, record=CudaGraph(), **common)  # type: ignore[arg-type]
    for place, runs in enumerate((RUNS, RUNS[::-1])):
        eager = Trainer(variant, runs, **common)  # type: ignore[arg-type]
        if place:
            captured.begin(runs)
        found, wanted = (train_all(each, 3, schedule, GPU, lambda: False) for each in (captured, eager))
        assert [curve(outcome) for outcome in found] == [curve(outcome) for outcome in wanted]
        assert [outcome.ema_test_loss for outcome in found] == [outcome.ema_test_loss for outcome in wanted]


@pytest.mark.parametrize("runs", [1, 64])
def test_a_step_is_measured(task: CharacterTask, runs: int) -> None:
    found = measure(known_variants(10)["ADAQN"], runs, task=task, architecture=LSTM, steps=40, device="cuda")
    assert found.memory > 0
    assert set(found.shares) == {"data", "gradients", "optimizer", "launches"}
