"""Nesterov's pairs: from the look-ahead point to the iterate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.checks import require_real
from adaqn_lab.protocols import Displacement, Need, OracleLike, Pair, Sample, Step
from adaqn_lab.space import Space

if TYPE_CHECKING:
    from adaqn_lab.recipe import Recipe


@dataclass
class Iterates:
    """``w`` (R, n): Nesterov's iterate w_k; ``theta`` (R, n): the look-ahead point w_k + mu v_k; ``known`` (R,)."""

    w: Tensor
    theta: Tensor
    known: Tensor


@dataclass(frozen=True, kw_only=True)
class LookAheadDifference(PairGeneratorBase):
    """s = w_{k+1} - (w_k + mu v_k),  y = g_S(w_{k+1}) - g_S(w_k + mu v_k) + shift s, on the step's own mini-batch.

    The parameters hold the look-ahead points theta_k = w_k + mu v_k, as under :class:`~adaqn_lab.Nesterov`, so
    that the loop's gradient is taken there; since v_{k+1} = w_{k+1} - w_k the iterate follows without the velocity:

        w_{k+1} = (theta_{k+1} + mu w_k) / (1 + mu)

    Needs windows of one step and the same ``momentum`` as the stepper. Cost: two gradients of the mini-batch and
    3 n operations a step. Memory: 2 n elements a run.
    Raises ``ValueError`` or ``TypeError`` unless 0 <= momentum < 1 and shift is finite.
    Source: NAQ, Ninomiya 2017, and oLNAQ, as documented in arXiv 1909.03621; details from memory of the literature.
    """

    momentum: float = 0.9
    shift: float = 0.0

    needs: ClassVar[frozenset[Need]] = frozenset({Need.BATCH_GRADIENT})

    def __post_init__(self) -> None:
        require_real("LookAheadDifference", "momentum", self.momentum, at_least=0.0, below=1.0)
        require_real("LookAheadDifference", "shift", self.shift)

    def check_recipe(self, recipe: Recipe) -> None:
        """Windows of one step, and Nesterov's stepper with this momentum."""
        cadence = recipe.cadence
        if not (cadence.every == 1 and cadence.after_step and cadence.from_start and cadence.always_advance):
            raise ValueError(
                f"LookAheadDifference pairs one step at a time, cadence={cadence!r} does not; pass "
                "Cadence(every=1, after_step=True, from_start=True, always_advance=True)."
            )
        if getattr(recipe.stepper, "momentum", None) != self.momentum:
            far = f", at_most={self.momentum}" if self.momentum > 0.99 else ""
            raise ValueError(
                f"LookAheadDifference: momentum={self.momentum} is not that of stepper={recipe.stepper!r}; pass "
                f"stepper=Nesterov(momentum={self.momentum}{far})."
            )

    def init(self, space: Space) -> Iterates:
        """Before the first step the velocity is zero."""
        return Iterates(space.zeros(), space.zeros(), space.mask(False))

    def observe_(self, state: Iterates, step: Step) -> None:
        """Follow the iterate to w_k, theta_k being the parameters."""
        theta, where = step.w(), step.where.unsqueeze(1)
        state.w = torch.where(where, self._iterate(state, theta), state.w)
        state.theta = torch.where(where, theta, state.theta)
        state.known = state.known | step.where

    def _iterate(self, state: Iterates, theta: Tensor) -> Tensor:
        """The iterate whose look-ahead point is ``theta``, the step after the one last observed."""
        moved = state.known.unsqueeze(1) & (theta != state.theta).any(dim=1, keepdim=True)
        following = (theta + self.momentum * state.w) / (1.0 + self.momentum)
        return torch.where(moved, following, torch.where(state.known.unsqueeze(1), state.w, theta))

    def pair_(self, state: Iterates, move: Displacement, oracle: OracleLike) -> Pair:
        """Return the pair of the step which led to ``move.w_bar``."""
        w = self._iterate(state, move.w_bar)
        s = w - move.w_ref
        y = oracle.gradient(w, Sample.BATCH) - oracle.gradient(move.w_ref, Sample.BATCH)
        return Pair(s, y.add_(s, alpha=self.shift) if self.shift else y)

    def reset_(self, state: Iterates, where: Tensor) -> None:
        """The velocity is gone: the next iterate is the point itself."""
        state.known = state.known & ~where
