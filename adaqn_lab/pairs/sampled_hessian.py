"""Pairs along random directions, renewed at each window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.checks import require_int, require_real
from adaqn_lab.protocols import Displacement, Need, OracleLike, Pair
from adaqn_lab.space import Space


@dataclass
class Noise:
    """``rng``: the state of a CPU generator, uint8, moved on at every pair."""

    rng: Tensor


@dataclass(frozen=True, kw_only=True)
class SampledHessian(PairGeneratorBase):
    """s_i ~ radius N(0, I), y_i = (Hessian of the curvature loss at w_bar) s_i, i = 1..count.

    The iterates' history plays no part: the memory forgets its pairs and takes these. The noise is drawn on the CPU
    from ``seed`` and is the same for every run, so that runs together equal runs alone.
    Cost: ``count`` Hessian-vector products a window. Memory: the generator's state.
    Raises ``ValueError`` or ``TypeError`` unless count >= 1, radius > 0, seed >= 0.
    Source: S-LBFGS of Berahas, Jahani, Richtarik & Takac (arXiv 1901.09997), as its code does.
    """

    count: int = 10
    radius: float = 1.0
    seed: int = 0

    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})

    def __post_init__(self) -> None:
        require_int("SampledHessian", "count", self.count, at_least=1)
        require_real("SampledHessian", "radius", self.radius, above=0.0)
        require_int("SampledHessian", "seed", self.seed, at_least=0)

    def init(self, space: Space) -> Noise:
        """The generator at its seed."""
        return Noise(torch.Generator().manual_seed(self.seed).get_state())

    def pair_(self, state: Noise, move: Displacement, oracle: OracleLike) -> Pair:
        """Return the ``count`` pairs (R, count, n); moves the generator on."""
        generator = torch.Generator()
        generator.set_state(state.rng)
        runs, n = move.s.shape
        noise = torch.randn(self.count, n, generator=generator, dtype=torch.float64, device="cpu") * self.radius
        s = noise.to(move.s).expand(runs, -1, -1)
        y = torch.stack([oracle.hessian_vector(move.w_bar, row.contiguous()) for row in s.unbind(1)], dim=1)
        state.rng = generator.get_state()  # last: where the callable raised, the same noise is drawn again
        return Pair(s, y, renews=True)

    def reset_(self, state: Noise, where: Tensor) -> None:
        """The noise goes on."""
