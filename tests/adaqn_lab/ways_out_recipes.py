"""Ways out of what a recipe refuses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

import adaqn_lab as lab
from adaqn_lab import EmpiricalFisher, Identity, Window, bases, recipes
from adaqn_lab.diagonal import Diagonal
from tests.adaqn_lab.training import SHORT, UNGUARDED
from tests.adaqn_lab.ways_out import Case, after, evaluated, trains


class Nothing:
    """An object with the methods of no role."""

    def __repr__(self):
        return "Nothing()"


class OfPairs(bases.PairGeneratorBase):
    def pair_(self, state, move, oracle):
        return move.s * 2


class OfScaling(bases.ScalingBase):
    def h0(self, state, curvature):
        return Diagonal()


class OfMemory(bases.MemoryBase):
    def init(self, space):
        return Window().init(space)

    def admit_(self, state, move, y, operator):
        return Window().admit_(state, move, y, operator)

    def apply_(self, state, v, h0):
        return h0.apply_(v)

    def reset_(self, state, where):
        state.clear_(where)


class OfStepper(bases.StepperBase):
    def direction_(self, state, step, operator):
        return step.g.sign_()


@dataclass
class Losses:
    loss: Tensor
    reference: Tensor


class OfGuard(bases.GuardBase):
    def init(self, space):
        return Losses(space.scalars(), space.scalars())

    def judge_(self, state, move, oracle):
        return torch.ones_like(move.where)


OWN = {
    "pairs": ("PairGenerator", "lacks check_recipe, init, needs, observe_, pair_, reset_", OfPairs),
    "scaling": ("ScalingInitializer", "lacks check_recipe, h0, init, needs, observe_", OfScaling),
    "memory": ("MemoryPolicy", "lacks admit_, apply_, check_recipe, init, invertible, needs, reset_, solve_", OfMemory),
    "stepper": ("InnerStepper", "lacks advance_, check_recipe, direction_, init, needs, rollback_", OfStepper),
    "guard": ("Guard", "lacks advance_, check_recipe, clear_store, init, judge_, needs", OfGuard),
}
"""Role -> its protocol, what an object without methods lacks, a part which has of its own what the base has not."""


def not_of_the_role(role):
    protocol, lacking, own = OWN[role]
    base = own.__mro__[1].__name__
    example = {"pairs": EmpiricalFisher, "scaling": Identity, "memory": Window, "stepper": lab.Plain}.get(
        role, lab.MonitorIncrease
    )

    def inherits(words):
        assert issubclass(own, eval(words.split()[2], {"adaqn_lab": lab}))
        trains(SHORT.but(**{role: own()}))

    return [
        Case(
            f"no part: {role}",
            TypeError,
            lambda: SHORT.but(**{role: Nothing()}),
            f"Recipe: {role}=Nothing() is no {protocol}, it {lacking}",
            {
                f"write it as adaqn_lab.protocols.{protocol} says": lambda _: trains(SHORT.but(**{role: example()})),
                f"inherit what adaqn_lab.bases.{base} has": inherits,
            },
        ),
        Case(
            f"a class: {role}",
            TypeError,
            lambda: SHORT.but(**{role: example}),
            f"Recipe: {role}={example!r} is a class",  # sentence proposed
            {
                f"pass an instance of it, {example.__name__}() for example": lambda words: trains(
                    SHORT.but(**{role: evaluated(words.split(", ")[1].split()[0])})
                )
            },
        ),
    ]


CASES = [
    *(case for role in OWN for case in not_of_the_role(role)),
    Case(
        "no cadence",
        TypeError,
        lambda: UNGUARDED.but(cadence=3),
        "Recipe: cadence=3 is no Cadence",
        {"pass Cadence(every=20)": lambda words: trains(UNGUARDED.but(cadence=after(words, "pass ")))},
    ),
    Case(
        "unknown role",
        TypeError,
        lambda: UNGUARDED.but(memry=Window()),
        "Recipe.but: unknown role 'memry'",
        {
            "the roles are pairs, scaling, memory, stepper, guard, cadence": lambda words: [
                trains(UNGUARDED.but(**{role: getattr(recipes.ADAQN, role)}))
                for role in words.removeprefix("the roles are ").split(", ")
            ]
        },
    ),
]
