"""A small problem to train: regularised logistic regression, with every mini-batch determined by the step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from hypothesis import strategies as st
from scipy.special import expit

from adaqn_lab import QuasiNewton
from verification.methods import Method
from verification.parts import tensor
from verification.strategies import Array


@dataclass(frozen=True)
class Logistic:
    """f(w) = mean log(1 + exp(-b a'w)) + |w|^2 / 200 on ``examples`` points (a, b), b = +-1, ``n`` parameters.

    ``scale`` multiplies the loss; ``lr`` and ``steps`` belong to the run; mini-batches have 8 examples.
    """

    n: int
    seed: int
    steps: int
    lr: float = 0.1
    scale: float = 1.0
    examples: int = 64

    @cached_property
    def data(self) -> tuple[Array, Array]:
        """a (N, n) and b (N,), noisy, so that the minimum is finite."""
        rng = np.random.default_rng(self.seed)
        a = rng.standard_normal((self.examples, self.n))
        b = np.sign(a @ rng.standard_normal(self.n) + rng.standard_normal(self.examples))
        return a, b

    @property
    def start(self) -> Array:
        """The initial point (n,)."""
        return np.random.default_rng([self.seed, 1]).standard_normal(self.n)

    def loss(self, w: Array) -> float:
        """f(w) on all examples: the monitor loss."""
        a, b = self.data
        return self.scale * float(np.logaddexp(0.0, -b * (a @ w)).mean() + w @ w / 200)

    def batch(self, k: int) -> Array:
        """The rows of step k's mini-batch."""
        return np.random.default_rng([self.seed, 2, k]).integers(self.examples, size=8)

    def outputs(self, w: torch.Tensor, rows: Array) -> torch.Tensor:
        """a'w for ``rows``, where ``w`` (n,) may be differentiated."""
        return torch.from_numpy(self.data[0][rows]) @ w

    def loss_of(self, outputs: torch.Tensor, w: torch.Tensor, rows: Array) -> torch.Tensor:
        """The loss on ``rows``."""
        b = torch.from_numpy(self.data[1][rows])
        return self.scale * (torch.nn.functional.softplus(-b * outputs).mean() + w @ w / 200)

    def gradient(self, w: Array, k: int) -> Array:
        """The gradient of step k's mini-batch."""
        rows = self.batch(k)
        a, b = self.data[0][rows], self.data[1][rows]
        weights = -b * expit(-b * (a @ w))
        result: Array = self.scale * (a.T @ weights / len(rows) + w / 100)
        return result


def train(
    method: Method,
    problems: list[Logistic],
    *,
    stop: int | None = None,
    interrupt: Callable[[QuasiNewton, torch.nn.Parameter], QuasiNewton] | None = None,
) -> tuple[Array, QuasiNewton]:
    """Train R = len(problems) runs side by side in float64; return the iterates (steps, R, n) and the optimizer.

    ``interrupt`` is called after half of the steps and returns the optimizer to go on with.
    """
    runs, steps = len(problems), stop or problems[0].steps
    starts = np.stack([p.start for p in problems])
    w = torch.nn.Parameter(tensor(starts if runs > 1 else starts[0]))

    def monitor() -> torch.Tensor:
        rows = w.detach().numpy().reshape(runs, -1)
        return torch.tensor([p.loss(row) for p, row in zip(problems, rows, strict=True)], dtype=torch.float64)

    now = [1]

    def sample(rows: Callable[[Logistic], Array]) -> Callable[[], tuple[torch.Tensor, torch.Tensor]]:
        def evaluate() -> tuple[torch.Tensor, torch.Tensor]:
            pairs = list(zip(problems, w.view(runs, -1), strict=True))
            outputs = torch.stack([p.outputs(own, rows(p)) for p, own in pairs])
            losses = [p.loss_of(out, own, rows(p)) for (p, own), out in zip(pairs, outputs, strict=True)]
            return torch.stack(losses), outputs

        return evaluate

    callables = {
        "curvature": sample(lambda p: np.arange(0, p.examples, 2)),
        "batch": sample(lambda p: p.batch(now[0])),
        "overlap": sample(lambda p: p.batch(now[0])[:4]),
    }
    optimizer = method.build([w], lr=problems[0].lr, runs=runs, monitor=monitor, **callables)
    iterates = []
    for k in range(1, steps + 1):
        now[0] = k
        rows = w.detach().numpy().reshape(runs, -1)
        w.grad = tensor(np.stack([p.gradient(row, k) for p, row in zip(problems, rows, strict=True)])).view_as(w)
        optimizer.step()
        iterates.append(w.detach().numpy().reshape(runs, -1).copy())
        if interrupt is not None and k == steps // 2:
            optimizer = interrupt(optimizer, w)
    return np.array(iterates), optimizer


@st.composite
def logistic_problems(draw: st.DrawFn, steps: int = 40) -> Logistic:
    """Problems of 1 to 6 parameters."""
    return Logistic(
        n=draw(st.integers(1, 6)),
        seed=draw(st.integers(0, 2**16)),
        steps=draw(st.integers(1, steps)),
        lr=draw(st.sampled_from((0.1, 0.5))),
    )
