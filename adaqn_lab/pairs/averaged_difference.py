"""Pairs by differences of moving averages of iterates and gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.checks import require_int, require_real
from adaqn_lab.protocols import Displacement, OracleLike, Pair, Step
from adaqn_lab.space import Space

if TYPE_CHECKING:
    from adaqn_lab.recipe import Recipe


@dataclass
class Averages:
    """Moving averages now (``w``, ``g``) and at the window's start (``w_old``, ``g_old``), all (R, n).

    ``started`` and ``has_old`` (R,): whether there are any.
    """

    w: Tensor
    g: Tensor
    w_old: Tensor
    g_old: Tensor
    started: Tensor
    has_old: Tensor


@dataclass(frozen=True, kw_only=True)
class AveragedDifference(PairGeneratorBase):
    """s and y are the changes over a window of W <- decay W + (1 - decay) w and G <- decay G + (1 - decay) g.

    Mini-batch gradients, each on its own sample, averaged so that the curvature outweighs the noise; no gradient
    beyond the step's own. The averages start at the first w and g. ``every`` is the cadence's window. A run without
    an average a window ago gets s = y = 0, which no memory admits.

    Memory: 4 n elements a run; 2 n multiply-adds a step.
    Raises ``ValueError`` or ``TypeError`` unless 0 <= decay < 1 and every >= 1.
    Source: SLIM-QN / mL-BFGS, Niu et al. 2023, as documented; the start of the averages is this library's.
    """

    decay: float = 0.9
    every: int = 20

    def __post_init__(self) -> None:
        require_real("AveragedDifference", "decay", self.decay, at_least=0.0, below=1.0)
        require_int("AveragedDifference", "every", self.every, at_least=1)

    def check_recipe(self, recipe: Recipe) -> None:
        """The windows must be the cadence's."""
        if recipe.cadence.every != self.every:
            raise ValueError(
                f"AveragedDifference: every={self.every} but the cadence closes a window every "
                f"{recipe.cadence.every} steps; pass the same number to both."
            )

    def init(self, space: Space) -> Averages:
        """Nothing is known."""
        w, g, w_old, g_old = (space.zeros() for _ in range(4))
        return Averages(w, g, w_old, g_old, space.mask(False), space.mask(False))

    def observe_(self, state: Averages, step: Step) -> None:
        """Update the averages; the first step of a window keeps the old ones."""
        if step.place == 0:
            state.w_old, state.g_old, state.has_old = state.w.clone(), state.g.clone(), state.started
        where, started = step.where.unsqueeze(1), state.started.unsqueeze(1)
        for name, value in (("w", step.w()), ("g", step.g)):
            old = getattr(state, name)
            moved = torch.where(started, old.lerp(value, 1.0 - self.decay), value)
            setattr(state, name, torch.where(where, moved, old))
        state.started = state.started | step.where

    def pair_(self, state: Averages, move: Displacement, oracle: OracleLike) -> Pair:
        """Return the changes."""
        known = (state.has_old & state.started).unsqueeze(1)
        return Pair(
            torch.where(known, state.w - state.w_old, 0.0),
            torch.where(known, state.g - state.g_old, 0.0),
        )

    def reset_(self, state: Averages, where: Tensor) -> None:
        """Forget the averages of the runs in ``where``."""
        state.started = state.started & ~where
        state.has_old = state.has_old & ~where
