"""Inner steppers: wrong ones, and unusual ones that are right."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import Plain, PlusGradient
from adaqn_lab.bases import StepperBase
from adaqn_lab.protocols import InnerStepper, Need, Operator, Step
from adaqn_lab.space import Space
from verification.law import Subject

if TYPE_CHECKING:
    from adaqn_lab.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class ClippedTogether(StepperBase):
    """The length to be clipped is that of the whole (R, n) tensor, so that a long step of one run shortens all."""

    radius: float = 1.0

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator.apply_(step.g)
        length = torch.linalg.vector_norm(d)
        return d * (self.radius / length.clamp(min=self.radius))


class PlusWhatIsLeft(PlusGradient):
    """The gradient itself goes to the stepper inside, and what that has left of it is added as if it were g."""

    declares: ClassVar[frozenset[str]] = frozenset({"plus gradient"})

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state, step, operator)
        return d + self.weight * step.g


@dataclass
class Factor:
    """``factor`` (R,) of the step's length."""

    factor: Tensor


@dataclass(frozen=True, kw_only=True)
class ShorterAfterRollback(StepperBase):
    """The runs that went back are selected by a boolean index, whose length the host must read from the device."""

    def init(self, space: Space) -> Factor:
        return Factor(space.scalars(fill=1.0))

    def direction_(self, state: Factor, step: Step, operator: Operator) -> Tensor:
        return operator.apply_(step.g) * state.factor.to(step.g.dtype).unsqueeze(1)

    def advance_(self, state: Factor, where: Tensor) -> None:
        state.factor[where] = (state.factor[where] * 1.25).clamp(max=1.0)

    def rollback_(self, state: Factor, where: Tensor) -> None:
        state.factor[where] *= 0.5


@dataclass
class Velocity:
    """``velocity`` (R, n)."""

    velocity: Tensor


@dataclass(frozen=True, kw_only=True)
class AllStopTogether(StepperBase):
    """Momentum is set to zero in every run as soon as one of them is rolled back."""

    momentum: float = 0.8

    def init(self, space: Space) -> Velocity:
        return Velocity(space.zeros())

    def direction_(self, state: Velocity, step: Step, operator: Operator) -> Tensor:
        moved = self.momentum * state.velocity + operator.apply_(step.g)
        sound = step.where & torch.isfinite(torch.linalg.vector_norm(moved, dim=1).square())
        state.velocity = torch.where(sound.unsqueeze(1), moved, state.velocity)
        return state.velocity.clone()

    def rollback_(self, state: Velocity, where: Tensor) -> None:
        state.velocity = torch.where(where.any(), torch.zeros_like(state.velocity), state.velocity)


class Outer:
    """What a stepper around another one hands on."""

    of: InnerStepper

    @property
    def needs(self) -> frozenset[Need]:
        """The inner one's."""
        return self.of.needs

    def check_recipe(self, recipe: Recipe) -> None:
        """The inner one's."""
        self.of.check_recipe(recipe)

    def advance_(self, state: Any, where: Tensor) -> None:
        """The inner one's."""
        self.of.advance_(state.of, where)


@dataclass
class Scaled:
    """The velocity is ``scale`` (R,) times ``vector`` (R, n); and the inner state."""

    vector: Tensor
    scale: Tensor
    of: Any


@dataclass(frozen=True, kw_only=True)
class LazyDecay(Outer):
    """The velocity decays by its factor alone, which nobody renews: after some steps d / momentum^k overflows."""

    momentum: float = 0.1
    of: InnerStepper = Plain()

    declares: ClassVar[frozenset[str]] = frozenset({"heavy ball"})

    def init(self, space: Space) -> Scaled:
        return Scaled(space.zeros(), space.scalars(fill=1.0), self.of.init(space))

    def direction_(self, state: Scaled, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state.of, step, operator)
        sound = step.where & torch.isfinite(torch.linalg.vector_norm(d, dim=1).square())
        state.scale = torch.where(sound, state.scale * self.momentum, state.scale)
        added = state.vector + (d.double() / state.scale.unsqueeze(1)).to(d.dtype)
        state.vector = torch.where(sound.unsqueeze(1), added, state.vector)
        return (state.vector.double() * state.scale.unsqueeze(1)).to(d.dtype)

    def rollback_(self, state: Scaled, where: Tensor) -> None:
        state.vector = torch.where(where.unsqueeze(1), 0.0, state.vector)
        state.scale = torch.where(where, 1.0, state.scale)
        self.of.rollback_(state.of, where)


@dataclass(frozen=True, kw_only=True)
class TrustRatios(StepperBase):
    """The sizes of the layers are kept on the part, where the space that was made last has overwritten them."""

    trust: float = 0.1

    def init(self, space: Space) -> None:
        object.__setattr__(self, "_sizes", space.sizes or (space.size,))

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        w = step.w()
        d = operator.apply_(step.g)
        n, sizes = d.shape[1], list(self._sizes)
        bounds = [min(sum(sizes[:i]), n) for i in range(len(sizes))] + [n]
        for start, stop in pairwise(bounds):
            layer = d[:, start:stop]
            length = torch.linalg.vector_norm(layer, dim=1, keepdim=True)
            most = self.trust * (1.0 + torch.linalg.vector_norm(w[:, start:stop], dim=1, keepdim=True))
            layer.mul_(torch.where(length > most, most / length, 1.0))
        return d


@dataclass(frozen=True, kw_only=True)
class LongerAtTheEnd(StepperBase):
    """Right: d = H g times a length that rises over the window by the step's place and is the same in each."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return operator.apply_(step.g).mul_(1.0 - 0.5 * math.exp(-step.place / 4.0))


@dataclass
class DoubleVelocity:
    """``velocity`` (R, n) float64 and the inner state."""

    velocity: Tensor
    of: Any


@dataclass(frozen=True, kw_only=True)
class HeavyBallInDouble(Outer):
    """Right: heavy ball with a float64 velocity, rounded where it becomes a step."""

    momentum: float = 0.7
    of: InnerStepper = Plain()

    declares: ClassVar[frozenset[str]] = frozenset({"heavy ball", "around"})

    def init(self, space: Space) -> DoubleVelocity:
        return DoubleVelocity(space.zeros(dtype=torch.float64), self.of.init(space))

    def direction_(self, state: DoubleVelocity, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state.of, step, operator)
        moved = state.velocity * self.momentum + d.double()
        sound = step.where & torch.isfinite(torch.linalg.vector_norm(moved.to(d.dtype), dim=1).square())
        state.velocity = torch.where(sound.unsqueeze(1), moved, state.velocity)
        return state.velocity.to(d.dtype, copy=True)

    def rollback_(self, state: DoubleVelocity, where: Tensor) -> None:
        state.velocity = torch.where(where.unsqueeze(1), 0.0, state.velocity)
        self.of.rollback_(state.of, where)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: {
        "clipped_by_the_length_of_all_runs": ClippedTogether,
        "plus_what_the_inner_stepper_left": lambda: PlusWhatIsLeft(weight=0.1),
        "boolean_index_reads_the_device": ShorterAfterRollback,
        "one_rollback_stops_every_run": AllStopTogether,
        "scale_of_the_lazy_velocity_runs_out": LazyDecay,
        "layers_of_the_space_made_last": TrustRatios,
    }
}
HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: {"longer_at_the_end_of_a_window": LongerAtTheEnd, "heavy_ball_in_double": HeavyBallInDouble}
}
