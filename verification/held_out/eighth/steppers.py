"""Steppers: wrong ones, and unusual ones which are right."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import InitVar, dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import Momentum, Plain
from adaqn_lab.bases import StepperBase
from adaqn_lab.linalg import dot
from adaqn_lab.steppers.composing import Around, length_of
from adaqn_lab.steppers.momentum import moved
from verification.law import Subject


@dataclass
class Segments:
    """The inner state; ``sizes`` of the tensors is shape, not state."""

    of: Any
    sizes: InitVar[tuple[int, ...]]

    def __post_init__(self, sizes):
        self.lengths = sizes


@dataclass(frozen=True, kw_only=True)
class TensorClipped(Around):
    """Every tensor's part of the direction is clipped to the radius, so that the whole may be longer."""

    radius: float = 1.0
    of: Any = Plain()

    declares: ClassVar[frozenset[str]] = frozenset({"clipped"})

    def init(self, space):
        return Segments(self.of.init(space), space.sizes or (space.size,))

    def direction_(self, state, step, operator):
        d = self.of.direction_(state.of, step, operator)
        parts = []
        for part in d.split(state.lengths, dim=1):
            length = part.norm(dim=1, keepdim=True)
            parts.append(part * torch.where(length > self.radius, self.radius / length, 1.0))
        return torch.cat(parts, dim=1)

    def advance_(self, state, where):
        self.of.advance_(state.of, where)

    def rollback_(self, state, where):
        self.of.rollback_(state.of, where)


@dataclass
class Kept:
    """``velocity``, ``kept`` (R, n), ``momentum`` (R,) float64, the inner state."""

    velocity: Tensor
    kept: Tensor
    momentum: Tensor
    of: Any


@dataclass(frozen=True, kw_only=True)
class WindowNesterov(Around):
    """Nesterov which goes back to the velocity at the start of the window, not to that at the reference."""

    momentum: float = 0.9
    shrink: float = 1.0
    grow: float = 1.0
    at_most: float = 0.99
    of: Any = Plain()

    declares: ClassVar[frozenset[str]] = frozenset({"nesterov"})

    def init(self, space):
        return Kept(space.zeros(), space.zeros(), space.scalars(fill=self.momentum), self.of.init(space))

    def direction_(self, state, step, operator):
        if step.place == 0:
            state.kept = state.velocity.clone()
        d = self.of.direction_(state.of, step, operator)
        mu = state.momentum.to(d.dtype).unsqueeze(1)
        state.velocity = moved(state.velocity, d, mu, step)
        return d + mu * state.velocity

    def advance_(self, state, where):
        grown = (state.momentum * self.grow).clamp(max=self.at_most)
        state.momentum = torch.where(where, grown, state.momentum)
        self.of.advance_(state.of, where)

    def rollback_(self, state, where):
        state.velocity = torch.where(where.unsqueeze(1), state.kept, state.velocity)
        state.momentum = torch.where(where, state.momentum * self.shrink, state.momentum)
        self.of.rollback_(state.of, where)


@dataclass
class Asleep:
    """``asleep`` (R,): whether plain gradients are in use; the inner state."""

    asleep: Tensor
    of: Any


@dataclass(frozen=True, kw_only=True)
class FallBack(Around):
    """Plain gradients from a roll-back to the next advance; a second roll-back meanwhile does not reach the inner."""

    of: Any = Momentum()

    declares: ClassVar[frozenset[str]] = frozenset({"around"})

    def init(self, space):
        return Asleep(space.mask(False), self.of.init(space))

    def direction_(self, state, step, operator):
        d = self.of.direction_(state.of, replace(step, g=step.g.clone()), operator)
        return torch.where(state.asleep.unsqueeze(1), step.g, d)

    def advance_(self, state, where):
        state.asleep = state.asleep & ~where
        self.of.advance_(state.of, where)

    def rollback_(self, state, where):
        self.of.rollback_(state.of, where & ~state.asleep)
        state.asleep = state.asleep | where


@dataclass
class Schedule:
    """``made`` steps (R,), and how many at the reference: ``kept`` (R,); the inner state."""

    made: Tensor
    kept: Tensor
    of: Any


