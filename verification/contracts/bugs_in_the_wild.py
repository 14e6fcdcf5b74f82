"""Bugs of published libraries as wrong parts, each named after its mechanism; laws that were there before find them.

docs/libraries.md tells where each was found. Those that no law found then lie beside the law made for them
(verification/operator/whole_numbers.py, verification/drive/refused_pair.py), and older ones beside the parts they
belong to.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Displacement, PowellB, Regularised, Repaired, Space, Verdict, Window
from adaqn_lab.linalg import dot, write_row_
from adaqn_lab.protocols import Operator
from verification.adapters.driving import Driven, Gradient
from verification.contracts.mutants_of_memories import Reporting, WrongWindow
from verification.drive.mutants import honest
from verification.law import Subject
from verification.references import two_loop
from verification.strategies import Array

LAWS = ()


def eps_added_to_r(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """blackjax 1.7.1: an absolute eps on the diagonal of R = triu(S Y'), wrong where |s||y| is near it."""
    S, Y, h0, g_ = (x.astype(np.float64) for x in (S, Y, h0, g))
    R = np.triu(S @ Y.T) + np.finfo(g.dtype).eps * np.eye(len(S))
    D = np.diag(np.einsum("ij,ij->i", S, Y))
    inverse = np.linalg.inv(R)
    a, b = S @ g_, Y @ (h0 * g_)
    upper = inverse.T @ ((D + Y * h0 @ Y.T) @ (inverse @ a) - b)
    result: Array = (h0 * g_ + upper @ S - h0 * (Y.T @ (inverse @ a))).astype(g.dtype)
    return result


def sums_from_the_oldest(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """lbfgsb 1.1.0: the points of a saved run are rebuilt from its differences, summed from the wrong end."""

    def restored(differences: Array) -> Array:
        points = np.vstack([-np.cumsum(differences, axis=0), np.zeros_like(g)[None]])
        return np.diff(points, axis=0)

    return two_loop.direction(restored(S), restored(Y), h0, g).astype(g.dtype)


def start_overwritten(gradient: Gradient, start: Array, steps: int) -> Driven:
    """pytorch-minimize 0.1.0: the first of the points is an array that is written over until the last step."""
    driven = honest(gradient, start, steps)
    return Driven(np.vstack([driven.points[-1:], driven.points[1:]]), driven.S, driven.Y)


CAPACITY = 10


def reports_the_ring_as_it_lies(gradient: Gradient, start: Array, steps: int) -> Driven:
    """SciPy 1.17.1, hess_inv of L-BFGS-B: the pairs in the order of their slots, not of their age."""
    driven = honest(gradient, start, steps)
    m = len(driven.S)
    ring = [max(range(slot, m, CAPACITY)) for slot in range(min(m, CAPACITY))]
    return Driven(driven.points, driven.S[ring], driven.Y[ring])


def one_pair_too_many(gradient: Gradient, start: Array, steps: int) -> Driven:
    """pysisyphus 1.0.0: the direction is made before the oldest pair is dropped."""
    points, S, Y = [start], np.zeros((0, start.size)), np.zeros((0, start.size))
    for _ in range(steps):
        w, g = points[-1], gradient(points[-1])
        gamma = S[-1] @ Y[-1] / (Y[-1] @ Y[-1]) if len(S) else min(1.0, 1.0 / float(np.linalg.norm(g)))
        points.append(w - two_loop.direction(S, Y, np.full_like(w, gamma), g))
        s, y = points[-1] - w, gradient(points[-1]) - g
        if s @ y > 0:
            S, Y = np.vstack([S[-CAPACITY:], s]), np.vstack([Y[-CAPACITY:], y])
    return Driven(np.array(points), S[-CAPACITY:], Y[-CAPACITY:])


class BackupCopiedBackwards(WrongWindow):
    """stochQN 73e6132: a slot is backed up by copying the back-up into it, so that a refusal leaves unset values."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        refused = move.where & ~verdict.admitted
        for rows in (state.s, state.y):
            write_row_(rows, torch.full_like(move.s, 7.0), state.head, refused)
        return verdict


class H0OfTheUndampedPair(Repaired):
    """hjmshi/PyTorch-LBFGS 4cd150f: H0 = s'y / y'y with the damped y, but the s'y from before: it may be negative."""

    declares: ClassVar[tuple[str, ...]] = ("newest",)

    def init(self, space: Space) -> Reporting:
        start = torch.ones(4, space.runs, dtype=torch.float64)
        start[3] = 0
        return Reporting(**vars(super().init(space)), tried=start)

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        now = torch.stack([dot(move.s, y), verdict.s_s, verdict.y_y, torch.ones_like(verdict.s_y)])
        state.tried = torch.where(verdict.admitted, now, state.tried)
        return verdict

    def reset_(self, state: Any, where: Tensor) -> None:
        super().reset_(state, where)
        state.tried[3] = torch.where(where, 0.0, state.tried[3])


@dataclass(frozen=True)
class _Blend:
    """s <- theta s + (1 - theta) B s, theta as in Powell's damping of y."""

    delta: float = 0.2
    needs_inverse: ClassVar[bool] = True

    def repair(self, s: Tensor, y: Tensor, operator: Any) -> tuple[Tensor, Tensor]:
        """Damp the wrong one of the two."""
        Bs = operator.inverse(s)
        s_y, size = (dot(s, x).unsqueeze(1) for x in (y, Bs))
        theta = torch.where(s_y < self.delta * size, (1 - self.delta) * size / (size - s_y), 1.0)
        return theta * s + (1 - theta) * Bs, y


class BlendsSWithBs(Repaired):
    """torchzero 0.4.4: Powell's damping with B blends s with B s where it should blend y."""

    declares: ClassVar[tuple[str, ...]] = ("damped b",)


@dataclass(frozen=True)
class _PlusForTimes:
    """y + (max(0, -s'y / s's) + shift) + s where y + shift s has s'y <= 0, else y + shift s."""

    shift: float = 1e-3
    needs_inverse: ClassVar[bool] = False

    def repair(self, s: Tensor, y: Tensor, operator: Any) -> tuple[Tensor, Tensor]:
        """Add the number to every entry."""
        _, regular = Regularised(shift=self.shift).repair(s, y, operator)
        multiple = (-dot(s, y) / dot(s, s)).clamp(min=0).unsqueeze(1) + self.shift
        return s, torch.where((dot(s, regular) <= 0).unsqueeze(1), y + multiple + s, regular)


class AddsAMultipleAndS(Repaired):
    """pysisyphus 1.0.0, mu_reg: a plus where a times belongs."""

    declares: ClassVar[tuple[str, ...]] = ("regularised",)


MUTANTS = {
    Subject.OPERATOR: {f.__name__: (lambda f=f: f) for f in (eps_added_to_r, sums_from_the_oldest)},
    Subject.DRIVE: {
        f.__name__: (lambda f=f: f) for f in (start_overwritten, reports_the_ring_as_it_lies, one_pair_too_many)
    },
    Subject.MEMORY: {
        "backup_copied_backwards": partial(BackupCopiedBackwards, capacity=3),
        "h0_of_the_undamped_pair": partial(H0OfTheUndampedPair, by=PowellB(), of=Window(capacity=3)),
        "blends_s_with_bs": partial(BlendsSWithBs, by=_Blend(), of=Window(capacity=3)),
        "adds_a_multiple_and_s": partial(AddsAMultipleAndS, by=_PlusForTimes(), of=Window(capacity=3)),
    },
}
