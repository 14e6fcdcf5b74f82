"""H0 as data, so that its arithmetic can be done inside a tile of the direction."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from adaqn_lab.linalg import CHUNK


@dataclass(frozen=True)
class Diagonal:
    """H0 = diag(gamma / sqrt(weight G + eps)) for each run, or gamma I without G.

    ``squares`` G (R, n) in the vectors' dtype; ``gamma``, ``weight`` (R,) float64, None for 1; ``eps`` > 0.
    """

    gamma: Tensor | None = None
    squares: Tensor | None = None
    weight: Tensor | None = None
    eps: float = 0.0

    def apply_(self, v: Tensor) -> Tensor:
        """Return H0 v, in place, (R, n)."""
        for start in range(0, v.shape[1], CHUNK):
            self.apply_to_(v[:, start : start + CHUNK], start)
        return v

    def apply_to_(self, part: Tensor, start: int) -> Tensor:
        """The same for the columns of v from ``start`` on, (R, size)."""
        if self.squares is not None:
            part.div_(self._root(part, start))
        return part if self.gamma is None else part.mul_(self.gamma.to(part.dtype).unsqueeze(1))

    def apply_inverse_(self, v: Tensor) -> Tensor:
        """Return H0^-1 v, in place, (R, n)."""
        for start in range(0, v.shape[1], CHUNK):
            part = v[:, start : start + CHUNK]
            if self.squares is not None:
                part.mul_(self._root(part, start))
            if self.gamma is not None:
                part.div_(self.gamma.to(part.dtype).unsqueeze(1))
        return v

    def _root(self, part: Tensor, start: int) -> Tensor:
        """sqrt(weight G + eps) of these columns."""
        assert self.squares is not None
        squares = self.squares[:, start : start + part.shape[1]]
        if self.weight is not None:
            squares = squares * self.weight.to(part.dtype).unsqueeze(1)
        return torch.add(squares, self.eps).sqrt_()
