"""Pairs which a generator makes from the stepper's momentum: both must mean the same momentum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, is_dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import LookAheadDifference, Recipe, Step, Verdict, Window
from adaqn_lab.bases import StepperBase
from adaqn_lab.pairs.look_ahead import Iterates
from adaqn_lab.protocols import Displacement, Operator, Pair
from adaqn_lab.recipes import ONAQ
from verification.compare import close
from verification.law import Group, Subject, law
from verification.methods import LR, Method
from verification.pairs.look_ahead_difference import LOOK_AHEAD
from verification.parts import tensor
from verification.strategies import Array, ContractCase, contract_cases
from verification.tolerances import TOLERANCES


@dataclass(frozen=True)
class _Told(StepperBase):
    """Goes where it is told, whatever the gradient is."""

    directions: Array

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        return tensor(self.directions[int(step.k) - 1])


@dataclass(frozen=True, kw_only=True)
class _Recording(Window):
    """Keeps a copy of every pair that it is offered."""

    pairs: list[tuple[Tensor, Tensor]] = field(default_factory=list, compare=False, repr=False)

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        self.pairs.append((move.s.clone(), y.clone()))
        return super().admit_(state, move, y, operator)


@law(
    name="look-ahead-of-its-stepper",
    statement="s = -lr d, d of the stepper inside the momentum; y = A s + shift s on a quadratic",
    source="NAQ, Ninomiya 2017: w_{k+1} = w_k + mu v_k - lr H g(w_k + mu v_k), with one mu for steps and pairs.",
    group=Group.REFERENCE,
    subject=Subject.RECIPE,
    tolerance="trajectory",
    kills=("pairs_of_another_momentum", "pairs_without_momentum"),
    needs=(LOOK_AHEAD,),
    share=0.5,
    inputs=contract_cases(min_items=2),
)
def look_ahead_of_its_stepper(method: Method, case: ContractCase) -> None:
    """The stepper inside is replaced by one whose directions are known; a stepper without one inside says nothing."""
    outer: Any = method.recipe.stepper
    if not is_dataclass(outer) or isinstance(outer, type) or not hasattr(outer, "of"):
        return
    d, memory = case.points.astype(np.float64).swapaxes(0, 1), _Recording(capacity=0)
    _train(method.but(stepper=replace(outer, of=_Told(d)), memory=memory, guard=None), case)
    A, shift = tensor(case.hessians.astype(np.float64)), float(getattr(method.recipe.pairs, "shift", 0.0))
    reach = float(np.abs(d).sum(axis=0).max()) * 20  # of a velocity with a momentum of 0.95
    for k, (s, y) in enumerate(memory.pairs):
        atol = TOLERANCES["trajectory"]() * reach
        close(s, -LR * d[k], atol, f"s of step {k + 1} against -lr d, the step from the look-ahead point")
        expected = torch.einsum("rij,rj->ri", A, s) + shift * s
        close(y, expected, atol * (1 + np.linalg.norm(case.hessians)), f"y of step {k + 1} against A s + shift s")


def _train(method: Method, case: ContractCase) -> None:
    """A step for each item of the case, on w'Aw / 2."""
    w = torch.nn.Parameter(tensor(case.v.astype(np.float64)))
    A = tensor(case.hessians.astype(np.float64))

    def loss() -> tuple[Tensor, Tensor]:
        return torch.einsum("ri,rij,rj->r", w, A, w) / 2, w

    callables = dict.fromkeys(("batch", "overlap", "curvature"), loss)
    optimizer = method.build([w], lr=LR, runs=case.runs, monitor=loss, **callables)
    for _ in range(case.items):
        w.grad = torch.einsum("rij,rj->ri", A, w.detach())
        optimizer.step()


LAWS = (look_ahead_of_its_stepper,)


@dataclass(frozen=True, kw_only=True)
class _Unchecked(LookAheadDifference):
    """Whatever the stepper's momentum is."""

    def check_recipe(self, recipe: Recipe) -> None:
        """Any stepper."""


@dataclass(frozen=True, kw_only=True)
class _FromThePoint(LookAheadDifference):
    """s from one look-ahead point to the next, as if there were no momentum."""

    def pair_(self, state: Iterates, move: Displacement, oracle: Any) -> Pair:
        pair = super().pair_(replace(state, known=torch.zeros_like(state.known)), move, oracle)
        return pair


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.RECIPE: {
        "pairs_of_another_momentum": lambda: Method(ONAQ.but(pairs=_Unchecked(momentum=0.25))),
        "pairs_without_momentum": lambda: Method(ONAQ.but(pairs=_FromThePoint(momentum=ONAQ.stepper.momentum))),  # type: ignore[attr-defined]
    }
}
