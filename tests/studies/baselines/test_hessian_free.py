"""Hessian-free: exact where the loss is a linear model's squared error, damped where the model misjudges."""

import pytest
import torch
from torch import Tensor

from adaqn_lab import Need
from studies.baselines.hessian_free import HessianFree, HessianFreeOptimizer

RUNS, N = 2, 3


class Problem:
    """Least squares in ``N`` unknowns for each run, or (``bent``) with outputs that saturate."""

    def __init__(self, bent: bool = False) -> None:
        generator = torch.Generator().manual_seed(3)
        self.A = torch.randn(RUNS, 8, N, generator=generator, dtype=torch.float64)
        self.b = torch.randn(RUNS, 8, 1, generator=generator, dtype=torch.float64)
        self.w = torch.zeros(RUNS, N, 1, dtype=torch.float64, requires_grad=True)
        self.bent = bent

    def curvature(self) -> tuple[Tensor, Tensor]:
        outputs = self.A @ self.w
        outputs = torch.tanh(outputs) if self.bent else outputs
        return ((outputs - self.b) ** 2).mean((1, 2)), outputs

    def loss(self) -> Tensor:
        return self.curvature()[0]

    def optimizer(self, lr: tuple[float, ...] = (1.0, 1.0), **options: float) -> HessianFreeOptimizer:
        callables = {"batch": self.loss, "curvature": self.curvature}
        made = HessianFree(**options).build([self.w], lr, callables)  # type: ignore[arg-type]
        assert isinstance(made, HessianFreeOptimizer)
        return made

    def step(self, optimizer: HessianFreeOptimizer) -> None:
        optimizer.zero_grad()
        self.loss().sum().backward()
        optimizer.step()


def test_one_step_solves_least_squares() -> None:
    problem = Problem()
    problem.step(problem.optimizer(damping=1e-12, iterations=N))
    torch.testing.assert_close(problem.w.detach(), torch.linalg.lstsq(problem.A, problem.b).solution)


def test_half_the_rate_goes_half_the_way_for_its_run() -> None:
    problem = Problem()
    problem.step(problem.optimizer(lr=(1.0, 0.5), damping=1e-12, iterations=N))
    solution = torch.linalg.lstsq(problem.A, problem.b).solution
    torch.testing.assert_close(problem.w.detach(), torch.stack((solution[0], 0.5 * solution[1])))


def test_the_damping_is_what_the_solution_says() -> None:
    problem = Problem()
    problem.step(problem.optimizer(damping=0.7, iterations=N))
    # The mean over 8 outputs: G = (2/8) A'A.
    G = 2 / 8 * problem.A.mT @ problem.A + 0.7 * torch.eye(N, dtype=torch.float64)
    torch.testing.assert_close(problem.w.detach(), torch.linalg.solve(G, 2 / 8 * problem.A.mT @ problem.b))


def test_a_model_that_foretells_the_loss_is_damped_less_and_another_more() -> None:
    honest, bent = Problem(), Problem(bent=True)
    for problem, lr in ((honest, (1.0, 1.0)), (bent, (300.0, 1.0))):
        optimizer = problem.optimizer(lr=lr, damping=1e-3, iterations=N, factor=2.0)
        problem.step(optimizer)
        if problem is honest:
            assert optimizer._damping.tolist() == pytest.approx([5e-4, 5e-4])
        else:
            assert optimizer._damping[0] == pytest.approx(2e-3)  # 300 times too far


def test_a_run_without_a_finite_gradient_stays_and_its_neighbour_steps() -> None:
    problem, calm = Problem(), Problem()
    optimizer, other = problem.optimizer(), calm.optimizer()
    problem.loss().sum().backward()
    calm.loss().sum().backward()
    assert problem.w.grad is not None
    problem.w.grad[0] = torch.inf
    optimizer.step()
    other.step()
    assert torch.equal(problem.w[0], torch.zeros_like(problem.w[0]))
    assert torch.equal(problem.w[1], calm.w[1])


def test_it_counts_what_it_asks_for() -> None:
    problem = Problem()
    optimizer = problem.optimizer(iterations=4)
    problem.step(optimizer)
    assert optimizer.oracle_calls_by_need == {Need.GAUSS_NEWTON_PRODUCT: 5, Need.BATCH_GRADIENT: 1}


def test_rates_are_read_at_every_step() -> None:
    problem = Problem()
    optimizer = problem.optimizer()
    optimizer.param_groups[0]["lr"].copy_(torch.tensor([0.0, 1.0]))
    problem.step(optimizer)
    assert torch.equal(problem.w[0], torch.zeros_like(problem.w[0]))
    assert not torch.equal(problem.w[1], torch.zeros_like(problem.w[1]))
