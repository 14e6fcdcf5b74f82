"""The problem: f(w) = mean_i log(1 + exp(-b_i (a_i' x + c))) + (lambda / 2) |w|^2, w = (x, c), lambda = 1 / m."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
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
    """The optimum that L-BFGS-B found: f there, the largest entry of the gradient, and the calls of f it took.

    ``noise``: tr(H^-1 G) / 2 there, H the Hessian of f and G the mean of the outer products of the examples' gradients.
    The best estimate from N examples drawn with replacement has an expected f - f* of about ``noise`` / N (Polyak &
    Juditsky, SIAM J. Control Optim. 30, 1992).
    """

    value: float
    gradient: float
    evaluations: int
    w: tuple[float, ...]
    noise: float


def _standardised(raw: np.ndarray, positive: np.ndarray) -> Logistic:
    varying = raw[:, raw.std(0) > 0]
    features = (varying - varying.mean(0)) / varying.std(0)
    return Logistic(torch.from_numpy(features), torch.from_numpy(np.where(positive, 1.0, -1.0)))


@cache
def digits() -> Logistic:
    """Return scikit-learn's digits, 5 to 9 against 0 to 4: 1797 examples, 61 pixels that vary, standardised."""
    from sklearn.datasets import load_digits  # its import takes a second, which other commands do not owe

    raw, labels = load_digits(return_X_y=True)
    return _standardised(raw, labels >= 5)


@cache
def breast_cancer() -> Logistic:
    """Return scikit-learn's breast-cancer data: 569 examples, 30 features, standardised."""
    from sklearn.datasets import load_breast_cancer

    raw, labels = load_breast_cancer(return_X_y=True)
    return _standardised(raw, labels == 1)


@dataclass(frozen=True)
class Data:
    """A data set as the command knows it, and the batch size that it has without ``--batch``."""

    title: str
    load: Callable[[], Logistic]
    batch: int


DATA = {"digits": Data("digits", digits, 64), "breast-cancer": Data("breast cancer", breast_cancer, 32)}
"""By the name on the command line."""


def optimum(problem: Logistic) -> Floor:
    """Return the optimum by SciPy's L-BFGS-B from w = 0."""
    from scipy.optimize import minimize  # slow to load, and every worker imports this file

    def objective(w: np.ndarray) -> tuple[float, np.ndarray]:
        leaf = torch.tensor(w[None], requires_grad=True)
        value = problem.value(leaf[:, :-1], leaf[:, -1:]).sum()
        (gradient,) = torch.autograd.grad(value, leaf)
        return float(value.detach()), gradient[0].numpy()

    start = np.zeros(problem.features.shape[1] + 1)
    options = {"maxiter": 10_000, "maxfun": 20_000, "maxcor": 30, "ftol": 0.0, "gtol": 1e-10}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    largest = float(np.abs(found.jac).max())
    return Floor(float(found.fun), largest, int(found.nfev), tuple(found.x.tolist()), _noise(problem, found.x))


def _noise(problem: Logistic, w: np.ndarray) -> float:
    rows = np.hstack([problem.features.numpy(), np.ones((problem.examples, 1))])
    labels = problem.labels.numpy()
    p = 1 / (1 + np.exp(labels * (rows @ w)))
    H = (rows.T * (p * (1 - p))) @ rows / problem.examples + problem.penalty * np.eye(len(w))
    g = -(labels * p)[:, None] * rows + problem.penalty * w
    return float(np.trace(np.linalg.solve(H, g.T @ g / problem.examples)) / 2)
