"""Trainings whose curvature is known, for audits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import adaqn_lab as lab
from adaqn_lab.bases import PairGeneratorBase

SIZE = 12


@dataclass(frozen=True)
class Planted(PairGeneratorBase):
    """y = B s / factor + across, |across| = lean |B s| / factor, orthogonal to B s."""

    B: Any
    factor: float = 1.0
    lean: float = 0.0
    spread: float = 0.0

    def pair_(self, state: None, move: Any, oracle: Any) -> Tensor:
        y = move.s @ self.B / self.factor
        if self.spread:
            y = y * torch.exp(self.spread * torch.randn(y.shape[0], 1, generator=GENERATOR))
        if self.lean:
            across = torch.randn(y.shape, generator=GENERATOR)
            across -= (across * y).sum(1, keepdim=True) / (y * y).sum(1, keepdim=True) * y
            y = y + self.lean * y.norm(dim=1, keepdim=True) / across.norm(dim=1, keepdim=True) * across
        return y


GENERATOR = torch.Generator()


def matrix(seed: int = 0) -> Tensor:
    """Symmetric positive definite."""
    A = torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
    return A @ A.T / SIZE + 0.1 * torch.eye(SIZE)


def recipe(pairs: Any, every: int = 2) -> lab.Recipe:
    """Without a guard; every pair with s'y > 0 is admitted."""
    memory = lab.Window(test=lab.CautiousSS(eps=0.0))
    return lab.ADAQN.but(pairs=pairs, guard=None, cadence=lab.Cadence(every=every), memory=memory)


class Quadratic:
    """w'Bw / 2 for R runs, with noise in the gradients."""

    def __init__(self, pairs: Any, runs: int = 1, **options: Any) -> None:
        GENERATOR.manual_seed(1)
        self.B = matrix()
        self.w = nn.Parameter(torch.randn((runs, SIZE) if runs > 1 else SIZE, generator=GENERATOR))
        self.optimizer = lab.QuasiNewton([self.w], recipe(pairs), lr=0.05, runs=runs, **options)
        self.runs = runs

    def loss(self) -> Tensor:
        rows = self.w.view(self.runs, SIZE)
        return ((rows @ self.B) * rows).sum(1) / 2

    def train(self, steps: int) -> Quadratic:
        noise = torch.Generator().manual_seed(2)
        for _ in range(steps):
            (self.w.grad,) = torch.autograd.grad(self.loss().sum(), self.w)
            self.w.grad += 0.1 * torch.randn(self.w.shape, generator=noise)
            self.optimizer.step()
        return self


class Network:
    """A small classifier with dropout, batch normalisation and batches from the global random numbers."""

    def __init__(self, pairs: Any = None, guard: bool = True, optimizer: Any = None) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 3))
        self.x = torch.randn(200, 5)
        self.target = self.x[:, :3].argmax(1)
        made = recipe(pairs or lab.EmpiricalFisher(window=10), every=3)
        if guard:
            made = made.but(guard=lab.MonitorIncrease(at_most=1.01))
        self.optimizer = optimizer(self.model.parameters()) if optimizer else lab.QuasiNewton(
            self.model.parameters(), made, lr=0.05, monitor=self.monitor if guard else None,
            curvature=self.curvature if pairs else None,
        )  # fmt: skip

    def monitor(self) -> Tensor:
        self.model.eval()
        try:
            return nn.functional.cross_entropy(self.model(self.x), self.target)
        finally:
            self.model.train()

    def curvature(self) -> tuple[Tensor, Tensor]:
        """In training mode: it draws dropout masks and moves the averages of batch normalisation."""
        chosen = torch.randint(200, (64,))
        outputs = self.model(self.x[chosen])
        return nn.functional.cross_entropy(outputs, self.target[chosen]), outputs

    def closure(self) -> Tensor:
        self.optimizer.zero_grad()
        chosen = torch.randint(200, (16,))
        loss = nn.functional.cross_entropy(self.model(self.x[chosen]), self.target[chosen])
        loss.backward()
        return loss

    def train(self, steps: int) -> Network:
        for _ in range(steps):
            self.optimizer.step(self.closure)
        return self
