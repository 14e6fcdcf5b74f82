"""What a stepper cannot know: which way is up, the order of the parameters, how a vector lies in memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Step
from adaqn_lab.protocols import Operator
from verification.compare import close, same
from verification.contracts.stepper_bases import Direct, Rolling, Velocity
from verification.law import Group, Subject, law
from verification.lives import LifeCase, life_cases, lived, strided
from verification.naming import by_name
from verification.strategies import Array
from verification.tolerances import TOLERANCES

Factory = Callable[[], Any]


def _atol(case: LifeCase, d: Array) -> Array:
    """Lengths are sums of n squares, and what is kept is a sum over the steps so far; (K, R, 1)."""
    largest = np.maximum.accumulate(np.abs(d).max(axis=2, keepdims=True), axis=0)
    return np.asarray(TOLERANCES["linear"](case.dtype, n=case.n + case.steps) * largest)


@law(
    name="stepper-is-odd",
    statement="gradients and parameters times -1: directions times -1, bit for bit",
    source="Maximising f is minimising -f, reflected.",
    group=Group.INVARIANCE,
    subject=Subject.STEPPER,
    kills=("clips_one_side", "drifts", "adds_noise", "moves_by_absolute_values", "one_sided_from_step_nine"),
    inputs=life_cases(),
    share=0.3,
)
def is_odd(factory: Factory, case: LifeCase) -> None:
    """Neither side is preferred."""
    there, back = (lived(factory(), case, sign=sign, dense=True) for sign in (1.0, -1.0))
    for k, (d, e) in enumerate(zip(there, back, strict=True), start=1):
        same(-e, d, f"-d of step {k} for gradients of the opposite sign, against d")


@law(
    name="stepper-permutes",
    statement="the parameters in another order: the directions in that order",
    source="No parameter is the first; a stepper sees one vector.",
    group=Group.INVARIANCE,
    subject=Subject.STEPPER,
    tolerance="linear",
    kills=("one_coordinate", "smooths_neighbours", "later_parameters_slower"),
    inputs=life_cases(min_size=2),
    share=0.3,
)
def permutes(factory: Factory, case: LifeCase) -> None:
    """Around a diagonal H, which is permuted too."""
    order = np.random.default_rng(case.seed).permutation(case.n)
    straight, mixed = lived(factory(), case), lived(factory(), case, order=tuple(order.tolist()))
    atol = _atol(case, straight)
    for k in range(case.steps):
        what = f"d of step {k + 1} for the parameters in the order {order.tolist()}"
        close(mixed[k], straight[k][:, order], atol[k], what)


def _tensor_number(k: int) -> Tensor:
    return torch.tensor(float(k), dtype=torch.float64)


MANNERS: dict[str, dict[str, Any]] = {
    "k as a tensor": {"number": _tensor_number},
    "a gradient which is every second column of a tensor": {"put": strided},
    "an H whose apply_ leaves nothing of its argument": {"scribbling": True},
}


@law(
    name="stepper-whatever-the-form",
    statement="d is the same for k as a tensor, for g as a view, for an apply_ that leaves NaN in its argument",
    source="adaqn_lab.protocols: k is a tensor in a CUDA graph; use what apply_ returns.",
    group=Group.CONTRACT,
    subject=Subject.STEPPER,
    tolerance="linear",
    kills=("number_of_the_step_is_an_int", "trusts_apply_in_place", "reads_the_storage", "uses_g_after_apply"),
    inputs=life_cases(steps=12, max_every=4),
    share=0.3,
)
def whatever_the_form(factory: Factory, case: LifeCase) -> None:
    """Values count, not how they come."""
    plain = lived(factory(), case)
    atol = _atol(case, plain)
    for what, manner in MANNERS.items():
        for k, d in enumerate(lived(factory(), case, **manner)):
            close(d, plain[k], atol[k], f"d of step {k + 1} with {what}")


def _as_tensor(losses: Array) -> Tensor:
    found = torch.tensor(losses, requires_grad=True)
    return found[0] if len(losses) == 1 else found


@law(
    name="stepper-takes-any-loss",
    statement="R runs alone = together where the closure returned their losses, as tensors or numbers, or None",
    source="adaqn_lab.protocols: the loss is what the closure returned, or None.",
    group=Group.CONTRACT,
    subject=Subject.STEPPER,
    tolerance="linear",
    kills=("loss_is_a_tensor", "loss_of_the_first_run", "loss_without_its_run"),
    inputs=life_cases(steps=12, min_runs=2),
    share=0.3,
)
def takes_any_loss(factory: Factory, case: LifeCase) -> None:
    """Who reads the loss reads that of each run."""
    lived(factory(), case)
    together = lived(factory(), case, loss=_as_tensor)
    atol = _atol(replace(case, dtype="float32"), together)  # torch.as_tensor makes a number a float32
    for run in (0, case.runs - 1):
        forms = (_as_tensor, lambda losses: float(losses[0]))
        for form, what in zip(forms, ("a tensor", "a number"), strict=True):
            alone = lived(factory(), case, rows=(run,), loss=form)[:, 0]
            for k in range(case.steps):
                text = f"d of step {k + 1}, run {run} with its loss as {what}, against {case.runs} runs"
                close(alone[k], together[k, run], atol[k, run], text)


class ClipsOneSide(Direct):
    """Entries are bounded from below only."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return operator(step.g).clamp(min=-0.5)


