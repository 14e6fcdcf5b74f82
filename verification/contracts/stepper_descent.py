"""Where every stepper goes, whatever its rule: down along a gradient that stays, by H once, nowhere without one.

A stepper may wait, grow shorter, average, accelerate, clip, normalise and go back to slow weights now and then: no law
here is about one direction where such a rule may turn it. Rules which choose coordinates or draw random numbers break
``stepper-between-g-and-hg``; whoever means that names the law in ``expect_failure``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Space, Step
from adaqn_lab.protocols import Operator
from verification.compare import holds
from verification.contracts.stepper_bases import Direct, Rolling, Velocity, unit
from verification.law import Group, Subject, law
from verification.lives import LONG, Life, LifeCase, Manner, closure_loss, life_cases, lived
from verification.naming import by_name
from verification.strategies import Array
from verification.tolerances import TOLERANCES

Factory = Callable[[], Any]
ROUNDED = 2.0**-6
"""Directions may be rounded to bfloat16."""
SPAN = 30
"""Over how many steps a stepper may be judged which waits or goes back for some of them."""


def _slopes(factory: Factory, case: LifeCase) -> tuple[Array, Array]:
    """g'd (K, R) in units of |g| for the gradient g = ``case.v`` at every step, and which steps count."""
    d = lived(factory(), case, case.v, home=True, loss=closure_loss)
    v = case.v.astype(np.float64) / case.units
    return np.asarray((d * v).sum(2)), case.masks


@law(
    name="stepper-descends-a-constant-slope",
    statement="g_k = g: g'(d_1 + ... + d_k) >= 0 for every k, and g'(d_k + ... + d_{k+29}) > 0 for 150 steps",
    source="H is positive definite, so Hg goes down; averages and momenta of it do, over roll-backs and advances too.",
    group=Group.MATHEMATICS,
    subject=Subject.STEPPER,
    kills=(
        *("uphill_from_step_nine", "uphill_from_call_hundred", "uphill_in_run_three", "uphill_after_a_window_kept"),
        *("velocity_turns_at_roll_back", "stops_after_fifty", "loses_tiny_gradients"),
    ),
    inputs=life_cases(steps=LONG),
    share=0.2,
)
def descends_a_constant_slope(factory: Factory, case: LifeCase) -> None:
    """Which way is down does not change."""
    slopes, masks = _slopes(factory, case)
    paths = slopes.cumsum(axis=0)
    for k, run in zip(*np.nonzero(paths < 0), strict=True):
        holds(False, f"run {run}, the same g at every step: g'(d_1 + ... + d_{k + 1}) = {paths[k, run]:.6g} is below 0")
    parts, counted = (np.lib.stride_tricks.sliding_window_view(x, SPAN, axis=0).sum(-1) for x in (slopes, masks))
    for k, run in zip(*np.nonzero((parts <= 0) & (counted > 0)), strict=True):
        text = f"g'(d_{k + 1} + ... + d_{k + SPAN}) = {parts[k, run]:.6g}, more than 0 expected"
        holds(False, f"run {run}, the same g at every step: {text}")


@law(
    name="stepper-does-not-explode",
    statement="g_k = g, no roll-backs: g'(d_121 + ... + d_150) <= 64 g'(d_61 + ... + d_90)",
    source="Steps may grow with a power of k, as accelerated ones do; a velocity that outgrows its friction does not.",
    group=Group.MATHEMATICS,
    subject=Subject.STEPPER,
    kills=("velocity_outgrows_friction", "longer_by_a_tenth"),
    inputs=life_cases(steps=LONG),
    share=0.1,
)
def does_not_explode(factory: Factory, case: LifeCase) -> None:
    """Twice the steps are not a million times the speed."""
    d = lived(factory(), case, case.v, home=True, told=False, loss=closure_loss)
    slopes = (d * (case.v.astype(np.float64) / case.units)).sum(2)
    early, late = slopes[60:90].sum(0), slopes[120:150].sum(0)
    text = f"g'(d_121 + ... + d_150) = {late.tolist()}, g'(d_61 + ... + d_90) = {early.tolist()}, by run"
    holds((late <= 64 * early).all(), f"the same g at every step: {text}; the first is more than 64 times the second")


