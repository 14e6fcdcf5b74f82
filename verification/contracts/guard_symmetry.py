"""What a guard's answer may not hang on: the direction of a displacement, and whether a loss is 0 or next to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Displacement
from adaqn_lab.protocols import OracleLike
from verification.compare import same
from verification.contracts.guard_bases import Decrease, Losses
from verification.guard_lives import WINDOWS, GuardLife, GuardLifeCase, guard_life_cases
from verification.law import Group, Subject, law
from verification.naming import by_name
from verification.strategies import Array

Factory = Callable[[], Any]
ALMOST_NOTHING = 2.0**-1000
"""Beside a loss of any size this is 0."""
LADDER = (-1e3, -1.0, -1e-3, 1e-3, 1.0, 1e3)
"""Losses which are above or below 0 and ALMOST_NOTHING alike."""


class Mirrored(GuardLifeCase):
    """The same losses at points of which all entries but the first, by which they are known, have the other sign."""

    @cached_property
    def points(self) -> Array:
        """(W + 1, R, n)."""
        points: Array = super().points.copy()
        points[:, :, 1:] *= -1
        return points


class NearZero(GuardLifeCase):
    """Every first loss is ALMOST_NOTHING."""

    size = ALMOST_NOTHING

    @cached_property
    def bases(self) -> Array:
        """(R,)."""
        return np.full(self.runs, self.size)


class AtZero(NearZero):
    """Every first loss is 0."""

    size = 0.0


def _as(kind: type[GuardLifeCase], case: GuardLifeCase) -> GuardLifeCase:
    return kind(**{x.name: getattr(case, x.name) for x in fields(case)})


@law(
    name="guard-mirror",
    statement="the same losses at mirrored points: the same answers",
    source="A window is judged by losses, and by how far it went: by no direction and by no single entry.",
    group=Group.INVARIANCE,
    subject=Subject.GUARD,
    kills=("adds_up_the_displacement", "looks_at_the_last_entry"),
    share=0.5,
    inputs=guard_life_cases(),
)
def guard_mirror(factory: Factory, case: GuardLifeCase) -> None:
    """Over twelve windows."""
    plain, mirrored = GuardLife(factory(), case), GuardLife(factory(), _as(Mirrored, case))
    for window in range(WINDOWS):
        one, other = (life.judge(window) for life in (plain, mirrored))
        same(other.keep[one.whole], one.keep[one.whole], f"keep of window {window + 1} at mirrored points")


@law(
    name="guard-at-zero",
    statement="f(w_ref) = 0 or 2^-1000: the same answers for losses of other sizes, and 0 after 0 as f after f",
    source="Losses of 0 are reached (hinge, perfect fit); a bound is continuous in f(w_ref), a quotient by it is not.",
    group=Group.INVARIANCE,
    subject=Subject.GUARD,
    kills=("zero_is_no_reference", "rise_by_quotient"),
    share=0.5,
    inputs=guard_life_cases(),
)
def guard_at_zero(factory: Factory, case: GuardLifeCase) -> None:
    """At the first window."""
    at, near = (GuardLife(factory(), _as(kind, case)) for kind in (AtZero, NearZero))
    whole = ~case.lost[0]
    for loss in LADDER:
        losses = np.full(case.runs, loss)
        a, b = (life.fork(0, losses)[whole] for life in (at, near))
        same(a, b, f"keep of a loss {loss} after a reference of 0 against one after {ALMOST_NOTHING:.3g}")
    a, b = (life.fork(0, np.full(case.runs, x))[whole] for life, x in ((at, 0.0), (near, ALMOST_NOTHING)))
    same(a, b, "keep of a loss 0 after a reference of 0, against an equal loss after an equal one")


# -- wrong guards -------------------------------------------------------------------------------------------------


class AddsUpTheDisplacement(Decrease):
    """Asks for a decrease by a share of the sum of s, which may be negative."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        return keep & (~move.where | (state.loss <= state.reference - 1e-3 * move.s.double().sum(dim=1)))


class LooksAtTheLastEntry(Decrease):
    """A window whose last entry fell is kept."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        return keep | ((move.s[:, -1] < 0) & torch.isfinite(state.loss))


class ZeroIsNoReference(Decrease):
    """A reference loss of 0 is taken for none."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        return keep | ((state.reference == 0) & torch.isfinite(state.loss))


class RiseByQuotient(Decrease):
    """Keeps iff |f / f_ref| <= 1 or the sign changed: after 0 nothing but a decrease is, and an equal loss is not."""

    def judge_(self, state: Losses, move: Displacement, oracle: OracleLike) -> Tensor:
        state.loss = oracle.loss(move.w_bar)
        known = move.where & torch.isfinite(state.reference)
        rise = (state.loss - state.reference) / state.reference.abs()
        return torch.isfinite(state.loss) & (~known | (rise <= 0))


MUTANTS = {Subject.GUARD: by_name(AddsUpTheDisplacement, LooksAtTheLastEntry, ZeroIsNoReference, RiseByQuotient)}
LAWS = (guard_mirror, guard_at_zero)
