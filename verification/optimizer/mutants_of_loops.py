"""Wrong optimizers: the loop around the parts, each the honest one with one sin. Some show with a foreign part only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import ADAQN, Cadence, Displacement, MonitorIncrease, Pair, QuasiNewton, Recipe, Verdict
from adaqn_lab.algorithm import Algorithm
from adaqn_lab.bases import GuardBase, StepperBase
from adaqn_lab.operator import InverseHessian
from adaqn_lab.protocols import Operator, Step
from adaqn_lab.recipes import SAMPLED_LBFGS
from adaqn_lab.space import Space
from verification.law import Subject
from verification.methods import Method
from verification.naming import name_of
from verification.optimizer.mutants import running


@dataclass
class Velocity:
    """u (R, n), and what it was when the reference moved last."""

    u: Tensor
    kept: Tensor


@dataclass(frozen=True)
class Heavy(StepperBase):
    """Nobody's stepper: d = H g + u / 2, u the last d; a roll-back brings back the u of the reference."""

    def init(self, space: Space) -> Velocity:
        """At rest."""
        return Velocity(space.zeros(), space.zeros())

    def direction_(self, state: Velocity, step: Step, operator: Operator) -> Tensor:
        """The next velocity."""
        state.u = torch.where(step.where.unsqueeze(1), state.u / 2 + operator(step.g), state.u)
        return state.u.clone()

    def advance_(self, state: Velocity, where: Tensor) -> None:
        """Remember."""
        state.kept = torch.where(where.unsqueeze(1), state.u, state.kept)

    def rollback_(self, state: Velocity, where: Tensor) -> None:
        """Go back."""
        state.u = torch.where(where.unsqueeze(1), state.kept, state.u)


@dataclass
class Losses:
    """What the events tell."""

    loss: Tensor
    reference: Tensor


@dataclass(frozen=True)
class Falling(GuardBase):
    """Nobody's guard: the loss must fall."""

    needs = MonitorIncrease().needs

    def init(self, space: Space) -> Losses:
        """Nothing is known."""
        return Losses(space.scalars(fill=torch.nan), space.scalars(fill=torch.inf))

    def judge_(self, state: Losses, move: Displacement, oracle: Any) -> Tensor:
        """Below the reference's."""
        state.loss = oracle.loss(move.w_bar)
        return ~move.where | (state.loss < state.reference)

    def advance_(self, state: Losses, where: Tensor) -> None:
        """The average's is the reference's."""
        state.reference = torch.where(where, state.loss, state.reference)


HEAVY = ADAQN.but(stepper=Heavy())
FOREIGN = ADAQN.but(stepper=Heavy(), guard=Falling(), cadence=Cadence(from_start=True))


def foreign(part: Any) -> bool:
    """Whether somebody else wrote it."""
    return not type(part).__module__.startswith("adaqn_lab")


# -- seen in the iterates, the events or the counts ---------------------------------------------------------------


class EventTellsLossForReference(Algorithm):
    """The two losses of an event are exchanged."""

    def _record(self, kind: Tensor, verdict: Verdict) -> None:
        super()._record(kind, verdict)
        self.log.close_window(self.log.windows[-1][1][:, [0, 1, 2, 3, 5, 4]])


class EventTellsSYForYY(Algorithm):
    """y'y is said to be s'y."""

    def _record(self, kind: Tensor, verdict: Verdict) -> None:
        super()._record(kind, replace(verdict, y_y=verdict.s_y))


class EventTellsTheWindowsS(Algorithm):
    """s's of the window, where the generator's displacement is its own."""

    def _pair(self, move: Displacement, where: Tensor) -> Verdict:
        return replace(super()._pair(move, where), s_s=move.s.double().square().sum(1))


class EventTellsSYInFloat32(Algorithm):
    """s'y keeps seven digits."""

    def _record(self, kind: Tensor, verdict: Verdict) -> None:
        super()._record(kind, replace(verdict, s_y=verdict.s_y.float().double()))


