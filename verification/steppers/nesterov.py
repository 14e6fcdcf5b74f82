"""Nesterov's accelerated steps."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Nesterov, Step
from adaqn_lab.protocols import Operator
from verification.benches import StepperBench
from verification.compare import close
from verification.contracts.composed_steppers import AROUND
from verification.law import Factory, Group, Property, Subject, law
from verification.naming import by_name
from verification.pairs.gradient_difference import bound_of
from verification.specimen import Specimen
from verification.steppers.driving import STEPS, directions_of, fed
from verification.strategies import ContractCase, contract_cases

NESTEROV = Property(
    "nesterov",
    "theta moves by H g + mu u, u the velocity, which a roll-back restores.",
    fields=(
        "momentum",
        "shrink",
        "grow",
        "at_most",
    ),
)


@law(
    name="nesterov-look-ahead",
    statement="theta_k - sum d = w + mu v with v_{k+1} = mu v_k - H g, w_{k+1} = w_k + v_{k+1}",
    source="Nesterov 1983 in the form of NAQ, Ninomiya 2017",
    group=Group.REFERENCE,
    subject=Subject.STEPPER,
    tolerance="products",
    kills=("looks_behind", "velocity_of_look_aheads"),
    needs=(NESTEROV,),
    inputs=STEPS,
)
def nesterov_look_ahead(factory: Factory, case: ContractCase) -> None:
    """The parameters are the look-ahead points of the classical recursion."""
    bench, d = StepperBench(factory(), case), directions_of(case)
    mu = bench.part.momentum
    size = 2 * case.items * np.abs(d).sum(1)  # every |v| is below sum |d|, and theta is a sum of so many d + mu v
    w, v, theta = (np.zeros((case.runs, case.n)) for _ in range(3))
    for k in range(case.items):
        theta = theta - fed(bench, k)
        v = mu * v - d[:, k]
        w = w + v
        close(theta, w + mu * v, bound_of(case, size), f"theta after step {k}")


@law(
    name="nesterov-rollback",
    statement="advance: velocity kept, mu <- min(grow mu, at_most); roll back: velocity as kept, mu <- shrink mu",
    source="aSNAQ, Indrapriyadarsini et al. 2020: the velocity is restored with the parameters.",
    group=Group.REFERENCE,
    subject=Subject.STEPPER,
    tolerance="products",
    kills=("velocity_survives_rollback", "momentum_never_shrinks", "momentum_grows_beyond", "every_run_grows"),
    needs=(NESTEROV,),
    inputs=contract_cases(min_items=3),
)
def nesterov_rollback(factory: Factory, case: ContractCase) -> None:
    """Each run for itself: two advances, a roll-back, an advance, ..., a step after each."""
    bench, d = StepperBench(factory(), case), directions_of(case)
    part, mu = bench.part, np.full((case.runs, 1), bench.part.momentum)
    u, kept = np.zeros((2, case.runs, case.n))
    for k in range(case.items):
        u = mu * u + d[:, k]
        close(fed(bench, k), d[:, k] + mu * u, bound_of(case, 2 * np.abs(d).sum(1)), f"d of step {k}")
        where = case.masks[k][:, None]
        if k % 3 == 2:
            part.rollback_(bench.state, bench.mask(case.masks[k]))
            u, mu = np.where(where, kept, u), np.where(where, part.shrink * mu, mu)
        else:
            part.advance_(bench.state, bench.mask(case.masks[k]))
            kept, mu = np.where(where, u, kept), np.where(where, np.minimum(part.grow * mu, part.at_most), mu)


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


class VelocityOfLookAheads(Nesterov):
    """u is the last step as it was made, with its look-ahead: mu counts twice."""

    declares: ClassVar[tuple[str, ...]] = ("nesterov",)

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d = super().direction_(state, step, operator)
        state.velocity = torch.where(step.where.unsqueeze(1), d, state.velocity)
        return d.clone()


SPECIMEN = Specimen(
    role=Subject.STEPPER,
    kind=Nesterov,
    variations=(
        Nesterov,
        partial(Nesterov, shrink=0.5, grow=1.25, at_most=0.95),
    ),
    declares=frozenset({NESTEROV, AROUND}),
    laws=(
        nesterov_look_ahead,
        nesterov_rollback,
    ),
    mutants=by_name(VelocitySurvivesRollback, LooksBehind, VelocityOfLookAheads)
    | by_name(MomentumNeverShrinks, MomentumGrowsBeyond, EveryRunGrows, shrink=0.5, grow=1.25, at_most=0.95),
)
