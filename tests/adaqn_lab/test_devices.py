"""Every tensor lies where the parameters are: on the meta device a single one elsewhere raises."""

import pytest
import torch

from adaqn_lab import QuasiNewton
from tests.adaqn_lab.small import VARIANTS, memory

WINDOWS = 5


def squares(parameters, runs):
    """``() -> loss`` of each run: a monitor and a curvature callable that any device can evaluate."""
    return lambda: sum(p.pow(2).reshape(runs, -1).sum(1) for p in parameters).squeeze(0)


@pytest.mark.parametrize("runs", [1, 3])
@pytest.mark.parametrize("name", VARIANTS)
def test_nothing_is_made_on_another_device(name, runs):
    parameters = [torch.nn.Parameter(torch.zeros(runs, *shape, device="meta")) for shape in [(4, 2), (3,)]]
    loss = squares(parameters, runs)
    optimizer = QuasiNewton(parameters, VARIANTS[name], lr=0.1, runs=runs, monitor=loss, curvature=loss)
    for _ in range(WINDOWS * VARIANTS[name].cadence.every):
        for p in parameters:
            p.grad = torch.ones_like(p)
        optimizer.step()
    assert {tensor.device.type for tensor in memory(optimizer).values()} == {"meta"}
    assert optimizer.operator(torch.zeros(runs, 11, device="meta")).device.type == "meta"
