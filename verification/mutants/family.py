"""Wrong memories, pair generators and steppers of the family, each with one sin, which its name says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import (
    AggregatedWindow,
    BlockDiagonal,
    Dense,
    Displacement,
    GradientDifference,
    Momentum,
    Nesterov,
    Normalised,
    PowellB,
    PowellScaled,
    RegularisedDense,
    Repaired,
    ShiftedWindow,
    SoftWindow,
    Space,
    Step,
    Verdict,
    Window,
)
from adaqn_lab.protocols import InitialMatrix, Operator
from verification.mutants.naming import sin_of

Factory = Callable[[], Any]


@dataclass(frozen=True)
class _Honest:
    """A repair with every field that a damping has, which repairs nothing."""

    delta: float = 0.2
    mu: float = 0.1
    lower: float = 0.1
    upper: float = 10.0
    shift: float = 1e-3
    floor: float = 1.0
    needs_inverse: ClassVar[bool] = False

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Return the pair."""
        return s, y


class _HForB(_Honest):
    """The B form with H s in the place of B s."""

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Damp towards H s."""

        class Swapped:
            def inverse(self, v: Tensor) -> Tensor:
                return operator(v)

        return PowellB(delta=self.delta).repair(s, y, Swapped())  # type: ignore[arg-type]


class _TowardsGradient(_Honest):
    """The H form with y in the place of H y, as SGDLibrary takes H g: another vector than H applied to y."""

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Damp towards -y."""
        theta = 0.5 * ((s * y).sum(1, keepdim=True) < 1).to(y.dtype)
        return (1 - theta) * s - theta * y, y


class _AlongY(_Honest):
    """y + shift y for y + shift s."""

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Lengthen y."""
        return s, y * (1 + self.shift)


class _WithoutFloor(_Honest):
    """Damping with gamma = y'y / |s'y|, however small, also where s'y < 0."""

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Damp by the bare ratio."""
        return PowellScaled(delta=self.delta, floor=1e-30).repair(s, y, operator)


class _GammaUpsideDown(_Honest):
    """Damping with gamma = s'y / y'y."""

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Damp towards H0 s for B0 s."""
        s_y, s_s, y_y = ((a * b).sum(1, keepdim=True) for a, b in ((s, y), (s, s), (y, y)))
        size = (s_y / y_y).clamp(min=self.floor) * s_s
        theta = torch.where(s_y < self.delta * size, (1 - self.delta) * size / (size - s_y), 1.0)
        return s, theta * y + (1 - theta) * size / s_s * s


class InverseIsH(Window):
    """B v is H v."""

    declares: ClassVar[tuple[str, ...]] = ("invertible",)

    def solve_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        return self.apply_(state, v, h0)


class InverseWithoutOlderPairs(Window):
    """B v from the newest pair only."""

    declares: ClassVar[tuple[str, ...]] = ("invertible",)

    def solve_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        slots = torch.arange(state.capacity)
        last = slots == torch.remainder(state.head - 1, state.capacity).unsqueeze(1)
        newest = replace(state, held=state.held & last)
        return newest.solve_(v, h0)  # type: ignore[no-any-return]


class DenseForgetsOlderPairs(Dense):
    """Q starts anew at every pair."""

    declares: ClassVar[tuple[str, ...]] = ("dense",)

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        state.Q = torch.zeros_like(state.Q)
        return super().admit_(state, move, y, operator)


class DeltaForgotten(RegularisedDense):
    """B without delta I: plain BFGS."""

    declares: ClassVar[tuple[str, ...]] = ("regularised dense",)

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        return RegularisedDense.admit_(replace(self, delta=1e-300), state, move, y, operator)


class DeltaAddedOnce(RegularisedDense):
    """delta I for the first pair only."""

    declares: ClassVar[tuple[str, ...]] = ("regularised dense",)

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        delta = 1e-300 if bool(state.started.any()) else self.delta
        return RegularisedDense.admit_(replace(self, delta=delta), state, move, y, operator)


class DeltaAddedToH(RegularisedDense):
    """(B + delta I)^-1 is taken for B^-1 + delta I."""

    declares: ClassVar[tuple[str, ...]] = ("regularised dense",)

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        return super().apply_(state, v.clone(), h0) + self.delta * v


class SecantIsHard(SoftWindow):
    """The softness is never used."""

    declares: ClassVar[tuple[str, ...]] = ("soft secant",)

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        return Window(capacity=self.capacity, test=self.test).admit_(state, move, y, operator)


class ShiftForgotten(ShiftedWindow):
    """H = B^-1."""

    declares: ClassVar[tuple[str, ...]] = ("shifted",)

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        return state.apply_(v, h0)  # type: ignore[no-any-return]


class NeverAggregates(AggregatedWindow):
    """The oldest pair leaves for a parallel one."""

    declares: ClassVar[tuple[str, ...]] = ("aggregated",)

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        return Window(capacity=self.capacity, test=self.test).admit_(state, move, y, operator)


class AggregatesEverything(AggregatedWindow):
    """Every pair takes the newest one's place."""

    declares: ClassVar[tuple[str, ...]] = ("aggregated",)

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        state.pop_(move.where)
        return super().admit_(state, move, y, operator)


