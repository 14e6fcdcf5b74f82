"""Steppers around another one: each direction against that of the stepper inside, fed the same steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from adaqn_lab.bases import StepperBase
from verification.benches import StepperBench
from verification.compare import close, holds, same
from verification.law import Group, Law, Property, Subject, law
from verification.parts import array
from verification.strategies import Array, ContractCase, contract_cases
from verification.tolerances import TOLERANCES

Factory = Callable[[], Any]
STEPS = contract_cases(min_items=1)
Formula = Callable[[Any, Array, Array, int], Array]
"""(the stepper, d of the one inside, g, k from 1) -> d, (R, n) float64."""


def _direction(bench: StepperBench, g: Array) -> Array:
    step = bench.step(g, np.ones(bench.case.runs, bool))
    return array(bench._direction(bench.state, step))


def _steps(factory: Factory, case: ContractCase, count: int) -> Iterator[tuple[Any, Array, Array, Array, int]]:
    """(the stepper, its d, d of the one inside, g, k) of ``count`` steps."""
    outer = StepperBench(factory(), case)
    inner = StepperBench(outer.part.of, case)
    for k in range(count):
        g = case.rows[:, k % case.items]
        yield outer.part, _direction(outer, g), _direction(inner, g), g, k + 1


def _around(needed: Property, formula: Formula, statement: str, source: str, kills: tuple[str, ...]) -> Law:
    @law(
        name=needed.value.replace(" ", "-"),
        number=14,
        statement=statement,
        source=source,
        group=Group.REFERENCE,
        subject=Subject.STEPPER,
        tolerance="linear",
        kills=kills,
        needs=frozenset({needed}),
        inputs=STEPS,
    )
    def check(factory: Factory, case: ContractCase) -> None:
        for part, d, inside, g, k in _steps(factory, case, case.items):
            inside, g = inside.astype(np.float64), g.astype(np.float64)
            # A length is a sum of n squares; a product and a sum of two vectors are elementwise.
            atol = TOLERANCES["linear"](case.dtype, n=case.n) * (np.abs(inside) + np.abs(g))
            close(d, formula(part, inside, g, k), atol, f"d of step {k}")

    return check


def _clip(part: Any, d: Array, g: Array, k: int) -> Array:
    length = np.linalg.norm(d, axis=1, keepdims=True)
    return np.asarray(d * np.minimum(1.0, part.radius / length))


decaying = _around(
    Property.DECAYING,
    lambda part, d, g, k: d * (part.tau / (part.tau + k - 1)) ** part.power,
    "d_k = d_of (tau / (tau + k - 1))^power, k from 1",
    "Schraudolph, Yu & Guenter 2007",
    ("decays_late", "decay_without_power"),
)
clipped = _around(
    Property.CLIPPED,
    _clip,
    "d = d_of min(1, radius / |d_of|): |d| <= radius, the direction kept",
    "textbook",
    ("clips_elements", "clips_runs_together", "stretches_short_directions"),
)
plus_gradient = _around(
    Property.PLUS_GRADIENT,
    lambda part, d, g, k: d + part.weight * g,
    "d = d_of + weight g",
    "RES, Mokhtari & Ribeiro 2014",
    ("minus_gradient", "plus_direction"),
)


@law(
    name="warm-start",
    number=14,
    statement="d = g at the first `steps` steps, d_of after them, its stepper asked from the first on: bit for bit",
    source="SQN, Byrd, Hansen, Nocedal & Singer 2016: the first 2 L steps",
    group=Group.REFERENCE,
    subject=Subject.STEPPER,
    kills=("warms_up_too_long", "warms_up_with_h", "inner_stepper_stays_cold"),
    needs=frozenset({Property.WARM_START}),
    inputs=STEPS,
)
def warm_start(factory: Factory, case: ContractCase) -> None:
    """Two steppers, one after the other."""
    for part, d, inside, g, k in _steps(factory, case, factory().steps + 2):
        same(d, g if k <= part.steps else inside, f"d of step {k}")


@law(
    name="gradient-average",
    number=14,
    statement="d = d_of for M in place of g, M <- decay M + (1 - decay) g from M_1 = g_1",
    source="K-BFGS, Goldfarb, Ren & Bahamou 2020; H is linear.",
    group=Group.REFERENCE,
    subject=Subject.STEPPER,
    tolerance="linear",
    kills=("gradient_average_starts_at_zero", "averages_directions_twice"),
    needs=frozenset({Property.GRADIENT_AVERAGE}),
    inputs=STEPS,
)
def gradient_average(factory: Factory, case: ContractCase) -> None:
    """The stepper inside knows the averages only."""
    outer = StepperBench(factory(), case)
    inner = StepperBench(outer.part.of, case)
    decay, M = outer.part.decay, case.rows[:, 0].astype(np.float64)
    for k in range(case.items):
        M = decay * M + (1 - decay) * case.rows[:, k]
        got, expected = _direction(outer, case.rows[:, k]), _direction(inner, M.astype(case.dtype))
        size = np.abs(case.rows.astype(np.float64)).sum(1) * case.h0 * case.items  # of a velocity inside too
        close(got, expected, TOLERANCES["linear"](case.dtype, n=case.n + case.items) * size, f"d of step {k + 1}")


@law(
    name="momentum-rollback",
    number=13,
    statement="after a roll-back the runs rolled back go on as fresh ones, the others as if nothing had been",
    source="The velocity was that of steps which are undone.",
    group=Group.INVARIANCE,
    subject=Subject.STEPPER,
    kills=("momentum_survives_rollback", "rollback_stops_every_run"),
    needs=frozenset({Property.HEAVY_BALL}),
    inputs=STEPS,
)
def momentum_rollback(factory: Factory, case: ContractCase) -> None:
    """u = 0 for the runs rolled back."""
    back, straight, fresh = (StepperBench(factory(), case) for _ in range(3))
    where = np.arange(case.runs) % 2 == 0
    for bench in (back, straight):
        for k in range(case.items):
            _direction(bench, case.rows[:, k])
    back.reset(where)
    got, on, anew = (_direction(bench, case.v) for bench in (back, straight, fresh))
    same(got, np.where(where[:, None], anew, on), f"d after a roll-back of the runs {where.tolist()}")


@dataclass
class Told:
    """Which runs stepped, were rolled back and advanced, (R,)."""

    stepped: torch.Tensor
    back: torch.Tensor
    on: torch.Tensor


class _Listener(StepperBase):
    """d = H g; remembers what it is told."""

    def init(self, space: Any) -> Told:
        return Told(*(space.mask(False) for _ in range(3)))

    def direction_(self, state: Told, step: Any, operator: Any) -> torch.Tensor:
        holds((step.g[~step.where] == 0).all(), "the stepper inside got a gradient of a run which has none")
        state.stepped = state.stepped | step.where
        d: torch.Tensor = operator.apply_(step.g)
        return d

    def rollback_(self, state: Told, where: torch.Tensor) -> None:
        state.back = state.back | where

    def advance_(self, state: Told, where: torch.Tensor) -> None:
        state.on = state.on | where


@law(
    name="stepper-inside-is-told",
    number=13,
    statement="a step, a roll-back, an advance of some runs reaches the stepper `of`, for these runs and no others",
    source="adaqn_lab.protocols: what a stepper keeps goes back with the parameters, wherever it stands.",
    group=Group.CONTRACT,
    subject=Subject.STEPPER,
    kills=("roll_back_stays_outside", "advance_stays_outside", "advance_reaches_every_run"),
    needs=frozenset({Property.AROUND}),
    inputs=STEPS,
)
def inside_is_told(factory: Factory, case: ContractCase) -> None:
    """Steppers compose."""
    bench = StepperBench(replace(factory(), of=_Listener()), case)
    back, on = (bench.mask(case.masks[0] ^ flip) for flip in (False, True))
    _direction(bench, case.rows[:, 0])
    bench.feed(0, case.masks[0])
    bench.part.rollback_(bench.state, back)
    bench.part.advance_(bench.state, on)
    told = bench.state if isinstance(bench.state, Told) else bench.state.of
    holds(told.stepped.all(), f"runs which stepped: {told.stepped.tolist()}")
    same(told.back, back, "runs of which the stepper inside was told that they were rolled back")
    same(told.on, on, "runs of which it was told that they advanced")


class _Quiet(StepperBase):
    """d = H g; leaves g alone."""

    def direction_(self, state: None, step: Any, operator: Any) -> torch.Tensor:
        d: torch.Tensor = operator(step.g)
        return d


class _Scribbler(_Quiet):
    """d = H g; nothing is left of g afterwards."""

    def direction_(self, state: None, step: Any, operator: Any) -> torch.Tensor:
        d = super().direction_(state, step, operator)
        step.g.fill_(torch.nan)
        return d


@law(
    name="stepper-inside-may-write",
    number=13,
    statement="d is the same whether the stepper `of` writes into the gradient that it was handed or not",
    source="adaqn_lab.protocols: a stepper may write into step.g, so one around it which needs g hands a copy inwards.",
    group=Group.CONTRACT,
    subject=Subject.STEPPER,
    kills=("uses_g_after_the_inner",),
    needs=frozenset({Property.AROUND}),
    inputs=STEPS,
)
def inside_may_write(factory: Factory, case: ContractCase) -> None:
    """Steppers compose."""
    quiet, scribbling = (StepperBench(replace(factory(), of=of), case) for of in (_Quiet(), _Scribbler()))
    for bench in (quiet, scribbling):
        bench.feed_all()
    same(_direction(scribbling, case.v), _direction(quiet, case.v), "d around a stepper which writes into its gradient")


LAWS = (
    inside_is_told,
    inside_may_write,
    decaying,
    clipped,
    plus_gradient,
    warm_start,
    gradient_average,
    momentum_rollback,
)
