"""R runs with R rates step as torch.optim steps each of them alone."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.optim import Optimizer

from studies.baselines.factory import OptimizerFactory
from studies.baselines.muon import MuonWithAdamW
from studies.baselines.rates import RunRates
from studies.baselines.torch_optimizers import TorchOptimizer
from studies.variants.baselines import BASELINES, FURTHER_BASELINES
from studies.variants.variant import Variant
from tests.studies.baselines.moving import (
    RATES,
    SHAPES,
    apart,
    assert_a_replay_is_the_steps,
    assert_a_struck_run_harms_no_other,
    assert_rates_are_read_at_every_step,
    calls,
    parameters,
    push,
    together,
)

TORCH: list[tuple[OptimizerFactory, type[Optimizer], dict[str, object]]] = [
    (TorchOptimizer(torch.optim.SGD, (("momentum", 0.9), ("nesterov", True))), torch.optim.SGD,
     {"momentum": 0.9, "nesterov": True}),
    (TorchOptimizer(torch.optim.Adagrad), torch.optim.Adagrad, {}),
    (TorchOptimizer(torch.optim.RMSprop), torch.optim.RMSprop, {}),
    (TorchOptimizer(torch.optim.Adam), torch.optim.Adam, {}),
    (TorchOptimizer(torch.optim.AdamW, decay=0.01), torch.optim.AdamW, {}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "kind", "options"), TORCH, ids=lambda value: getattr(value, "__name__", ""))
def test_each_run_steps_as_torchs_own(
    method: OptimizerFactory, kind: type[Optimizer], options: dict[str, object]
) -> None:
    found = together(method, parameters(), steps=12)
    wanted = apart(lambda params, lr: [kind(params, lr=lr, **options)], parameters(), steps=12)  # type: ignore[call-arg]
    for mine, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("method", "kind", "options"), TORCH[:4], ids=lambda value: getattr(value, "__name__", ""))
def test_one_run_is_torchs_own_optimizer(
    method: OptimizerFactory, kind: type[Optimizer], options: dict[str, object]
) -> None:
    assert type(method.build(parameters(), (0.1,), {})) is kind


@pytest.mark.parametrize(("method", "kind", "options"), TORCH, ids=lambda value: getattr(value, "__name__", ""))
def test_a_run_that_is_not_finite_keeps_it_to_itself(
    method: OptimizerFactory, kind: type[Optimizer], options: dict[str, object]
) -> None:
    assert_a_struck_run_harms_no_other(method, torch.nan, at=1, steps=3)


@pytest.mark.parametrize(("method", "kind", "options"), TORCH, ids=lambda value: getattr(value, "__name__", ""))
def test_rates_are_read_at_every_step(
    method: OptimizerFactory, kind: type[Optimizer], options: dict[str, object]
) -> None:
    if kind is not torch.optim.AdamW:  # whose decay moves the weights in proportion to the rate too, but from theirs
        assert_rates_are_read_at_every_step(method, steps=3)


def test_the_decay_follows_the_rate() -> None:
    params = parameters()
    optimizer = TorchOptimizer(torch.optim.AdamW, decay=0.5).build(params, RATES, {})
    optimizer.param_groups[0]["lr"].fill_(0.1)
    before = [p.detach().clone() for p in params]
    for p in params:
        p.grad = torch.zeros_like(p)
    optimizer.step()
    for p, old in zip(params, before, strict=True):
        torch.testing.assert_close(p.detach(), 0.95 * old)


def test_a_parameter_without_gradient_stays() -> None:
    params = parameters()
    optimizer = TorchOptimizer(torch.optim.AdamW, decay=0.5).build(params, RATES, {})
    push(params[1:], 0)
    optimizer.step()
    assert torch.equal(params[0], parameters()[0])
    assert not torch.equal(params[1], parameters()[1])


SAME_STEPS = [
    each for each in (*BASELINES, *FURTHER_BASELINES) if isinstance(each.method, TorchOptimizer | MuonWithAdamW)
]


@pytest.mark.parametrize("runs", [1, 3])
@pytest.mark.parametrize("variant", SAME_STEPS, ids=lambda variant: variant.name)
def test_on_a_gpu_all_is_on_the_gpu_and_may_be_captured(variant: Variant, runs: int) -> None:
    """Tensors which pretend: a mixture of devices, or a number read from one, raises; so one rate needs `RunRates`."""
    with FakeTensorMode():
        params = [torch.empty(runs, *shape, device="cuda", requires_grad=True) for shape in SHAPES]
        optimizer = variant.method.build(params, (0.1,) * runs, {})  # type: ignore[union-attr]
        assert optimizer.param_groups[0]["lr"].device == params[0].device
        assert optimizer.capturable is True  # type: ignore[attr-defined]
        for _ in range(3):
            for p in params:
                p.grad = torch.empty_like(p)
            optimizer.step()


def test_adagrad_whose_rate_decays_by_itself_is_not_captured() -> None:
    with FakeTensorMode():
        params = [torch.empty(2, 3, device="cuda", requires_grad=True)]
        optimizer = TorchOptimizer(torch.optim.Adagrad, (("lr_decay", 0.1),)).build(params, (0.1, 0.2), {})
        assert optimizer.capturable is False  # type: ignore[attr-defined]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_reads_nothing_on_the_host_and_can_be_replayed(momentum: float) -> None:
    method = TorchOptimizer(torch.optim.SGD, (("momentum", momentum),))
    assert calls(method, 2, steps=3) == calls(method, 7, steps=3)
    assert_a_replay_is_the_steps(method)


def test_a_step_is_rounded_once() -> None:
    """w + lr (-g) as addcmul rounds it, to the bit: the losses of old studies hang on it."""
    params = parameters(dtype=torch.float32)
    optimizer = TorchOptimizer(torch.optim.SGD).build(params, RATES, {})
    push(params, 0)
    rates = torch.tensor(RATES)
    gradients = [p.grad for p in params if p.grad is not None]
    optimizer.step()
    for p, g, old in zip(params, gradients, parameters(dtype=torch.float32), strict=True):
        assert torch.equal(p, torch.addcmul(old, -g, rates.view(-1, *(1,) * (p.dim() - 1))))


def test_weight_decay_that_would_see_zeros_is_refused() -> None:
    with pytest.raises(ValueError, match="would not see the weights"):
        RunRates(parameters(), RATES, lambda params, lr: torch.optim.SGD(params, lr=lr, weight_decay=0.1))


class Alien(torch.optim.SGD):
    """An optimizer that is not torch's."""


def test_methods_print_what_they_are_and_compare() -> None:
    names = {variant.name: repr(variant.method) for variant in FURTHER_BASELINES}
    assert names["SGD-Nesterov"] == "torch.optim.SGD(momentum=0.9, nesterov=True)"
    assert names["AdamW"] == "torch.optim.AdamW(weight_decay=0.01)"
    assert names["Muon"] == "MuonWithAdamW(momentum=0.95)"
    assert repr(TorchOptimizer(Alien)) == f"{__name__}.Alien()"
    assert names["SOAP"].startswith("SOAP(beta1=0.95, beta2=0.95, ")
    assert len(set(names.values())) == len(names)
    assert len({variant.method for variant in FURTHER_BASELINES}) == len(names)
