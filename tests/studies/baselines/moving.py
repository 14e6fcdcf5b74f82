"""R runs of a moving quadratic, for optimizers that step them together."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.utils._python_dispatch import TorchDispatchMode

from studies.baselines.factory import OptimizerFactory
from tests.adaqn_lab.tape import Tape, record

RATES = (0.003, 0.03, 0.3)
SHAPES = (5, 4), (6, 5), (5, 6), (6,), (2, 3), (2,)
"""A matrix's first G G' is singular, and rounding chooses a basis of its null space, unless that is a line: so both
sides differ by one at most."""


def parameters(
    shapes: Sequence[tuple[int, ...]] = SHAPES, runs: int = 3, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(runs, *shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]


def push(params: Sequence[Tensor], step: int, first: int = 0) -> None:
    """Gradients of a quadratic whose centre moves: each step's depend on where the run is, and on its number."""
    for index, p in enumerate(params):
        for run in range(len(p)):
            generator = torch.Generator().manual_seed(1000 * step + 10 * index + first + run)
            noise = torch.randn(p.shape[1:], generator=generator, dtype=torch.float64).to(p)
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
            p.grad[run] = p.detach()[run] + noise


def together(
    method: OptimizerFactory, params: list[Tensor], steps: int, rates: Sequence[float] = RATES, first: int = 0
) -> list[Tensor]:
    """Step the runs, of which the first has the number ``first``, together and return where they are."""
    optimizer = method.build(params, rates, {})
    for step in range(steps):
        push(params, step, first)
        optimizer.step()
    return [p.detach() for p in params]


def apart(
    make: Callable[[list[Tensor], float], Sequence[Optimizer]],
    params: list[Tensor],
    steps: int,
    rates: Sequence[float] = RATES,
) -> list[Tensor]:
    """Step every run by optimizers of its own and return where they are, stacked."""
    single = [[p.detach()[run].clone().requires_grad_() for p in params] for run in range(len(rates))]
    optimizers = [make(own, lr) for own, lr in zip(single, rates, strict=True)]
    for step in range(steps):
        stacked = [torch.stack(row).detach() for row in zip(*single, strict=True)]
        push(stacked, step)
        for run, own in enumerate(single):
            for p, row in zip(own, stacked, strict=True):
                p.grad = None if row.grad is None else row.grad[run].clone()
            for optimizer in optimizers[run]:
                optimizer.step()
    return [torch.stack(row).detach() for row in zip(*single, strict=True)]


def assert_one_steps_as_a_row_of_many(method: OptimizerFactory, steps: int, **tolerance: float) -> None:
    """Every run alone (R = 1) arrives where it does beside two others."""
    many = together(method, parameters(), steps)
    for run, lr in enumerate(RATES):
        alone = [p.detach()[run : run + 1].clone().requires_grad_() for p in parameters()]
        for one, every in zip(together(method, alone, steps, (lr,), run), many, strict=True):
            torch.testing.assert_close(one[0], every[run], **tolerance)


def assert_a_struck_run_harms_no_other(method: OptimizerFactory, strike: float, at: int, steps: int) -> None:
    """Run 1's first gradient becomes ``strike`` at step ``at``: it ends as NaN, the others keep every bit."""
    calm, struck = parameters(), parameters()
    optimizers = [method.build(params, RATES, {}) for params in (calm, struck)]
    for step in range(steps):
        for params, optimizer in zip((calm, struck), optimizers, strict=True):
            push(params, step)
            if params is struck and step == at:
                params[1].grad[1] = strike  # type: ignore[index]
            optimizer.step()
    for one, other in zip(calm, struck, strict=True):
        assert torch.equal(one[[0, 2]], other[[0, 2]])
    assert struck[1][1].isnan().all()


def assert_rates_are_read_at_every_step(method: OptimizerFactory, steps: int) -> None:
    """Rates of 0 filled in place stop a run at once, and a fifth of the rate goes a fifth of the way."""
    params, twin = parameters(), parameters()
    optimizer, other = method.build(params, RATES, {}), method.build(twin, RATES, {})
    for step in range(steps):
        for each, at in ((optimizer, params), (other, twin)):
            push(at, step)
            each.step()
    before = [p.detach().clone() for p in params]
    rates = optimizer.param_groups[0]["lr"]
    assert rates.dtype == torch.float64
    rates.copy_(torch.tensor((0.0, 0.2, 1.0), dtype=torch.float64) * rates)
    for each, at in ((optimizer, params), (other, twin)):
        push(at, steps)
        each.step()
    share = torch.tensor((0.0, 0.2, 1.0), dtype=torch.float64)
    for p, q, old in zip(params, twin, before, strict=True):
        assert torch.equal(p[0], old[0])
        wanted = share.view(-1, *(1,) * (p.dim() - 1)) * (q.detach() - old)
        torch.testing.assert_close(p.detach() - old, wanted, rtol=1e-9, atol=1e-14)


class Counting(TorchDispatchMode):
    """Counts operator calls."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += 1
        return func(*args, **(kwargs or {}))


def calls(method: OptimizerFactory, runs: int, steps: int) -> list[int]:
    """The operator calls of each step; a tape refuses reads on the host meanwhile."""
    params = parameters(runs=runs)
    optimizer = method.build(params, (0.01,) * runs, {})
    counts = []
    for step in range(steps):
        push(params, step)
        with Counting() as counting, Tape():
            optimizer.step()
        counts.append(counting.calls)
    return counts


def assert_a_replay_is_the_steps(method: OptimizerFactory) -> None:
    """A step is recorded, then replayed with other gradients and other rates in the same tensors: as if stepped."""
    stepping, replayed = parameters(), parameters()
    optimizers = [method.build(params, RATES, {}) for params in (stepping, replayed)]
    work: Callable[[], Any] = optimizers[1].step
    for step in range(6):
        push(stepping, step)
        push(replayed, step)
        if step == 3:
            for optimizer in optimizers:
                optimizer.param_groups[0]["lr"].mul_(0.5)
        optimizers[0].step()
        if step == 1:
            work = record(work)  # which runs it too
        else:
            work()
    for one, other in zip(stepping, replayed, strict=True):
        assert torch.equal(one, other)
