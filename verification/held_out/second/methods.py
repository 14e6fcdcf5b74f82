"""Methods: four right recipes under a wrong optimizer, three recipes with wrong parts, and an unusual right one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import QuasiNewton
from adaqn_lab.algorithm import Algorithm
from adaqn_lab.bases import PairGeneratorBase, StepperBase
from adaqn_lab.cadence import Cadence
from adaqn_lab.events import EventKind
from adaqn_lab.guards import MonitorIncrease
from adaqn_lab.guards.monitor_increase import MonitorLosses
from adaqn_lab.history import History
from adaqn_lab.memory import CautiousCosine, Window
from adaqn_lab.memory.admission import judge
from adaqn_lab.pairs import SampledHessian
from adaqn_lab.protocols import Displacement, InitialMatrix, Need, Operator, OracleLike, Sample, Step, Verdict
from adaqn_lab.recipe import Recipe
from adaqn_lab.recipes import ADAQN, ADAQN_STOCHQN, MULTIBATCH_LBFGS, SAMPLED_LBFGS, SQN
from adaqn_lab.scaling import RMSProp
from adaqn_lab.space import Space
from adaqn_lab.steppers import Nesterov
from verification.law import Subject
from verification.methods import Method


class DecayTurnsToo(QuasiNewton):
    """With ``maximize`` the weight decay is negated with the gradient: it drives the parameters away from zero."""

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        own = [group["weight_decay"] for group in self.param_groups]
        for group in self.param_groups:
            if group["maximize"]:
                group["weight_decay"] = -group["weight_decay"]
        try:
            super()._step(parameters, loss)
        finally:
            for group, decay in zip(self.param_groups, own, strict=True):
                group["weight_decay"] = decay


class AsksTheClosureAgain(QuasiNewton):
    """Calls the closure once more after the step to return the new loss: .grad is that of another point, too."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = super().step(closure)
        if closure is None:
            return loss
        with torch.enable_grad():
            return closure()


class Repairing(Algorithm):
    """As the algorithm, but what is not finite in a gradient becomes zero first."""

    def direction(self, k: int | Tensor, loss: Any) -> Tensor:
        torch.nan_to_num_(self.vector, nan=0.0, posinf=0.0, neginf=0.0)
        return super().direction(k, loss)


class UsesWhatIsFinite(QuasiNewton):
    """A gradient with a NaN or an infinity is used with zeros in their place, where its run should skip the step."""

    def _init_state(self) -> Algorithm:
        made = super()._init_state()
        made.__class__ = Repairing
        return made


class OwnsItsParameters(QuasiNewton):
    """Makes a parameter contiguous before the first step: what its storage was shared with no longer moves."""

    def _init_state(self) -> Algorithm:
        for p in self._parameters():
            if not p.is_contiguous():
                p.data = p.data.contiguous()
        return super()._init_state()


# -- parts that are wrong in their recipe ------------------------------------------------------------------------