class ForeignSteppersGetH0(Algorithm):
    """A stepper which adaqn_lab does not know is given H0 for H."""

    def direction(self, k: int | Tensor, loss: Any) -> Tensor:
        own = self.operator
        self.operator = replace(own, without_pairs=True) if foreign(self.recipe.stepper) else own
        d = super().direction(k, loss)
        self.operator = own
        return d


class ForeignGuardsDecideNothing(Algorithm):
    """The verdict of a guard which adaqn_lab does not know is heard for the first run only."""

    def _roll_back(self, where: Tensor) -> None:
        super()._roll_back(where & (torch.arange(len(where)) < 1) if foreign(self.recipe.guard) else where)


class GuardsThreeRuns(Algorithm):
    """From the fourth run on nobody is rolled back."""

    def _roll_back(self, where: Tensor) -> None:
        super()._roll_back(where & (torch.arange(len(where)) < 3))


class RenewsNothing(Algorithm):
    """The pairs which should replace the memory are added to it."""

    def _admit_all(self, move: Displacement, made: Pair) -> Verdict:
        return super()._admit_all(move, replace(made, renews=False))


class AdmitsTheLastOfMany(Algorithm):
    """Of the q pairs of a generator the last one."""

    def _admit_all(self, move: Displacement, made: Pair) -> Verdict:
        S, Y = (x if x.dim() == 2 else x[:, -1] for x in (made.s, made.y))
        return super()._admit_all(move, replace(made, s=S, y=Y))


class AsksTheMonitorTwice(Algorithm):
    """One evaluation too many at each window."""

    def decide(self) -> Tensor:
        if self.recipe.guard is not None:
            self.oracle.loss(self.clock.reference.clone())
        return super().decide()


class OperatorWithoutPairs(QuasiNewton):
    """``operator`` is not the H of the steps."""

    @property
    def operator(self) -> InverseHessian:
        return replace(super().operator, without_pairs=True)


class StepsWithoutTheNewestWindow(Algorithm):
    """The steps use H0 until a second window has made a pair; ``operator`` says otherwise."""

    def direction(self, k: int | Tensor, loss: Any) -> Tensor:
        own, early = self.operator, self.k < 3 * self.recipe.cadence.every
        self.operator = replace(own, without_pairs=True) if early else own
        d = super().direction(k, loss)
        self.operator = own
        return d


class ClearsTheStoreAlways(Algorithm):
    """``clear_store`` of the guard is not asked."""

    def _roll_back(self, where: Tensor) -> None:
        super()._roll_back(where)
        if self.recipe.pairs is not None:
            self.recipe.pairs.reset_(self.states["pairs"], where)


class RunThreeIsRunZero(Algorithm):
    """The fourth run steps along the first one's direction."""

    def direction(self, k: int | Tensor, loss: Any) -> Tensor:
        d = super().direction(k, loss)
        if len(d) > 3:
            d[3] = d[0]
        return d


class NobodyJudgesTheStart(Algorithm):
    """``from_start`` without a loss at the start: the first window is always kept."""

    def start(self) -> None:
        guard = self.recipe.guard
        self.recipe = self.recipe.but(guard=None)
        super().start()
        self.recipe = self.recipe.but(guard=guard)


# -- seen in what the parts are told ------------------------------------------------------------------------------


def _deaf(role: str, name: str) -> type[Algorithm]:
    """An algorithm whose part of ``role`` never hears ``name``."""

    class Deaf(Algorithm):
        def decide(self) -> Tensor:
            part, recipe = getattr(self.recipe, role), self.recipe
            if part is None:
                return super().decide()
            self.recipe = recipe.but(**{role: _mute(part, name)})
            back = super().decide()
            self.recipe = recipe
            return back

    return Deaf


def _mute(part: Any, name: str) -> Any:
    """A copy of the part whose method ``name`` does nothing."""
    made: Any = object.__new__(type("Mute", (type(part),), {name: lambda *told: None}))
    made.__dict__.update(part.__dict__)
    return made


