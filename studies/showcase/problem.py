"""The problem: f(w) = mean_i log(1 + exp(-b_i (a_i' x + c))) + (lambda / 2) |w|^2, w = (x, c), lambda = 1 / m."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor
from torch.nn.functional import softplus


@dataclass(frozen=True)
class Logistic:
    """Features a_i (m, n) and labels b_i = -1 or 1 (m,), float64; all functions take R models side by side.

    Parameters are x (R, n) and c (R, 1); a sample is given by its rows, (R, B) or (B,) for all models alike.
    """

    features: Tensor
    labels: Tensor

    @property
    def examples(self) -> int:
        """Number m of examples."""
        return len(self.labels)

    @property
    def penalty(self) -> float:
        """The coefficient lambda = 1 / m."""
        return 1 / self.examples

    def outputs(self, x: Tensor, c: Tensor, rows: Tensor) -> Tensor:
        """Return (logits, x, c) as (R, B + n + 1): with the parameters among the outputs, the Gauss-Newton matrix
        of `loss` has the penalty's part too, and is the Hessian.
        """
        logits = (self.features[rows] @ x.unsqueeze(-1)).squeeze(-1) + c
        return torch.cat([logits, x, c], dim=1)

    def loss(self, outputs: Tensor, rows: Tensor) -> Tensor:
        """Return f on the sample: (R,), a mean over its examples plus the penalty."""
        count = rows.shape[-1]
        logits, w = outputs[:, :count], outputs[:, count:]
        return softplus(-self.labels[rows] * logits).mean(1) + 0.5 * self.penalty * (w * w).sum(1)

    def value(self, x: Tensor, c: Tensor) -> Tensor:
        """Return f on all data: (R,)."""
        rows = torch.arange(self.examples)
        return self.loss(self.outputs(x, c, rows), rows)


@dataclass(frozen=True)
class Floor:
    """The optimum that L-BFGS-B found: f there, the largest entry of the gradient, and the calls of f it took."""

    value: float
    gradient: float
    evaluations: int
    w: tuple[float, ...]


@cache
def breast_cancer() -> Logistic:
    """Return scikit-learn's breast-cancer data (569 examples, 30 features), standardised."""
    from sklearn.datasets import load_breast_cancer  # its import takes a second, which other commands do not owe

    raw, labels = load_breast_cancer(return_X_y=True)
    features = (raw - raw.mean(0)) / raw.std(0)
    return Logistic(torch.from_numpy(features), torch.from_numpy(2.0 * labels - 1.0))


def optimum(problem: Logistic) -> Floor:
    """Return the optimum by SciPy's L-BFGS-B from w = 0."""

    def objective(w: np.ndarray) -> tuple[float, np.ndarray]:
        leaf = torch.tensor(w[None], requires_grad=True)
        value = problem.value(leaf[:, :-1], leaf[:, -1:]).sum()
        (gradient,) = torch.autograd.grad(value, leaf)
        return float(value.detach()), gradient[0].numpy()

    start = np.zeros(problem.features.shape[1] + 1)
    options = {"maxiter": 10_000, "maxfun": 20_000, "maxcor": 30, "ftol": 0.0, "gtol": 1e-10}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    return Floor(float(found.fun), float(np.abs(found.jac).max()), int(found.nfev), tuple(found.x.tolist()))
