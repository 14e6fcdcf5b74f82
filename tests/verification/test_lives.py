"""Honest parts of strangers pass, whatever their rule; what a law does not apply to is said."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest
import torch

import adaqn_lab as lab
from adaqn_lab import Need
from adaqn_lab.bases import GuardBase, StepperBase
from verification import by_name, verify
from verification.contracts import guard_life, stepper_descent, stepper_life, stepper_symmetry
from verification.roles import candidate
from verification.running import run

STEPPER_LAWS = (*stepper_descent.LAWS, *stepper_life.LAWS, *stepper_symmetry.LAWS)


@dataclass
class Path:
    path: Any
    count: Any


class Lookahead(StepperBase):
    """Every fifth step of a run goes half of the way back."""

    def init(self, space):
        return Path(space.zeros(), space.counts())

    def direction_(self, state, step, operator):
        d, here = operator(step.g), step.where.unsqueeze(1)
        state.path = torch.where(here, state.path + d, state.path)
        state.count = state.count + step.where
        back = here & (state.count % 5 == 0).unsqueeze(1)
        d = torch.where(back, d - state.path / 2, d)
        state.path = torch.where(back, 0.0, state.path)
        return d

    def rollback_(self, state, where):
        state.path = torch.where(where.unsqueeze(1), 0.0, state.path)


class Gathering(Lookahead):
    """One step a window, along the sum of its gradients."""

    def direction_(self, state, step, operator):
        state.path = state.path + step.g
        if not step.last:
            return torch.zeros_like(step.g)
        d = operator(state.path)
        state.path = torch.where(step.where.unsqueeze(1), 0.0, state.path)
        return d


class SignOfTheStep(StepperBase):
    def direction_(self, state, step, operator):
        return operator.apply_(step.g).sign_()


class Rounded(StepperBase):
    def direction_(self, state, step, operator):
        return operator(step.g).bfloat16().to(step.g.dtype)


class HomeWard(StepperBase):
    """Decoupled weight decay."""

    def direction_(self, state, step, operator):
        return operator(step.g) + 0.01 * step.w()


class TrustsTheLoss(StepperBase):
    """Polyak's step."""

    def direction_(self, state, step, operator):
        d = operator(step.g)
        if step.loss is None:
            return d
        slope = (d.double() * step.g.double()).sum(1)
        length = torch.where(slope > 0, torch.as_tensor(step.loss).detach().double() / slope, 0.0)
        return (d.double() * length.clamp(max=1e3).reshape(-1, 1)).to(d.dtype)


@dataclass
class Losses:
    loss: Any
    reference: Any
    count: Any
    last: Any


class Decrease(GuardBase):
    needs = frozenset({Need.MONITOR_LOSS})

    def init(self, space):
        unknown, last = (space.scalars(fill=math.nan) for _ in range(2)), space.scalars(4, fill=-math.inf)
        return Losses(*unknown, space.counts(), last)

    def good(self, state, move):
        return state.loss <= state.reference

    def judge_(self, state, move, oracle):
        state.loss = oracle.loss(move.w_bar)
        known = move.where & torch.isfinite(state.reference)
        return torch.isfinite(state.loss) & (~known | self.good(state, move))

    def advance_(self, state, where):
        state.reference = torch.where(where, state.loss, state.reference)


class SufficientDecrease(Decrease):
    def good(self, state, move):
        return state.loss <= state.reference - 1e-4 * move.s.double().square().sum(1)


class NonMonotone(Decrease):
    """No higher than the highest of the last four references; what is told is the last."""

    def good(self, state, move):
        return state.loss <= state.last.amax(1)

    def advance_(self, state, where):
        super().advance_(state, where)
        state.last = torch.where(where.unsqueeze(1), state.last.roll(-1, 1), state.last)
        state.last[:, -1] = torch.where(where, state.loss, state.last[:, -1])


class Patient(Decrease):
    """The third rise in a row goes back; windows are counted at their end, not calls."""

    def good(self, state, move):
        return (state.loss <= state.reference) | (state.count < 2)

    def advance_(self, state, where):
        rose = torch.isfinite(state.reference) & (state.loss > state.reference)
        state.count = torch.where(rose, state.count + 1, 0)
        super().advance_(state, where)


class OnlyFinite(Decrease):
    def good(self, state, move):
        return torch.isfinite(state.loss)


@pytest.mark.parametrize("law", STEPPER_LAWS, ids=lambda law: law.name)
@pytest.mark.parametrize("part", [Lookahead, Gathering, SignOfTheStep, Rounded, HomeWard, TrustsTheLoss])
def test_an_honest_stepper_passes(law, part):
    run(law, part)


@pytest.mark.parametrize("law", [law for law in guard_life.LAWS if not law.needs], ids=lambda law: law.name)
@pytest.mark.parametrize("part", [Decrease, SufficientDecrease, NonMonotone, Patient, OnlyFinite])
def test_an_honest_guard_passes(law, part):
    run(law, part)


def test_who_declares_the_gradient_need_not_use_h():
    law = by_name("stepper-depends-on-h")
    assert candidate(lab.Gradient).why_not(law) == "declared: gradient"
    assert candidate(lab.Plain).why_not(law) is None
    silent = type("Silent", (StepperBase,), {"direction_": lambda self, state, step, operator: step.g})
    assert candidate(silent, declares=("gradient",)).why_not(law) == "declared: gradient"
    assert [r.law.name for r in verify(silent, examples=3).failures] == ["stepper-depends-on-h"]


def test_a_stepper_around_an_unknown_one_is_not_followed():
    run(by_name("clipped-for-life"), lambda: lab.Clipped(of=Lookahead()))


def test_what_is_not_finite_is_named_with_its_step():
    class Divides(StepperBase):
        def direction_(self, state, step, operator):
            return operator(step.g) / (step.k - 3)

    with pytest.raises(AssertionError, match=r"d of step 3 is \[\[.*\]\] for finite g"):
        run(by_name("stepper-is-odd"), Divides)
