"""A scaling of one's own, H0 from the largest gradients seen: verified, then trained with.

With the extra ``verification``: ``python examples/custom_part.py``.
"""

import argparse
from dataclasses import dataclass

import torch

import verification
from adaqn_lab import ADAQN, Diagonal, QuasiNewton, diff
from adaqn_lab.bases import ScalingBase


@dataclass
class Largest:
    squares: torch.Tensor


@dataclass(frozen=True)
class LargestGradient(ScalingBase):
    """H0 = diag(1 / sqrt(max_k g_k g_k + eps))."""

    eps: float = 1e-4

    def init(self, space):
        return Largest(space.zeros())

    def observe_(self, state, step):
        larger = torch.maximum(state.squares, step.g.square())
        state.squares = torch.where(step.where.unsqueeze(1), larger, state.squares)

    def h0(self, state, curvature):
        return Diagonal(squares=state.squares, eps=self.eps)


def loss(w: torch.Tensor, curvature: torch.Tensor) -> torch.Tensor:
    return 0.5 * (curvature * w.square()).sum()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=None, help="random cases a law")
    report = verification.verify(LargestGradient, examples=parser.parse_args().examples)
    print(f"{report.count(verification.Outcome.PASSED)} laws hold, {len(report.failures)} fail")
    method = ADAQN.but(scaling=LargestGradient())
    print(diff(ADAQN, method))
    w = torch.nn.Parameter(torch.full((10,), 3.0))
    curvature = torch.linspace(0.1, 10.0, 10)
    optimizer = QuasiNewton([w], method, lr=0.1, monitor=lambda: loss(w, curvature))
    for _ in range(400):
        optimizer.zero_grad()
        (loss(w, curvature) + 0.1 * (torch.randn(10) * w).sum()).backward()  # a noisy gradient
        optimizer.step()
    print(f"loss {loss(w, curvature).item():.2g}, from {4.5 * curvature.sum().item():.3g}")


if __name__ == "__main__":
    main()