@dataclass(frozen=True, kw_only=True)
class RewoundDecay(Around):
    """The schedule of lengths goes back with the parameters, so that k is no longer the number of the step."""

    tau: float = 1.0
    power: float = 1.0
    of: Any = Plain()

    declares: ClassVar[frozenset[str]] = frozenset({"decaying"})

    def init(self, space):
        return Schedule(space.counts(), space.counts(), self.of.init(space))

    def direction_(self, state, step, operator):
        factor = (self.tau / (self.tau + state.made.double())) ** self.power
        state.made = state.made + 1
        return self.of.direction_(state.of, step, operator) * factor.to(step.g.dtype).unsqueeze(1)

    def advance_(self, state, where):
        state.kept = torch.where(where, state.made, state.kept)
        self.of.advance_(state.of, where)

    def rollback_(self, state, where):
        state.made = torch.where(where, state.kept, state.made)
        self.of.rollback_(state.of, where)


@dataclass
class Trust:
    """``radius``, and the ``loss`` of the step before, NaN if unknown, (R,) float64."""

    radius: Tensor
    loss: Tensor


@dataclass(frozen=True, kw_only=True)
class LossRadius(StepperBase):
    """A trust radius which halves where the closure's loss rose and grows where it fell."""

    radius: float = 1.0

    def init(self, space):
        return Trust(space.scalars(fill=self.radius), space.scalars(fill=math.nan))

    def direction_(self, state, step, operator):
        if step.loss is not None:
            loss = torch.as_tensor(step.loss, dtype=torch.float64, device=step.g.device).detach()
            loss = loss.expand(state.loss.shape)
            factor = torch.where(loss > state.loss, 0.5, torch.where(loss < state.loss, 1.25, 1.0))
            changed = (state.radius * factor).clamp(1e-3, 1e3)
            state.radius = torch.where(step.where, changed, state.radius)
            state.loss = torch.where(step.where, loss, state.loss)
        d = operator.apply_(step.g)
        length = length_of(d)
        radius = state.radius.to(d.dtype).unsqueeze(1)
        return d * torch.where(length > radius, radius / length, 1.0)


@dataclass(frozen=True, kw_only=True)
class TensorNormalised(StepperBase):
    """Every tensor's part of H g has length one: NaN, and the run stands still, where a tensor's gradient is zero."""

    def init(self, space):
        return Segments(None, space.sizes or (space.size,))

    def direction_(self, state, step, operator):
        d = operator.apply_(step.g)
        parts = d.split(state.lengths, dim=1)
        return torch.cat([part / part.norm(dim=1, keepdim=True) for part in parts], dim=1)


@dataclass(frozen=True, kw_only=True)
class Triangular(StepperBase):
    """Right: d = c H g, c between 1/2 and 1 by the step's place in its window; no state."""

    def direction_(self, state, step, operator):
        return operator.apply_(step.g) * (1.0 if step.last else 0.5 + 0.5 / (1.0 + step.place))


@dataclass
class WideVelocity:
    """``velocity`` (R, n) float64 and the inner state."""

    velocity: Tensor
    of: Any


@dataclass(frozen=True, kw_only=True)
class WideMomentum(Around):
    """Right: heavy ball whose velocity is kept in float64 and rounded when it is returned."""

    momentum: float = 0.9
    of: Any = Plain()

    declares: ClassVar[frozenset[str]] = frozenset({"heavy ball", "around"})

    def init(self, space):
        return WideVelocity(space.zeros(dtype=torch.float64), self.of.init(space))

    def direction_(self, state, step, operator):
        d = self.of.direction_(state.of, step, operator)
        following = self.momentum * state.velocity + d.double()
        limit = torch.finfo(d.dtype).max
        size = following.norm(dim=1)
        sound = step.where & torch.isfinite(dot(d, d)) & (size < limit**0.5)
        state.velocity = torch.where(sound.unsqueeze(1), following, state.velocity)
        return state.velocity.to(d.dtype, copy=True)

    def advance_(self, state, where):
        self.of.advance_(state.of, where)

    def rollback_(self, state, where):
        state.velocity = torch.where(where.unsqueeze(1), 0.0, state.velocity)
        self.of.rollback_(state.of, where)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: {
        "radius_for_each_tensor_in_place_of_the_whole": TensorClipped,
        "velocity_of_the_windows_start_restored": WindowNesterov,
        "second_rollback_while_asleep_not_forwarded": FallBack,
        "decay_rewound_by_a_rollback": RewoundDecay,
        "zero_over_zero_for_a_frozen_tensor": TensorNormalised,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: {
        "triangular_length": Triangular,
        "wide_momentum": WideMomentum,
        # Handed in as wrong, when step.loss kept its sign under maximize; the optimizer flips it now.
        "radius_by_the_loss": LossRadius,
    }
}