@dataclass
class Marked:
    """A history and the runs whose pairs are to be dropped, ``stale`` (R,)."""

    history: History
    stale: Tensor

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.history.newest()

    def products(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.history.products()


@dataclass(frozen=True, kw_only=True)
class DropsLater(Window):
    """Drops the pairs at the first product after a reset: with pairs that renew the memory the new ones are lost."""

    def init(self, space: Space) -> Marked:  # type: ignore[override]
        return Marked(History.empty(space, self.capacity), space.mask(False))

    def admit_(self, state: Marked, move: Displacement, y: Tensor, operator: Operator) -> Verdict:  # type: ignore[override]
        verdict = judge(move, y, self.test)
        state.history.push_(move.s, y, verdict.admitted)
        return verdict

    def _drop_(self, state: Marked) -> History:
        state.history.clear_(state.stale)
        state.stale = torch.zeros_like(state.stale)
        return state.history

    def apply_(self, state: Marked, v: Tensor, h0: InitialMatrix) -> Tensor:  # type: ignore[override]
        return self._drop_(state).apply_(v, h0)

    def solve_(self, state: Marked, v: Tensor, h0: InitialMatrix) -> Tensor:  # type: ignore[override]
        return self._drop_(state).solve_(v, h0)

    def reset_(self, state: Marked, where: Tensor) -> None:  # type: ignore[override]
        state.stale = state.stale | where


@dataclass(frozen=True, kw_only=True)
class Posts(MonitorIncrease):
    """Leaves on a board what it decided."""

    board: list[Tensor] = field(default_factory=list, repr=False, compare=False)

    def judge_(self, state: MonitorLosses, move: Displacement, oracle: OracleLike) -> Tensor:
        keep = super().judge_(state, move, oracle)
        self.board[:] = [keep]
        return keep


@dataclass(frozen=True, kw_only=True)
class Listens(StepperBase):
    """Halves the steps after a window which was refused, by a board that it shares with the guard: no state has it."""

    board: list[Tensor] = field(default_factory=list, repr=False, compare=False)

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        d = operator.apply_(step.g)
        if not self.board or self.board[0].shape != step.where.shape:
            return d
        return torch.where(self.board[0].unsqueeze(1), d, 0.5 * d)


def _by_a_board() -> Method:
    board: list[Tensor] = []
    recipe = _window(ADAQN).but(guard=Posts(at_most=1.0, board=board), stepper=Listens(board=board))
    return Method(recipe, QuasiNewton)


@dataclass
class StepsGradient:
    """``g`` (R, n): the gradient of the last step, where ``known`` (R,)."""

    g: Tensor
    known: Tensor


@dataclass(frozen=True)
class ReusesTheStepsGradient(PairGeneratorBase):
    """Takes the step's gradient for that at w_ref to save one: it has weight decay, that at w_bar has none."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.BATCH_GRADIENT})

    def check_recipe(self, recipe: Recipe) -> None:
        """The step's gradient is that at w_ref in windows of one step only."""
        cadence = recipe.cadence
        if not (cadence.every == 1 and cadence.after_step and cadence.from_start and cadence.always_advance):
            raise ValueError(f"ReusesTheStepsGradient pairs one step at a time, cadence={cadence!r} does not.")

    def init(self, space: Space) -> StepsGradient:
        return StepsGradient(space.zeros(), space.mask(False))

    def observe_(self, state: StepsGradient, step: Step) -> None:
        state.g = torch.where(step.where.unsqueeze(1), step.g, state.g)
        state.known = state.known | step.where

    def pair_(self, state: StepsGradient, move: Displacement, oracle: OracleLike) -> Tensor:
        y = oracle.gradient(move.w_bar, Sample.BATCH) - state.g
        return torch.where(state.known.unsqueeze(1), y, 0.0)

    def reset_(self, state: StepsGradient, where: Tensor) -> None:
        state.known = state.known & ~where


# -- a right one -------------------------------------------------------------------------------------------------


class CountsWindows(QuasiNewton):
    """Right: an lr by default, and a look at how many windows were kept; the steps are not touched."""

    def __init__(self, params: Any, recipe: Recipe = ADAQN, *, lr: float | Tensor = 1e-2, **options: Any) -> None:
        super().__init__(params, recipe, lr=lr, **options)

    @property
    def kept(self) -> int:
        """Windows which became the reference."""
        return sum(event.kind in (EventKind.REFERENCE, EventKind.ADMITTED) for event in self.events)


def _window(recipe: Recipe, every: int = 4) -> Recipe:
    return recipe.but(cadence=replace(recipe.cadence, every=every))


WITHOUT_PAIRS = Recipe(
    pairs=None,
    scaling=RMSProp(decay=0.95, eps=1e-3),
    memory=Window(capacity=1),
    stepper=Nesterov(momentum=0.5),
    guard=MonitorIncrease(at_most=1.0, slack=1e-3),
    cadence=Cadence(every=3, from_start=True),
)

MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.RECIPE: {
        "maximize_turns_the_decay_too": lambda: Method(_window(ADAQN_STOCHQN), DecayTurnsToo),
        "closure_called_again_after_the_step": lambda: Method(_window(ADAQN, 5), AsksTheClosureAgain),
        "nan_entries_become_zeros": lambda: Method(_window(SQN, 3), UsesWhatIsFinite),
        "non_contiguous_parameters_are_replaced": lambda: Method(_window(ADAQN), OwnsItsParameters),
        "reset_at_the_next_product": lambda: Method(
            SAMPLED_LBFGS.but(
                pairs=SampledHessian(count=3, radius=0.5), memory=DropsLater(test=CautiousCosine(eps=1e-8))
            ),
            QuasiNewton,
        ),
        "guard_and_stepper_share_a_board": _by_a_board,
        "decay_in_half_of_the_difference": lambda: Method(
            MULTIBATCH_LBFGS.but(pairs=ReusesTheStepsGradient()), QuasiNewton
        ),
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.RECIPE: {
        "no_pairs_but_a_guard": lambda: Method(WITHOUT_PAIRS, CountsWindows),
    }
}
