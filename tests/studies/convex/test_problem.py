"""The convex problem: its optimum, what sampling can reach, its curvature."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from studies.convex.problem import DATA, Logistic, breast_cancer, optimum


@pytest.mark.parametrize("data", DATA)
def test_the_floor_is_the_optimum_of_a_plain_implementation(data: str) -> None:
    problem = DATA[data].load()
    floor, m = optimum(problem), problem.examples
    assert floor.gradient < 1e-8
    A = np.hstack([problem.features.numpy(), np.ones((problem.examples, 1))])
    b, penalty = problem.labels.numpy(), 1 / m

    def f(w: np.ndarray) -> tuple[float, np.ndarray]:
        z = b * (A @ w)
        value = np.logaddexp(0, -z).mean() + penalty / 2 * w @ w
        return float(value), A.T @ (-b / (1 + np.exp(z))) / len(b) + penalty * w

    value, gradient = f(np.array(floor.w))
    assert value == pytest.approx(floor.value, rel=1e-12)
    assert np.abs(gradient).max() < 1e-8
    other = minimize(f, np.zeros(A.shape[1]), jac=True, method="BFGS", options={"gtol": 1e-9})
    assert other.fun == pytest.approx(floor.value, rel=1e-9)


def test_the_noise_is_that_of_estimates_from_many_samples() -> None:
    """On data without structure: the mean f - f* of the optima of resampled problems, against noise / N."""
    draw = np.random.default_rng(0)
    A, N = draw.standard_normal((400, 2)), 4000
    b = np.sign(A[:, 0] + 2 * draw.standard_normal(400))
    problem = Logistic(torch.from_numpy(A), torch.from_numpy(b))
    floor, gaps = optimum(problem), []
    rows, w = np.hstack([A, np.ones((400, 1))]), torch.tensor(floor.w, dtype=torch.float64)
    for _ in range(200):
        count = np.bincount(draw.integers(400, size=N), minlength=400) / N

        def f(w: np.ndarray, count: np.ndarray = count) -> float:
            return float(count @ np.logaddexp(0, -b * (rows @ w)) + w @ w / 800)

        found = torch.from_numpy(minimize(f, w.numpy(), method="BFGS").x)
        gaps.append(float(problem.value(found[None, :2], found[None, 2:])) - floor.value)
    assert np.mean(gaps) == pytest.approx(floor.noise / N, rel=5 * np.sqrt(2 / 3 / 200))


def test_gauss_newton_of_the_outputs_is_the_hessian() -> None:
    problem = breast_cancer()
    rows = torch.arange(40)[None]
    x, c = (torch.randn(1, n, dtype=torch.float64, generator=torch.manual_seed(n)) for n in (30, 1))
    outputs = problem.outputs(x, c, rows)
    curved = torch.func.hessian(lambda o: problem.loss(o[None], rows)[0])(outputs[0])
    J = torch.func.jacrev(lambda w: problem.outputs(w[None, :30], w[None, 30:], rows)[0])(torch.cat([x, c], 1)[0])
    H = torch.func.hessian(lambda w: problem.loss(problem.outputs(w[None, :30], w[None, 30:], rows), rows)[0])(
        torch.cat([x, c], 1)[0]
    )
    assert torch.allclose(J.T @ curved @ J, H, rtol=1e-10, atol=1e-14)
