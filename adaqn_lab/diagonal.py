"""A diagonal H0 as a value, so that its arithmetic can be done inside a block of the direction."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from adaqn_lab import plain
from adaqn_lab.sizes import chunk


@dataclass(frozen=True, kw_only=True)
class Diagonal:
    """H0 = diag(gamma / sqrt(weight G + eps)) for each run, or gamma I without G.

    ``squares`` G (R, n) in the vectors' dtype; ``gamma``, ``weight`` (R,) float64, None for 1, ``gamma`` also a
    number; ``eps`` > 0.

    >>> Diagonal(gamma=2.0).apply_(torch.ones(1, 3))
    tensor([[2., 2., 2.]])
    """

    gamma: Tensor | float | None = None
    squares: Tensor | None = None
    weight: Tensor | None = None
    eps: float = 0.0

    def gammas(self, like: Tensor) -> Tensor | None:
        """gamma (R,) float64 for vectors ``like`` (R, n); None for 1."""
        if isinstance(self.gamma, int | float):
            return torch.full(like.shape[:1], self.gamma, dtype=torch.float64, device=like.device)
        return self.gamma

    def operands(self, v: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, float]:
        """squares (R, n), weight, gamma (R,) and eps for an operator: one for each run, contiguous."""
        runs = v.shape[:1]
        return _whole(self.squares, v.shape), _whole(self.weight, runs), _whole(self.gammas(v), runs), self.eps

    def apply_(self, v: Tensor) -> Tensor:
        """Return H0 v, in place, (R, n)."""
        gamma = self.gammas(v)
        for columns in self._chunks(v):
            squares = None if self.squares is None else self.squares[:, columns]
            plain.scale_(v[:, columns], squares, self.weight, gamma, self.eps)
        return v

    def solve_(self, v: Tensor) -> Tensor:
        """Return H0^-1 v, in place, (R, n)."""
        gamma = self.gammas(v)
        for columns in self._chunks(v):
            part = v[:, columns]
            if self.squares is not None:
                part.mul_(plain.root(self.squares[:, columns], self.weight, self.eps))
            if gamma is not None:
                part.div_(gamma.to(part.dtype).unsqueeze(1))
        return v

    @staticmethod
    def _chunks(v: Tensor) -> list[slice]:
        return [slice(start, start + chunk(v)) for start in range(0, v.shape[1], chunk(v))]


def _whole(x: Tensor | None, shape: torch.Size) -> Tensor | None:
    """``x`` for every run, contiguous; itself where it is."""
    return x if x is None or (x.shape == shape and x.is_contiguous()) else x.expand(shape).contiguous()


@dataclass(frozen=True, kw_only=True)
class Entries:
    """A diagonal H0 by its ``entries`` (R, n), by those of its ``inverse``, or by both."""

    entries: Tensor | None = None
    inverse: Tensor | None = None

    def apply_(self, v: Tensor) -> Tensor:
        """Return H0 v, in place, (R, n)."""
        return _times_(v, self.entries, self.inverse)

    def solve_(self, v: Tensor) -> Tensor:
        """Return H0^-1 v, in place, (R, n)."""
        return _times_(v, self.inverse, self.entries)


def _times_(v: Tensor, factors: Tensor | None, divisors: Tensor | None) -> Tensor:
    if factors is not None:
        return v.mul_(factors)
    assert divisors is not None
    return v.div_(divisors)
