"""R runs with R rates step as torch.optim steps each of them alone."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torch.optim import Optimizer

from studies.baselines.factory import OptimizerFactory
from studies.baselines.rates import RunByRun, RunRates
from studies.baselines.torch_optimizers import MuonWithAdamW, TorchOptimizer
from studies.variants.baselines import FURTHER_BASELINES

RATES = (0.003, 0.03, 0.3)
TORCH: list[tuple[OptimizerFactory, type[Optimizer], dict[str, object]]] = [
    (TorchOptimizer(torch.optim.SGD, (("momentum", 0.9), ("nesterov", True))), torch.optim.SGD,
     {"momentum": 0.9, "nesterov": True}),
    (TorchOptimizer(torch.optim.Adagrad), torch.optim.Adagrad, {}),
    (TorchOptimizer(torch.optim.RMSprop), torch.optim.RMSprop, {}),
    (TorchOptimizer(torch.optim.Adam), torch.optim.Adam, {}),
    (TorchOptimizer(torch.optim.AdamW, decay=0.01), torch.optim.AdamW, {}),
]  # fmt: skip


def parameters(dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = (5, 4), (6, 4), (6, 3), (6,), (2, 3), (2,)
    return [torch.randn(3, *shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]


def push(params: Sequence[Tensor], step: int, runs: slice | int = slice(None)) -> None:
    """Gradients of a moving quadratic: each step's depend on where the run is."""
    generator = torch.Generator().manual_seed(step)
    for p in params:
        noise = torch.randn(3, *(p.shape if isinstance(runs, int) else p.shape[1:]), generator=generator)
        p.grad = p.detach() + noise.to(p)[runs]


def both(method: OptimizerFactory, alone: list[list[Optimizer]], steps: int = 12) -> tuple[list[Tensor], list[Tensor]]:
    together = parameters()
    optimizer = method.build(together, RATES, {})
    single = [[p.detach()[run].clone().requires_grad_() for p in parameters()] for run in range(3)]
    for run, makers in enumerate(alone):
        for each in makers:
            each.param_groups[0]["params"] = [single[run][i] for i in each.param_groups[0].pop("places")]
    for step in range(steps):
        push(together, step)
        optimizer.step()
        for run in range(3):
            push(single[run], step, run)
            for each in alone[run]:
                each.step()
    return together, [torch.stack(row).detach() for row in zip(*single, strict=True)]


def made(kind: type[Optimizer], lr: float, places: Sequence[int], **options: object) -> Optimizer:
    optimizer = kind([torch.zeros(1, 1, requires_grad=True)], lr=lr, **options)  # type: ignore[call-arg]
    optimizer.param_groups[0]["places"] = places
    return optimizer


@pytest.mark.parametrize(("method", "kind", "options"), TORCH, ids=lambda value: getattr(value, "__name__", ""))
def test_each_run_steps_as_torchs_own(
    method: OptimizerFactory, kind: type[Optimizer], options: dict[str, object]
) -> None:
    found, wanted = both(method, [[made(kind, lr, range(6), **options)] for lr in RATES])
    for mine, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine.detach(), theirs, rtol=1e-12, atol=1e-13)


def test_muon_steps_the_matrices_between_and_adamw_the_others() -> None:
    muon = {"weight_decay": 0.0, "adjust_lr_fn": "match_rms_adamw"}
    alone = [
        [made(torch.optim.Muon, lr, (1, 2), **muon), made(torch.optim.AdamW, lr, (0, 3, 4, 5), weight_decay=0.0)]
        for lr in RATES
    ]
    found, wanted = both(MuonWithAdamW(), alone)
    for mine, theirs in zip(found, wanted, strict=True):
        assert torch.equal(mine.detach(), theirs)  # the same calls on slices


@pytest.mark.parametrize(("method", "kind", "options"), TORCH[:4], ids=lambda value: getattr(value, "__name__", ""))
def test_one_run_is_torchs_own_optimizer(
    method: OptimizerFactory, kind: type[Optimizer], options: dict[str, object]
) -> None:
    assert type(method.build(parameters(), (0.1,), {})) is kind


def test_a_run_that_is_not_finite_keeps_it_to_itself() -> None:
    for method in (TORCH[3][0], MuonWithAdamW()):
        calm, struck = parameters(), parameters()
        optimizers = [method.build(params, RATES, {}) for params in (calm, struck)]
        for step in range(3):
            for params, optimizer in zip((calm, struck), optimizers, strict=True):
                push(params, step)
                if params is struck:
                    params[0].grad[1] = torch.nan  # type: ignore[index]
                optimizer.step()
        for one, other in zip(calm, struck, strict=True):
            assert torch.equal(one[[0, 2]], other[[0, 2]])
        assert struck[0][1].isnan().any()


def test_weight_decay_that_would_see_zeros_is_refused() -> None:
    with pytest.raises(ValueError, match="would not see the weights"):
        RunRates(parameters(), RATES, lambda params, lr: torch.optim.SGD(params, lr=lr, weight_decay=0.1))


class Fragile(torch.optim.SGD):
    def step(self, closure: object = None) -> None:  # type: ignore[override]
        if any(p.grad.isnan().any() for p in self.param_groups[0]["params"]):
            raise torch.linalg.LinAlgError
        super().step()


def test_a_run_whose_linear_algebra_fails_ends_alone() -> None:
    params = parameters()
    optimizer = RunByRun(params, RATES, lambda own, lr: [Fragile(own, lr=lr)])
    for step in range(2):
        push(params, step)
        params[0].grad[1] = torch.nan  # type: ignore[index]
        optimizer.step()
    assert all(p[1].isnan().all() for p in params)
    assert all(p[[0, 2]].isfinite().all() for p in params)


def test_methods_print_what_they_are_and_compare() -> None:
    names = {variant.name: repr(variant.method) for variant in FURTHER_BASELINES}
    assert names["SGD-Nesterov"] == "torch.optim.SGD(momentum=0.9, nesterov=True)"
    assert names["AdamW"] == "torch.optim.AdamW(weight_decay=0.01)"
    assert names["SOAP"] == "pytorch_optimizer.SOAP(weight_decay=0.0)"
    assert len(set(names.values())) == len(names)
    assert len({variant.method for variant in FURTHER_BASELINES}) == len(names)