class BlocksIgnored(BlockDiagonal):
    """One block over everything."""

    declares: ClassVar[tuple[str, ...]] = ("blocks",)

    def init(self, space: Space) -> Any:
        return super().init(replace(space, shapes=()))


class DifferenceForgetsReference(GradientDifference):
    """y = g(w_bar): the gradient at the reference is taken for zero."""

    declares: ClassVar[tuple[str, ...]] = ("difference",)

    def pair_(self, state: None, move: Displacement, oracle: Any) -> Tensor:
        y: Tensor = oracle.gradient(move.w_bar, self.sample)
        return y


class ShiftHasWrongSign(GradientDifference):
    """y - shift s for y + shift s."""

    declares: ClassVar[tuple[str, ...]] = ("difference",)

    def pair_(self, state: None, move: Displacement, oracle: Any) -> Tensor:
        return super().pair_(state, move, oracle) - 2 * self.shift * move.s


class MomentumForgets(Momentum):
    """u <- momentum (u + d): the newest direction is weighted too."""

    declares: ClassVar[tuple[str, ...]] = ("heavy ball",)

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d = super().direction_(state, step, operator)
        state.velocity = state.velocity * self.momentum
        return d * self.momentum


class VelocitySurvivesRollback(Nesterov):
    """The parameters go back, the velocity does not."""

    declares: ClassVar[tuple[str, ...]] = ("nesterov",)

    def rollback_(self, state: Any, where: Tensor) -> None:
        pass


class MomentumNeverShrinks(Nesterov):
    """mu stays at a roll-back."""

    declares: ClassVar[tuple[str, ...]] = ("nesterov",)

    def rollback_(self, state: Any, where: Tensor) -> None:
        mu = state.momentum
        super().rollback_(state, where)
        state.momentum = mu


class MomentumGrowsBeyond(Nesterov):
    """mu grows above at_most."""

    declares: ClassVar[tuple[str, ...]] = ("nesterov",)

    def advance_(self, state: Any, where: Tensor) -> None:
        grown = state.momentum * self.grow
        super().advance_(state, where)
        state.momentum = torch.where(where, grown, state.momentum)


class EveryRunGrows(Nesterov):
    """mu grows for all runs when one advances."""

    declares: ClassVar[tuple[str, ...]] = ("nesterov",)

    def advance_(self, state: Any, where: Tensor) -> None:
        grown = (state.momentum * self.grow).clamp(max=self.at_most)
        super().advance_(state, where)
        state.momentum = grown


class LooksBehind(Nesterov):
    """d = u: heavy ball, without the look-ahead."""

    declares: ClassVar[tuple[str, ...]] = ("nesterov",)

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        super().direction_(state, step, operator)
        velocity: Tensor = state.velocity
        return velocity.clone()


class NormalisesRunsTogether(Normalised):
    """One length for all runs."""

    declares: ClassVar[tuple[str, ...]] = ("unit",)

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d = self.of.direction_(state, step, operator)
        together: Tensor = torch.linalg.vector_norm(d)
        return 2 * d / together.clamp(min=1e-30)


class WrongRepaired(Repaired):
    """A memory which says that it damps in every way, as far as a law looks."""

    declares: ClassVar[tuple[str, ...]] = ("damped b", "damped h", "damped ss", "damped scaled", "tau damped")


class WrongRegularised(Repaired):
    """A memory which says that it regularises."""

    declares: ClassVar[tuple[str, ...]] = ("regularised",)


def _repaired(by: _Honest, kind: type[Repaired] = WrongRepaired) -> Factory:
    return partial(kind, by=by, of=Window(capacity=3))


MEMORY: dict[str, Factory] = {
    "forgets_to_damp": _repaired(_Honest()),
    "forgets_to_regularise": _repaired(_Honest(), WrongRegularised),
    "regularises_along_y": _repaired(_AlongY(), WrongRegularised),
    "damps_with_h_for_b": _repaired(_HForB()),
    "damps_with_gradient": _repaired(_TowardsGradient()),
    "gamma_without_floor": _repaired(_WithoutFloor()),
    "gamma_upside_down": _repaired(_GammaUpsideDown()),
    **{
        sin_of(kind): kind
        for kind in (
            InverseIsH,
            InverseWithoutOlderPairs,
            DenseForgetsOlderPairs,
            DeltaForgotten,
            DeltaAddedOnce,
            DeltaAddedToH,
            SecantIsHard,
            ShiftForgotten,
            BlocksIgnored,
        )
    },
    "never_aggregates": partial(NeverAggregates, capacity=3),
    "aggregates_everything": partial(AggregatesEverything, capacity=3),
}
PAIRS: dict[str, Factory] = {
    "difference_forgets_reference": DifferenceForgetsReference,
    "shift_has_wrong_sign": partial(ShiftHasWrongSign, shift=0.5),
}
STEPPERS: dict[str, Factory] = {
    sin_of(kind): kind for kind in (MomentumForgets, VelocitySurvivesRollback, LooksBehind, NormalisesRunsTogether)
} | {
    sin_of(kind): partial(kind, shrink=0.5, grow=1.25, at_most=0.95)
    for kind in (MomentumNeverShrinks, MomentumGrowsBeyond, EveryRunGrows)
}
