"""Guards: wrong ones, and unusual ones which are right."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import MonitorIncrease, Need
from adaqn_lab.bases import GuardBase
from verification.law import Subject


@dataclass
class Losses:
    """``loss``, ``reference`` (R,) float64, NaN if unknown."""

    loss: Tensor
    reference: Tensor


@dataclass
class Recent(Losses):
    """``past`` (R, 5): the last losses, the newest last, -inf where there is none."""

    past: Tensor


class Watching(GuardBase):
    """What the guards below share."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.MONITOR_LOSS})

    def init(self, space):
        return Losses(space.scalars(fill=math.nan), space.scalars(fill=math.nan))

    def advance_(self, state, where):
        state.reference = torch.where(where, state.loss, state.reference)


@dataclass(frozen=True, kw_only=True)
class Nonmonotone(Watching):
    """Keep iff the loss is not above the largest of the last five kept; it joins them while it is being judged."""

    def init(self, space):
        return Recent(*vars(super().init(space)).values(), space.scalars(5, fill=-math.inf))

    def judge_(self, state, move, oracle):
        state.loss = oracle.loss(move.w_bar)
        largest = state.past.amax(1)
        keep = torch.isfinite(state.loss) & (~move.where | torch.isinf(largest) | (state.loss <= largest))
        grown = torch.cat([state.past[:, 1:], state.loss.unsqueeze(1)], dim=1)
        state.past = torch.where(torch.isfinite(state.loss).unsqueeze(1), grown, state.past)
        return keep


@dataclass(frozen=True, kw_only=True)
class BestSoFar(Watching):
    """The reference's loss is the smallest ever kept: it falls with the reference and does not rise with it."""

    at_most: float = 1.05
    slack: float = 0.0
    reevaluate: bool = False
    clear_store: bool = True

    declares: ClassVar[frozenset[str]] = frozenset({"monitor bound"})

    def judge_(self, state, move, oracle):
        if self.reevaluate:
            state.reference = oracle.loss(move.w_ref)
        state.loss = oracle.loss(move.w_bar)
        bound = state.reference + (self.at_most - 1.0) * state.reference.abs() + self.slack
        known = move.where & torch.isfinite(state.reference)
        return torch.isfinite(state.loss) & (~known | (state.loss <= bound))

    def advance_(self, state, where):
        least = torch.fmin(state.loss, state.reference)
        state.reference = torch.where(where, least, state.reference)


@dataclass(frozen=True, kw_only=True)
class Midpoint(Watching):
    """Backtracks: where the loss halfway to the reference is lower, w_bar itself is moved there, and s is not."""

    at_most: float = 1.01

    def judge_(self, state, move, oracle):
        full = oracle.loss(move.w_bar)
        half = oracle.loss(move.w_bar - 0.5 * move.s)
        shorter = move.where & (half < full)
        move.w_bar.sub_(torch.where(shorter.unsqueeze(1), 0.5 * move.s, 0.0))
        state.loss = torch.where(shorter, half, full)
        bound = state.reference + (self.at_most - 1.0) * state.reference.abs()
        known = move.where & torch.isfinite(state.reference)
        return torch.isfinite(state.loss) & (~known | (state.loss <= bound))


@dataclass(frozen=True, kw_only=True)
class Metropolis(Watching):
    """An increase D is kept with probability exp(-D / temperature), by a number from torch's own generator."""

    temperature: float = 0.1

    def judge_(self, state, move, oracle):
        state.loss = oracle.loss(move.w_bar)
        chance = torch.exp(-(state.loss - state.reference).clamp(min=0.0) / self.temperature)
        drawn = torch.rand(chance.shape, dtype=torch.float64, device=chance.device)
        known = move.where & torch.isfinite(state.reference)
        return torch.isfinite(state.loss) & (~known | (drawn < chance))


@dataclass
class Renewed(Losses):
    """``stale`` (R,): whether the reference moved since its loss was evaluated."""

    stale: Tensor


@dataclass(frozen=True, kw_only=True)
class LazyMonitor(MonitorIncrease):
    """The reference's loss is evaluated anew after the reference moved only, though the monitor changes."""

    reevaluate: bool = True

    declares: ClassVar[frozenset[str]] = frozenset({"monitor bound"})

    def init(self, space):
        return Renewed(space.scalars(fill=math.nan), space.scalars(fill=math.nan), space.mask(True))

    def judge_(self, state, move, oracle):
        if self.reevaluate:
            anew = oracle.loss(move.w_ref)
            state.reference = torch.where(state.stale, anew, state.reference)
            state.stale = torch.zeros_like(state.stale)
        state.loss = oracle.loss(move.w_bar)
        bound = state.reference + (self.at_most - 1.0) * state.reference.abs() + self.slack
        known = move.where & torch.isfinite(state.reference)
        return torch.isfinite(state.loss) & (~known | (state.loss <= bound))

    def advance_(self, state, where):
        state.reference = torch.where(where, state.loss, state.reference)
        state.stale = state.stale | where


@dataclass(frozen=True, kw_only=True)
class Patient(Nonmonotone):
    """Right: not above the largest of the last five references' losses, which join when they become references."""

    def judge_(self, state, move, oracle):
        state.loss = oracle.loss(move.w_bar)
        largest = state.past.amax(1)
        return torch.isfinite(state.loss) & (~move.where | torch.isinf(largest) | (state.loss <= largest))

    def advance_(self, state, where):
        super().advance_(state, where)
        grown = torch.cat([state.past[:, 1:], state.loss.unsqueeze(1)], dim=1)
        state.past = torch.where((where & torch.isfinite(state.loss)).unsqueeze(1), grown, state.past)


@dataclass(frozen=True, kw_only=True)
class Explosion(Watching):
    """Right: refuses only what is not finite or ten above the reference, and keeps the generator's store."""

    clear_store: bool = False
    room: float = 10.0

    def judge_(self, state, move, oracle):
        state.loss = oracle.loss(move.w_bar)
        known = move.where & torch.isfinite(state.reference)
        return torch.isfinite(state.loss) & ~(known & (state.loss - state.reference > self.room))


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.GUARD: {
        "loss_joins_the_history_when_it_is_judged": Nonmonotone,
        "best_loss_for_that_of_the_reference": BestSoFar,
        "average_moved_to_the_midpoint_in_place": Midpoint,
        "annealing_by_the_global_generator": Metropolis,
        "reference_reevaluated_only_after_it_moved": LazyMonitor,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.GUARD: {"nonmonotone_of_references": Patient, "only_explosions": Explosion}
}