def _entries(factory: Factory, case: LifeCase) -> Array:
    """The entries of d for a gradient of equal ones, (K, R, n), as positive numbers where they follow the gradient."""
    signs = case.signs
    d = lived(factory(), case, (signs * case.units).astype(case.dtype), home=True, loss=closure_loss) * signs
    toward = np.where(d.sum(axis=2, keepdims=True) < 0, -1.0, 1.0)  # a stepper may go back some of its way
    return np.asarray(d * toward)


@law(
    name="stepper-between-g-and-hg",
    statement="|g_i| = |g_j|, H diagonal, h_i >= h_j: d_i / g_i >= d_j / g_j and d_i / (h_i g_i) <= d_j / (h_j g_j)",
    source="A step lies between g and Hg: longer, shifted, clipped or damped, but H is used once, and not its inverse.",
    group=Group.MATHEMATICS,
    subject=Subject.STEPPER,
    tolerance="linear",
    kills=(
        *("h_twice", "h_inverse", "h_twice_and_unit", "h_twice_from_step_nine", "one_coordinate", "drifts"),
        *("normalises_by_h_inverse",),
    ),
    inputs=life_cases(steps=LONG, min_size=2),
    share=0.2,
)
def between_g_and_hg(factory: Factory, case: LifeCase) -> None:
    """What H says more about is trusted more, and not more than H says."""
    e = _entries(factory, case)
    order = case.h0.argsort(axis=1)
    h = np.take_along_axis(case.h0.astype(np.float64), order, axis=1)
    e = np.take_along_axis(e, order[None].repeat(len(e), axis=0), axis=2)
    largest = np.maximum.accumulate(np.abs(e).max(axis=2, keepdims=True), axis=0)
    atol = TOLERANCES["linear"](case.dtype, n=case.steps) * largest
    small, large = e[..., :-1], e[..., 1:]
    ratio = h[:, 1:] / h[:, :-1]  # 1.41 at least
    wrong = (((1 + ROUNDED) * large < small - atol) | (large > (1 + ROUNDED) * ratio * (small + atol))) & case.masks[
        :, :, None
    ]
    for k, run, i in zip(*np.nonzero(wrong), strict=True):
        holds(
            False,
            f"run {run}, step {k + 1}: g has equal entries, H has {h[run, i]:.6g} and {h[run, i + 1]:.6g}, d has "
            f"{small[k, run, i]:.6g} and {large[k, run, i]:.6g}; their ratio lies between 1 and that of H",
        )


@law(
    name="stepper-depends-on-h",
    statement="two matrices H: two paths, within 150 steps; or the part declares gradient",
    source="A quasi-Newton step is one by H.",
    group=Group.CONTRACT,
    subject=Subject.STEPPER,
    tolerance="linear",
    kills=("gradient_undeclared", "gradient_of_unit_length"),
    unless=("gradient",),
    inputs=life_cases(steps=LONG, min_size=2),
    share=0.2,
)
def depends_on_h(factory: Factory, case: LifeCase) -> None:
    """The curvature is not left out in silence."""
    one, two = (Life(factory(), case, Manner(home=True, **how)) for how in ({"dense": True}, {"h0": case.other}))
    largest = difference = 0.0
    for d, e in zip(one.steps(), two.steps(), strict=True):
        largest, difference = max(largest, float(np.abs(d).max())), float(np.abs(d - e).max())
        if difference > TOLERANCES["linear"](case.dtype, n=case.steps) * largest:
            return
    text = f"max |d| = {largest:.6g}, max |d - d'| = {difference:.6g} with another H"
    holds(False, f"{case.steps} steps: {text}; a stepper which does not use H declares 'gradient'")


@law(
    name="stepper-stands-still",
    statement="every gradient 0 so far: d = 0, whatever other runs do",
    source="Where the slope is zero nothing is gained by moving.",
    group=Group.MATHEMATICS,
    subject=Subject.STEPPER,
    kills=("normalises_zero_length", "drifts", "moves_with_the_others"),
    inputs=life_cases(min_runs=2),
    share=0.3,
)
def stands_still(factory: Factory, case: LifeCase) -> None:
    """No slope, no step."""
    still = np.arange(case.runs) % 2 == 0
    d = lived(factory(), case, np.where(still[:, None], 0.0, case.v).astype(case.dtype), home=True)[:, still]
    for k, run in zip(*np.nonzero(np.any(d != 0, axis=2)), strict=True):
        holds(
            False, f"run {2 * run}, whose gradients were all 0: d of step {k + 1} is {d[k, run].tolist()}, 0 expected"
        )


