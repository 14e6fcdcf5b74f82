"""What a step costs next to the training around it: LSTMs with real batches, forward and backward passes beside."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from adaqn_lab import QuasiNewton
from tests.benchmarks.models import SIZES, Characters, Loss, parameters
from tests.benchmarks.peers.first_order import FIRST_ORDER
from tests.benchmarks.stepping import LR, touch
from tests.benchmarks.test_step import ON_ALL_SIZES, RECIPES
from tests.benchmarks.timing import Call, Race

TRAINING = "forward and backward"
CASES = [(size, name) for size in ("0.1M", "1M", "10M") for name in ON_ALL_SIZES]


class LossAndOutputs(Loss):
    """``() -> (loss, outputs)``, as curvature callables may return."""

    def __call__(self) -> tuple[Tensor, Tensor]:
        outputs = self.model(self.x).flatten(0, 1)
        return nn.functional.cross_entropy(outputs, self.y.flatten()), outputs


def forward_and_backward(model: Characters, loss: Loss) -> Call:
    """A training loop's own work for one mini-batch."""

    def call() -> None:
        model.zero_grad()
        loss().backward()

    return call


@pytest.mark.usefixtures("compiled")
@pytest.mark.benchmark(group="training")
@pytest.mark.parametrize(("size", "name"), CASES, ids=["_".join(case) for case in CASES])
def test_training(size, name, benchmark, compete):
    short = {"batch": 2, "length": 3} if benchmark.disabled else {}
    model = SIZES["tiny" if benchmark.disabled else size].build()
    loss, recipe = Loss(model, 1, **short), RECIPES[name]
    curvature = LossAndOutputs(model, 2, **short)
    callables = {"monitor": Loss(model, 3, **short), "curvature": curvature, "batch": loss, "overlap": loss}
    train = forward_and_backward(model, loss)
    train()
    optimizer = QuasiNewton(model.parameters(), recipe, lr=LR, **callables)
    every = recipe.cadence.every

    def own() -> None:
        for _ in range(every):
            optimizer.step()

    own()
    touch(optimizer)
    copy = SIZES["tiny" if benchmark.disabled else size].build()
    others = {TRAINING: forward_and_backward(copy, Loss(copy, 1, **short))}
    others[TRAINING]()
    for label in ("foreach Adam", "fused Adam"):
        others[label] = _steps(FIRST_ORDER[label](_Parameters(copy)), every)
    compete(Race(own, others), case={"size": size, "n": parameters(model), "recipe": name, "steps": every}, absent={})


class _Parameters:
    """What ``FIRST_ORDER`` asks of."""

    def __init__(self, model: nn.Module) -> None:
        self.parameters = list(model.parameters())


def _steps(optimizer: torch.optim.Optimizer, count: int) -> Call:
    def call() -> None:
        for _ in range(count):
            optimizer.step()

    return call
