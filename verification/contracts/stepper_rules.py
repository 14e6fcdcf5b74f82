"""What a declared rule does over a whole life: forty steps, roll-backs, advances, five runs, moving parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

import adaqn_lab as lab
from adaqn_lab import Space, Step
from adaqn_lab.protocols import InnerStepper, Operator
from verification.compare import close
from verification.law import Group, Law, Property, Subject, law
from verification.lives import Life, LifeCase, Manner, life_cases
from verification.references.steppers import RULES, UnknownRuleError, rule
from verification.steppers.clipped import CLIPPED
from verification.steppers.decaying import DECAYING
from verification.steppers.gradient import GRADIENT
from verification.steppers.gradient_average import GRADIENT_AVERAGE
from verification.steppers.momentum import HEAVY_BALL
from verification.steppers.nesterov import NESTEROV
from verification.steppers.normalised import UNIT
from verification.steppers.plain import PLAIN
from verification.steppers.plus_gradient import PLUS_GRADIENT
from verification.steppers.warm_start import WARM_START
from verification.tolerances import TOLERANCES

Factory = Callable[[], Any]
HONEST: dict[Property, Callable[[], InnerStepper]] = {
    PLAIN: lab.Plain,
    GRADIENT: lab.Gradient,
    HEAVY_BALL: lab.Momentum,
    NESTEROV: lab.Nesterov,
    UNIT: lab.Normalised,
    CLIPPED: lab.Clipped,
    PLUS_GRADIENT: lab.PlusGradient,
    GRADIENT_AVERAGE: lab.GradientAverage,
    DECAYING: lab.Decaying,
    WARM_START: lab.WarmStart,
}
"""Rule -> a part which follows it."""


@dataclass(frozen=True)
class Wrong:
    """``honest``, but under a condition its direction is another one, on the side or in length."""

    honest: Any
    rule: Property
    when: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.honest, name)

    @property
    def declares(self) -> tuple[str, ...]:
        """The rule that it pretends to follow."""
        return (self.rule.word,)

    @property
    def needs(self) -> Any:
        return self.honest.needs

    def check_recipe(self, recipe: Any) -> None:
        self.honest.check_recipe(recipe)

    def init(self, space: Space) -> Any:
        return self.honest.init(space)

    def direction_(self, state: Any, step: Step, operator: Operator) -> Tensor:
        number, w = step.k, step.w()
        d: Tensor = self.honest.direction_(state, step, operator)
        late = {"from_step_nine": number >= 9, "in_wide_windows": step.place >= 4}
        if self.when in late:
            return d * torch.where(torch.as_tensor(late[self.when]), 1.01, 1.0).to(d.dtype)
        if self.when == "pulls_parameters_home":
            return d + w / 64
        d = d.clone()
        d[3:] *= 1.01
        return d

    def advance_(self, state: Any, where: Tensor) -> None:
        self.honest.advance_(state, where)

    def rollback_(self, state: Any, where: Tensor) -> None:
        self.honest.rollback_(state, where)


WHEN = ("from_step_nine", "in_wide_windows", "pulls_parameters_home", "in_the_fourth_run")
"""Conditions; each rule is broken under two of them."""


def _broken(index: int, of: Property) -> dict[str, Callable[[], Any]]:
    """Two wrong parts of one rule."""

    def make(when: str) -> Callable[[], Any]:
        return lambda: Wrong(HONEST[of](), of, when)

    conditions = (WHEN[index % len(WHEN)], WHEN[(index + 1) % len(WHEN)])
    return {f"{of.word.replace(' ', '_')}_wrong_{when}": make(when) for when in conditions}


def _follows(of: Property, kills: tuple[str, ...]) -> Law:
    @law(
        name=f"{of.word.replace(' ', '-')}-for-life",
        statement="the rule in NumPy, over forty steps with roll-backs and advances, whatever w, loss and k are",
        source=f"adaqn_lab, {HONEST[of]().__class__.__name__}; verification/references/steppers.py.",
        group=Group.REFERENCE,
        subject=Subject.STEPPER,
        tolerance="linear",
        kills=kills,
        needs=frozenset({of}),
        inputs=life_cases(),
        share=0.3,
    )
    def follows(factory: Factory, case: LifeCase) -> None:
        """Step by step; a stepper inside which declares no rule is not followed."""
        life = Life(factory(), case, Manner(tensors=case.seed % 2 == 1))
        try:
            expected = rule(life.part, case.h0, of)
        except UnknownRuleError:
            return
        # Products below the smallest number vanish, two at each of 40 steps; a rule without arithmetic has none.
        vanishing = 2 * case.steps * float(np.finfo(case.dtype).smallest_subnormal)
        for k in range(case.steps):
            where = case.masks[k][:, None]
            g = np.where(where, case.rows[k], 0.0).astype(np.float64)
            d, error = expected.step(k + 1, (g, np.zeros_like(g)), where)
            atol = TOLERANCES["linear"](case.dtype) * error + vanishing * (error > 0)
            close(life.step(k), np.where(where, d, 0.0), np.where(where, atol, 0.0), f"d of step {k + 1}")
            if (k + 1) % case.every == 0:
                window = k // case.every
                expected.back(case.back[window][:, None])
                expected.on(case.on[window][:, None])

    return follows


_BROKEN = {of: _broken(index, of) for index, of in enumerate(RULES)}
_ALSO = {"clipped": ("clips_each_tensor",)}
"""Wrong parts beside the rule's own specimen."""
LAWS = tuple(_follows(of, (*broken, *_ALSO.get(of.word, ()))) for of, broken in _BROKEN.items())
MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.STEPPER: {name: make for broken in _BROKEN.values() for name, make in broken.items()}
}