class UphillFromStepNine(Direct):
    """Downhill at first."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return operator(step.g) * (1 if step.k < 9 else -1)


class UphillFromCallHundred(Direct):
    """Counts by itself, and turns at its hundredth direction."""

    def init(self, space: Space) -> Velocity:
        return Velocity(space.zeros())

    def direction_(self, state: Velocity, step: Step, operator: Operator) -> Tensor:
        state.v = state.v + 1
        return torch.where(state.v < 100, operator(step.g), -operator(step.g))


class UphillInRunThree(Direct):
    """The fourth run and those after it go up."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator(step.g)
        d[3:].neg_()
        return d


class UphillAfterAWindowKept(Direct):
    """An advance turns the sign."""

    def init(self, space: Space) -> Velocity:
        return Velocity(space.zeros() + 1)

    def direction_(self, state: Velocity, step: Step, operator: Operator) -> Tensor:
        return state.v * operator(step.g)

    def advance_(self, state: Velocity, where: Tensor) -> None:
        state.v = torch.where(where.unsqueeze(1), -1.0, state.v)


class VelocityTurnsAtRollBack(Rolling):
    """A roll-back makes the velocity one against the gradient, several times over."""

    def rollback_(self, state: Any, where: Tensor) -> None:
        state.v = torch.where(where.unsqueeze(1), -64 * state.v, state.v)


class VelocityOutgrowsFriction(Rolling):
    """v <- 1.2 v + H g."""

    def direction_(self, state: Velocity, step: Step, operator: Operator) -> Tensor:
        state.v = torch.where(step.where.unsqueeze(1), 1.2 * state.v + operator(step.g), state.v)
        return state.v.clone()


class LongerByATenth(Direct):
    """Each step is a tenth longer than the last."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return operator(step.g) * 1.1**step.k


class StopsAfterFifty(Direct):
    """Takes the method for converged."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return operator(step.g) * (1 if step.k < 50 else 0)


class LosesTinyGradients(Direct):
    """What is below an absolute threshold is zero: whoever scales the loss down stops training."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator(step.g)
        return torch.where(d.abs() < 1e-12, 0.0, d)


class HTwice(Direct):
    """d = H H g, and nothing is declared."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return operator(operator(step.g))


class HInverse(Direct):
    """d = B g: the Hessian taken for its inverse."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return operator.inverse(step.g)


class HTwiceAndUnit(Direct):
    """The length hides it."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return unit(operator(operator(step.g)))


class HTwiceFromStepNine(Direct):
    """When the memory is full."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator(step.g)
        return d if step.k < 9 else operator(d)


class OneCoordinate(Direct):
    """The first parameter is trained, no other."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = torch.zeros_like(step.g)
        d[:, 0] = operator(step.g)[:, 0]
        return d


class Drifts(Direct):
    """A constant is added to every entry."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return operator(step.g) + 0.25


class NormalisesByHInverse(Direct):
    """d = B g / |B g|."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return unit(operator.inverse(step.g))


class GradientUndeclared(Direct):
    """d = g, in silence."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return step.g


class GradientOfUnitLength(Direct):
    """d = g / |g|, in silence."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return unit(step.g)


class NormalisesZeroLength(Direct):
    """d = Hg / |Hg|: 0 / 0."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator(step.g)
        length: Tensor = torch.linalg.vector_norm(d.double(), dim=1, keepdim=True)
        return d / length.to(d.dtype)


class MovesWithTheOthers(Direct):
    """A run without a slope takes the mean of the others' directions."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator(step.g)
        return torch.where((d == 0).all(1, keepdim=True), d.mean(0, keepdim=True), d)


LAWS = (
    descends_a_constant_slope,
    does_not_explode,
    between_g_and_hg,
    depends_on_h,
    stands_still,
)
MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: by_name(
        *(UphillFromStepNine, UphillFromCallHundred, UphillInRunThree, UphillAfterAWindowKept),
        *(VelocityOutgrowsFriction, LongerByATenth),
        *(VelocityTurnsAtRollBack, StopsAfterFifty, LosesTinyGradients),
        *(HTwice, HInverse, HTwiceAndUnit, HTwiceFromStepNine, OneCoordinate, Drifts, NormalisesByHInverse),
        *(GradientUndeclared, GradientOfUnitLength, NormalisesZeroLength, MovesWithTheOthers),
    )
}
