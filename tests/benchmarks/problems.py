"""Pairs on which a direction is timed and its error measured: every sum is of one sign, where digits are lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from adaqn_lab import huge_pages
from adaqn_lab.diagonal import Diagonal
from adaqn_lab.history import History
from adaqn_lab.space import Space


@dataclass(frozen=True)
class Pairs:
    """``s``, ``y`` (R, m, n) oldest first, ``squares`` and ``g`` (R, n); all entries positive. H0 = squares^-1/2."""

    s: Tensor
    y: Tensor
    squares: Tensor
    g: Tensor

    @classmethod
    def draw(cls, n: int, m: int, runs: int = 1, seed: int = 0, dtype: torch.dtype = torch.float32) -> Pairs:
        """s, g and squares uniform in [0.5, 1.5]; y = s times a factor in [0.5, 1.5] of its own."""
        generator = torch.Generator().manual_seed(seed)

        def uniform(*shape: int) -> Tensor:
            return huge_pages.empty(shape, dtype, torch.device("cpu")).uniform_(0.5, 1.5, generator=generator)

        s, y = uniform(runs, m, n), uniform(runs, m, n)
        return cls(s, y.mul_(s), uniform(runs, n), uniform(runs, n))

    def to(self, device: torch.device) -> Pairs:
        """The same numbers on another device."""
        return Pairs(*(x.to(device) for x in (self.s, self.y, self.squares, self.g)))

    @property
    def h0(self) -> Tensor:
        """The diagonal of H0 in the pairs' dtype."""
        return self.squares.rsqrt()

    @property
    def shape(self) -> tuple[int, int, int]:
        """R, m, n."""
        runs, m, n = self.s.shape
        return runs, m, n

    @property
    def bytes(self) -> int:
        """Of S and Y: the footprint of the streaming read."""
        return 2 * self.s.numel() * self.s.element_size()


def filled(pairs: Pairs) -> History:
    """Our history, every pair pushed."""
    runs, m, n = pairs.shape
    space = Space(runs, n, pairs.s.dtype, pairs.s.device)
    history, everybody = History.empty(space, m), space.mask(True)
    for s, y in zip(pairs.s.unbind(1), pairs.y.unbind(1), strict=True):
        history.push_(s.contiguous(), y.contiguous(), everybody)
    return history


def own_direction(history: History, pairs: Pairs) -> Callable[[], Tensor]:
    """``() -> H g``, written over a copy of g in a vector of its own, as the optimizer does; H0 as AdaGrad tells it."""
    h0, v = Diagonal(squares=pairs.squares), huge_pages.zeros(pairs.g.shape, pairs.g.dtype, pairs.g.device)
    return lambda: history.apply_(v.copy_(pairs.g), h0)


def reference(pairs: Pairs, h0: Tensor) -> Tensor:
    """H g (R, n) with H0 = diag(h0) by the two-loop recursion in float64, row by row."""
    found = []
    for S, Y, diagonal, g in zip(pairs.s, pairs.y, h0, pairs.g, strict=True):
        q, alphas, rhos = g.double(), [], [1.0 / s.double().dot(y.double()) for s, y in zip(S, Y, strict=True)]
        for s, y, rho in zip(S.flip(0), Y.flip(0), reversed(rhos), strict=True):
            alphas.append(rho * s.double().dot(q))
            q.sub_(alphas[-1] * y.double())
        q.mul_(diagonal.double())
        for s, y, rho, alpha in zip(S, Y, rhos, reversed(alphas), strict=True):
            q.add_((alpha - rho * y.double().dot(q)) * s.double())
        found.append(q)
    return torch.stack(found)


def error(found: Tensor, expected: Tensor) -> float:
    """The largest |found - expected| / |expected| of the runs, Euclidean norms."""
    off = torch.linalg.vector_norm(found.double().view_as(expected) - expected, dim=1)
    return float((off / torch.linalg.vector_norm(expected, dim=1)).max())
