"""Guards: four wrong ones and two unusual right ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab.bases import GuardBase
from adaqn_lab.guards import MonitorIncrease
from adaqn_lab.guards.monitor_increase import MonitorLosses
from adaqn_lab.linalg import dot
from adaqn_lab.protocols import Displacement, Need, OracleLike
from adaqn_lab.space import Space
from verification.law import Subject


@dataclass(frozen=True, kw_only=True)
class SinglePrecisionLosses(MonitorIncrease):
    """Losses are rounded to float32 before they are compared and told: a small rise is none, 1e39 is infinite."""

    declares: ClassVar[frozenset[str]] = frozenset({"monitor bound"})

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar).float().double()
        bound = state.reference + (self.at_most - 1.0) * state.reference.abs() + self.slack
        known = move.where & torch.isfinite(state.reference)
        return torch.isfinite(state.loss) & (~known | (state.loss <= bound))


class _Watching(GuardBase):
    """A guard with two losses and a monitor; the reference's loss is kept."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.MONITOR_LOSS})

    def init(self, space: Space) -> Any:
        return MonitorLosses(space.scalars(fill=math.nan), space.scalars(fill=math.nan))

    def advance_(self, state: Any, where: Tensor) -> None:
        state.reference = torch.where(where, state.loss, state.reference)


@dataclass
class Smoothed:
    """Losses; their moving average ``mean`` (R,) over ``seen`` (R,) windows."""

    loss: Tensor
    reference: Tensor
    mean: Tensor
    seen: Tensor


@dataclass(frozen=True, kw_only=True)
class AverageTakesAll(_Watching):
    """Compares with a moving average of all losses judged, which one NaN enters for good: nothing is kept after it."""

    decay: float = 0.7
    at_most: float = 1.05

    def init(self, space: Space) -> Smoothed:
        return Smoothed(
            space.scalars(fill=math.nan), space.scalars(fill=math.nan), space.scalars(fill=0.0), space.counts()
        )

    def judge_(self, state: Smoothed, move: Displacement, oracle: OracleLike) -> Tensor:
        loss = oracle.loss(move.w_bar)
        bound = state.mean + (self.at_most - 1.0) * state.mean.abs()
        known = move.where & (state.seen > 0)
        keep = torch.isfinite(loss) & (~known | (loss <= bound))
        state.mean = torch.where(state.seen > 0, state.mean.lerp(loss, 1.0 - self.decay), loss)
        state.seen, state.loss = state.seen + 1, loss
        return keep


@dataclass(frozen=True, kw_only=True)
class RefusedLossesUntold(MonitorIncrease):
    """``loss`` stays that of the last window kept where this one is refused: the events tell of no rise."""

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        before = state.loss
        keep = super().judge_(state, move, oracle)
        state.loss = torch.where(keep, state.loss, before)
        return keep


@dataclass(frozen=True, kw_only=True)
class RelativeChange(_Watching):
    """Keeps iff (f - f_ref - slack) / |f_ref| <= at_most - 1: 0 / 0 refuses a loss that stayed at 0."""

    at_most: float = 1.01
    slack: float = 0.0

    declares: ClassVar[frozenset[str]] = frozenset({"monitor bound"})

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        known = move.where & torch.isfinite(state.reference)
        change = (state.loss - state.reference - self.slack) / state.reference.abs()
        return torch.isfinite(state.loss) & (~known | (change <= self.at_most - 1.0))


# -- right ones --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SufficientDecrease(_Watching):
    """Right: stricter than no rise, a window must gain ``gain`` |s|^2, with |s|^2 in float64; the store is kept."""

    gain: float = 1e-4

    @property
    def clear_store(self) -> bool:
        """The gradients are still good."""
        return False

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        known = move.where & torch.isfinite(state.reference)
        bound = state.reference - self.gain * dot(move.s, move.s)
        return torch.isfinite(state.loss) & (~known | (state.loss <= bound))


@dataclass
class Recent:
    """Losses, and those of the last references, ``recent`` (R, M), NaN where there was none."""

    loss: Tensor
    reference: Tensor
    recent: Tensor


@dataclass(frozen=True, kw_only=True)
class NonMonotone(_Watching):
    """Right: after Grippo, the loss may not exceed the largest of the last ``references`` references' losses."""

    references: int = 3

    def init(self, space: Space) -> Recent:
        unknown = (space.scalars(fill=math.nan) for _ in range(2))
        return Recent(*unknown, space.scalars(self.references, fill=math.nan))

    def judge_(self, state: Recent, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        bound = state.recent.nan_to_num(nan=-math.inf, posinf=math.inf, neginf=-math.inf).amax(1)
        known = move.where & torch.isfinite(bound)
        return torch.isfinite(state.loss) & (~known | (state.loss <= bound))

    def advance_(self, state: Recent, where: Tensor) -> None:
        super().advance_(state, where)
        pushed = torch.cat([state.recent[:, 1:], state.loss.unsqueeze(1)], dim=1)
        state.recent = torch.where(where.unsqueeze(1), pushed, state.recent)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.GUARD: {
        "losses_rounded_to_float32": lambda: SinglePrecisionLosses(at_most=1.0),
        "average_swallows_a_nan": AverageTakesAll,
        "refused_losses_are_not_told": RefusedLossesUntold,
        "relative_change_over_zero": RelativeChange,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.GUARD: {
        "sufficient_decrease": SufficientDecrease,
        "non_monotone_bound": NonMonotone,
    }
}