class TellsEveryRun(Algorithm):
    """A roll-back of one run is told the stepper for all."""

    def _roll_back(self, where: Tensor) -> None:
        super()._roll_back(where)
        if bool(where.any()):
            self.recipe.stepper.rollback_(self.states["stepper"], torch.ones_like(where))


class CountsFromZero(Algorithm):
    """The first step is number 0."""

    def direction(self, k: int | Tensor, loss: Any) -> Tensor:
        return super().direction(k - 1, loss)


class KeepsTheLossToItself(Algorithm):
    """``step.loss`` is always None."""

    def direction(self, k: int | Tensor, loss: Any) -> Tensor:
        return super().direction(k, None)


class KeepsTheSignOfTheLoss(Algorithm):
    """``step.loss`` rises where the gradient's sign was flipped to descend."""

    def direction(self, k: int | Tensor, loss: Any) -> Tensor:
        return super().direction(k, -loss if self.oracle.maximize and loss is not None else loss)


class SpaceHasNoShapes(QuasiNewton):
    """The parts are told one long vector: a block for each tensor is a single block."""

    def _init_state(self) -> Algorithm:
        honest = super()._init_state()
        honest.flat.space = replace(honest.flat.space, shapes=())
        return Algorithm.begin(honest.recipe, honest.flat, honest.oracle)


class PointIsTheReference(Algorithm):
    """``step.w()`` is w_ref."""

    def direction(self, k: int | Tensor, loss: Any) -> Tensor:
        flat, reference = self.flat, self.clock.reference
        flat.gather = lambda: reference.clone()  # type: ignore[method-assign]
        d = super().direction(k, loss)
        del flat.gather
        return d


def methods(recipe: Recipe, *kinds: type) -> dict[str, Callable[[], Any]]:
    """Makers of the recipe run by each of these."""
    optimizers = {name_of(k): running(k) if issubclass(k, Algorithm) else k for k in kinds}
    return {name: (lambda kind=kind: Method(recipe, kind)) for name, kind in optimizers.items()}  # type: ignore[misc]


LOOPS = {
    **methods(ADAQN, EventTellsLossForReference, EventTellsSYForYY, EventTellsSYInFloat32, GuardsThreeRuns),
    **methods(ADAQN, AsksTheMonitorTwice, OperatorWithoutPairs, StepsWithoutTheNewestWindow, RunThreeIsRunZero),
    **methods(ADAQN.but(guard=MonitorIncrease(clear_store=False)), ClearsTheStoreAlways),
    **methods(SAMPLED_LBFGS, EventTellsTheWindowsS, RenewsNothing, AdmitsTheLastOfMany),
    **methods(FOREIGN, ForeignSteppersGetH0, ForeignGuardsDecideNothing, NobodyJudgesTheStart),
    "foreign_steppers_miss_roll_backs": lambda: Method(HEAVY, running(_deaf("stepper", "rollback_"))),
    "foreign_guards_keep_the_first_reference": lambda: Method(FOREIGN, running(_deaf("guard", "advance_"))),
}
"""What the iterates, events or evaluations betray."""
CALLS = {
    **methods(ADAQN, TellsEveryRun, CountsFromZero, KeepsTheLossToItself, KeepsTheSignOfTheLoss),
    **methods(ADAQN, SpaceHasNoShapes, PointIsTheReference),
    "steppers_miss_roll_backs": lambda: Method(ADAQN, running(_deaf("stepper", "rollback_"))),
    "steppers_miss_new_references": lambda: Method(ADAQN, running(_deaf("stepper", "advance_"))),
    "generators_keep_their_store": lambda: Method(ADAQN, running(_deaf("pairs", "reset_"))),
}
"""What only the parts could tell."""
MUTANTS = {Subject.RECIPE: {**LOOPS, **CALLS}}