class AddsNoise(Direct):
    """A random factor from torch's own generator: two answers to one question."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return operator(step.g) * (1 + 0.1 * torch.rand(()))


class MovesByAbsoluteValues(Direct):
    """A little of |g| is left over."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return operator(step.g) + step.g.abs() / 64


class OneSidedFromStepNine(Direct):
    """Late."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator(step.g)
        return d if step.k < 9 else torch.where(d < 0, d / 2, d)


class SmoothsNeighbours(Direct):
    """Each entry takes some of the one before."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator(step.g)
        return d + d.roll(1, dims=1) / 8


class LaterParametersSlower(Direct):
    """The index enters."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator(step.g)
        return d / torch.arange(1, d.shape[1] + 1).sqrt().to(d.dtype)


class NumberOfTheStepIsAnInt(Direct):
    """d / sqrt(k), but for a k of another type."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return operator(step.g) / (math.sqrt(step.k) if isinstance(step.k, int) else 1.0)


class TrustsApplyInPlace(Direct):
    """apply_ writes into v, so that what it returns is thrown away."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        operator.apply_(step.g)
        return step.g


class ReadsTheStorage(Direct):
    """Takes the elements as they lie in memory."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return operator(step.g.as_strided(step.g.shape, (step.g.shape[1], 1)).clone())


class UsesGAfterApply(Direct):
    """d = H g + g / 64, g read after apply_ had it."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator.apply_(step.g).clone()
        return d + step.g / 64


class LossIsATensor(Direct):
    """A closure may return a number."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator(step.g)
        return d if step.loss is None else d * step.loss.detach().reshape(-1, 1).to(d.dtype)  # type: ignore[union-attr]


class LossOfTheFirstRun(Direct):
    """Every run is scaled by one loss."""

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator(step.g)
        return d if step.loss is None else d * float(torch.as_tensor(step.loss).reshape(-1)[0])


class LossWithoutItsRun(Rolling):
    """The velocity decays by the mean loss of the runs."""

    def direction_(self, state: Velocity, step: Step, operator: Operator) -> Tensor:
        if step.loss is not None:
            state.v = state.v * torch.as_tensor(step.loss).mean().clamp(max=1).to(state.v.dtype)
        return super().direction_(state, step, operator)


LAWS = (is_odd, permutes, whatever_the_form, takes_any_loss)
MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: by_name(
        *(ClipsOneSide, AddsNoise, MovesByAbsoluteValues, OneSidedFromStepNine),
        *(SmoothsNeighbours, LaterParametersSlower),
        *(NumberOfTheStepIsAnInt, TrustsApplyInPlace, ReadsTheStorage, UsesGAfterApply),
        *(LossIsATensor, LossOfTheFirstRun, LossWithoutItsRun),
    )
}
