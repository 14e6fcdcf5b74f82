"""What the optimizers for R runs have in common."""

import pytest
import torch

from studies.baselines.factory import OptimizerFactory
from studies.baselines.muon import MuonWithAdamW
from studies.baselines.runs import RunsOptimizer, eigh_of_finite, finite
from studies.baselines.shampoo import Shampoo
from studies.baselines.soap import SOAP
from tests.studies.baselines.moving import SHAPES, parameters, push

METHODS = [MuonWithAdamW(), SOAP(), Shampoo(block_size=5)]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_all_is_made_on_the_parameters_device(method: OptimizerFactory) -> None:
    """Tensors without memory: beside one on the CPU, and where a number is read, torch raises."""
    params = [torch.empty(2, *shape, device="meta", requires_grad=True) for shape in SHAPES]
    optimizer = method.build(params, (0.1, 0.2), {})
    assert optimizer.param_groups[0]["lr"].device.type == "meta"
    for _ in range(12):
        for p in params:
            p.grad = torch.empty_like(p)
        optimizer.step()


def test_a_closure_is_asked_with_gradients_and_its_loss_returned() -> None:
    params = parameters()
    optimizer = MuonWithAdamW().build(params, (0.1, 0.2, 0.3), {})
    push(params, 0)

    def closure() -> str:
        assert torch.is_grad_enabled()
        return "loss"

    assert optimizer.step(closure) == "loss"  # type: ignore[arg-type, comparison-overlap]


def test_a_subclass_says_what_a_step_does() -> None:
    with pytest.raises(NotImplementedError):
        RunsOptimizer(parameters(), (0.1, 0.2, 0.3)).step()


def test_eigenvectors_of_finite_matrices_beside_one_that_is_not() -> None:
    g = torch.randn(3, 5, 5, generator=torch.Generator().manual_seed(0))
    calm = g @ g.mT
    struck = calm.clone()
    struck[1, 2, 3] = torch.inf
    assert finite(struck).flatten().tolist() == [True, False, True]
    for one, other in zip(eigh_of_finite(calm), eigh_of_finite(struck), strict=True):
        assert one.dtype == torch.float64
        assert torch.equal(one[[0, 2]], other[[0, 2]])
        assert other[1].isnan().all()
    values, vectors = eigh_of_finite(calm)
    torch.testing.assert_close(vectors @ torch.diag_embed(values) @ vectors.mT, calm.double())
