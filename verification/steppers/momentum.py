"""The heavy ball."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Momentum, Step
from adaqn_lab.operator import InverseHessian
from adaqn_lab.protocols import Operator
from verification.benches import StepperBench
from verification.compare import close, same
from verification.contracts.composed_steppers import AROUND
from verification.law import Factory, Group, Property, Subject, law
from verification.naming import by_name
from verification.pairs.gradient_difference import bound_of
from verification.specimen import Specimen
from verification.steppers.driving import STEPS, direction_of, directions_of, fed
from verification.strategies import ContractCase, contract_cases

HEAVY_BALL = Property("heavy ball", "d_k = sum_i momentum^(k-i) H g_i.", fields=("momentum",))


class _ChangingH(StepperBench):
    """H of step k is that of the case times 1, 2 or 4."""

    @staticmethod
    def scale(k: Any) -> Any:
        """By how much."""
        return 2.0 ** (k % 3)

    @property
    def operator(self) -> InverseHessian:
        """H of the step which was made last."""
        return self.operator_of(self.case.h0 * self.scale(self.k))


@law(
    name="heavy-ball",
    statement="d_k = sum_i momentum^(k-i) H_i g_i, H_i the H of step i",
    source="Polyak 1964",
    group=Group.REFERENCE,
    subject=Subject.STEPPER,
    tolerance="products",
    kills=("momentum_forgets", "velocity_of_gradients"),
    needs=(HEAVY_BALL,),
    inputs=contract_cases(min_items=2),
)
def heavy_ball(factory: Factory, case: ContractCase) -> None:
    """The velocity is a geometric sum, in units of directions: H changes with every step."""
    bench = _ChangingH(factory(), case)
    d = directions_of(case) * bench.scale(np.arange(1, case.items + 1))[:, None]
    for k in range(case.items):
        weights = bench.part.momentum ** np.arange(k, -1, -1.0)
        expected = np.einsum("k,rkn->rn", weights, d[:, : k + 1])
        close(fed(bench, k), expected, bound_of(case, np.abs(d).sum(1)), f"d of step {k}")


@law(
    name="momentum-rollback",
    statement="after a roll-back the runs rolled back go on as fresh ones, the others as if nothing had been",
    source="The velocity was that of steps which are undone.",
    group=Group.INVARIANCE,
    subject=Subject.STEPPER,
    kills=("momentum_survives_rollback", "rollback_stops_every_run"),
    needs=(HEAVY_BALL,),
    inputs=STEPS,
)
def momentum_rollback(factory: Factory, case: ContractCase) -> None:
    """u = 0 for the runs rolled back."""
    back, straight, fresh = (StepperBench(factory(), case) for _ in range(3))
    where = np.arange(case.runs) % 2 == 0
    for bench in (back, straight):
        for k in range(case.items):
            direction_of(bench, case.rows[:, k])
    back.reset(where)
    got, on, anew = (direction_of(bench, case.v) for bench in (back, straight, fresh))
    same(got, np.where(where[:, None], anew, on), f"d after a roll-back of the runs {where.tolist()}")


class MomentumForgets(Momentum):
    """u <- momentum (u + d): the newest direction is weighted too."""

    declares: ClassVar[tuple[str, ...]] = ("heavy ball",)

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        d = super().direction_(state, step, operator)
        state.velocity = state.velocity * self.momentum
        return d * self.momentum


class VelocityOfGradients(Momentum):
    """d = H u, u <- momentum u + g: an old gradient is multiplied by the H of now."""

    declares: ClassVar[tuple[str, ...]] = ("heavy ball",)

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        following = self.momentum * state.velocity + step.g
        state.velocity = torch.where(step.where.unsqueeze(1), following, state.velocity)
        return self.of.direction_(state.of, replace(step, g=state.velocity.clone()), operator)


class WrongMomentum(Momentum):
    """What the wrong velocities share."""

    declares: ClassVar[tuple[str, ...]] = ("heavy ball",)


class MomentumSurvivesRollback(WrongMomentum):
    """The parameters go back, u does not."""

    def rollback_(self, state: Any, where: Tensor) -> None:
        pass


class RollbackStopsEveryRun(WrongMomentum):
    """u = 0 for all runs."""

    def rollback_(self, state: Any, where: Tensor) -> None:
        super().rollback_(state, torch.ones_like(where))


SPECIMEN = Specimen(
    role=Subject.STEPPER,
    kind=Momentum,
    variations=(Momentum,),
    declares=frozenset({HEAVY_BALL, AROUND}),
    laws=(
        heavy_ball,
        momentum_rollback,
    ),
    mutants=by_name(MomentumForgets, VelocityOfGradients, MomentumSurvivesRollback, RollbackStopsEveryRun),
)
