"""H0 = gamma I, gamma averaged over the memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from adaqn_lab.bases import ScalingBase
from adaqn_lab.checks import require_real
from adaqn_lab.diagonal import Diagonal
from adaqn_lab.protocols import Curvature
from adaqn_lab.space import Space

if TYPE_CHECKING:
    from adaqn_lab.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class BarzilaiBorweinMean(ScalingBase):
    """H0 = gamma I, gamma the mean of s'y / y'y over the pairs held, ``initial`` before there is one. No state.

    Needs a memory which lists its pairs' products. Raises ``ValueError`` or ``TypeError`` unless initial > 0.
    Source: oLBFGS, Schraudolph, Yu & Guenter 2007 (initial = 1e-10), from memory of the literature and a public code.
    """

    initial: float = 1.0

    def __post_init__(self) -> None:
        require_real("BarzilaiBorweinMean", "initial", self.initial, above=0.0)

    def check_recipe(self, recipe: Recipe) -> None:
        """The memory must list its pairs' products."""
        try:
            recipe.memory.init(Space(1, 1)).products()
        except TypeError as error:
            raise ValueError(
                f"BarzilaiBorweinMean averages over the pairs held, and memory={recipe.memory!r} keeps no list of "
                "them; use BarzilaiBorwein()."
            ) from error

    def _gamma(self, curvature: Curvature) -> Tensor:
        """(R,) float64."""
        s_y, _, y_y, held = curvature.products()
        count = held.sum(dim=1)
        mean = torch.where(held, s_y / y_y, 0.0).sum(dim=1) / count.clamp(min=1)
        return torch.where(count > 0, mean, self.initial)

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        """H0 as it is now."""
        return Diagonal(gamma=self._gamma(curvature))
