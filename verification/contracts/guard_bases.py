"""An honest guard, for the wrong ones to be wrong in one thing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from adaqn_lab import Displacement, Need, Space
from adaqn_lab.bases import GuardBase
from adaqn_lab.protocols import OracleLike


@dataclass
class Losses:
    """``loss``, ``reference``, ``other`` (R,) float64, NaN at first; ``count`` (R,) int64."""

    loss: Tensor
    reference: Tensor
    count: Tensor
    other: Tensor


class Decrease(GuardBase):
    """Keep iff f(w_bar) <= f(w_ref): honest, and nothing is declared."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.MONITOR_LOSS})

    def init(self, space: Space) -> Losses:
        loss, reference, other = (space.scalars(fill=math.nan) for _ in range(3))
        return Losses(loss, reference, space.counts(), other)

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        known = move.where & torch.isfinite(state.reference)
        return torch.isfinite(state.loss) & (~known | (state.loss <= state.reference))

    def advance_(self, state: Losses, where: Tensor) -> None:
        state.reference = torch.where(where, state.loss, state.reference)
