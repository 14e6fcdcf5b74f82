"""Which pairs a test admits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import CautiousCosine, CautiousSS, CautiousYY, Displacement, History, Verdict, Window
from adaqn_lab.linalg import dot
from adaqn_lab.protocols import Operator
from verification.benches import MemoryBench
from verification.compare import same
from verification.law import Factory, Group, Law, Property, Subject, law
from verification.naming import by_name
from verification.strategies import Array, ContractCase, contract_cases

CAUTIOUS_SS = Property("cautious ss", "A pair is admitted iff s'y > eps s's and s'y > 0.", fields=("test.eps",))
CAUTIOUS_YY = Property("cautious yy", "A pair is admitted iff s'y > eps y'y and s'y > 0.", fields=("test.eps",))
CAUTIOUS_COSINE = Property(
    "cautious cosine", "A pair is admitted iff s'y > eps |s||y| and s'y > 0.", fields=("test.eps",)
)


Size = Callable[[Array, Array], Array]
"""s, y (R, n) -> what s'y is compared with, (R,)."""


RATIOS = (-2.0, 0.5, 0.98, 1.02, 2.0, 100.0)
"""s'y over eps times the size: on both sides of the test, far enough for rounding in float32."""


def _ss(s: Array, y: Array) -> Array:
    return np.asarray((s * s).sum(1))


def _yy(s: Array, y: Array) -> Array:
    return np.asarray((y * y).sum(1))


def _cosine(s: Array, y: Array) -> Array:
    return np.asarray(np.sqrt(_ss(s, y) * _yy(s, y)))


def _pair(case: ContractCase, eps: float, size: Size, ratio: float) -> tuple[Array, Array]:
    """A pair with s'y = ratio eps size(s, y), or s'y = ratio size(s, y) for eps = 0; (R, n), |s| = 2."""
    x = ratio * (eps or 1.0)
    s, t = case.v.astype(np.float64), np.roll(case.v, 1, axis=1).astype(np.float64) + 1.0
    s = s / np.linalg.norm(s, axis=1, keepdims=True)
    t = t - (t * s).sum(1, keepdims=True) * s
    t = t / np.linalg.norm(t, axis=1, keepdims=True)
    if size is _yy:  # y = l s / |s|: s'y = 2 l, y'y = l^2
        y = 2 / x * s
    elif size is _ss:
        y = 2 * x * s + 8 * t
    else:  # the cosine is x / (1 + x^2)^(1/2)
        y = 8 * (x * s + t)
    return (2 * s).astype(case.dtype), y.astype(case.dtype)


def _cautious(needs: Property, size: Size, formula: str, source: str, kills: tuple[str, ...]) -> Law:
    @law(
        name=f"admits-{needs.word.replace(' ', '-')}",
        statement=f"a pair is admitted iff {formula} and s'y > 0: on both sides, close by and far, whatever the memory "
        "holds",
        source=source,
        group=Group.REFERENCE,
        subject=Subject.MEMORY,
        kills=kills,
        needs=(needs,),
        inputs=contract_cases(min_size=2, max_items=0),
    )
    def check(factory: Factory, case: ContractCase) -> None:
        bench = MemoryBench(factory(), case)
        eps = bench.part.test.eps
        for ratio in np.random.default_rng(case.seed).permutation(2 * RATIOS):
            s, y = _pair(case, eps, size, ratio)
            admitted = bench.admit(s, y, np.ones(case.runs, bool)).admitted
            s, y = s.astype(np.float64), y.astype(np.float64)
            s_y = (s * y).sum(1)
            expected = (s_y > 0) & (s_y > eps * size(s, y))
            same(admitted, expected, f"admitted; s'y = {ratio} eps times what it is compared with")

    return check


LAWS = (
    _cautious(
        CAUTIOUS_SS,
        _ss,
        "s'y > eps s's",
        "stochQN's reading of adaQN's test; Li & Fukushima 2001 for its kind",
        ("admits_everything", "compares_with_the_gradients"),
    ),
    _cautious(
        CAUTIOUS_YY,
        _yy,
        "s'y > eps y'y",
        "adaQN's test as the authors' MATLAB code (minSQN) has it",
        ("admits_everything", "compares_with_the_displacement", "compares_with_the_newest_held"),
    ),
    _cautious(
        CAUTIOUS_COSINE,
        _cosine,
        "s'y > eps |s||y|",
        "The cosine of the pair, which no units change",
        ("admits_everything", "cosine_without_root"),
    ),
)


class WrongTest(Window):
    """A window which says that it tests in every way, as far as a law looks."""

    declares: ClassVar[tuple[str, ...]] = ("cautious ss", "cautious yy", "cautious cosine")

    def compare(self, s_y: Tensor, s_s: Tensor, y_y: Tensor) -> Tensor:
        """Accept?"""
        return s_y > 0

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        dots = (dot(move.s, y), dot(move.s, move.s), dot(y, y))
        accepted = move.where & self.compare(*dots)
        return Window(capacity=self.capacity, test=_Positive()).admit_(
            state, replace(move, where=accepted), y, operator
        )


class _Positive:
    """s'y > 0 is left to the window."""

    def accept(self, s_y: Tensor, s_s: Tensor, y_y: Tensor) -> Tensor:
        return s_y > 0


class AdmitsEverything(WrongTest):
    """Positive curvature is enough, whatever eps is."""


class ComparesWithTheGradients(WrongTest):
    """y'y for s's: adaQN's sources differ in it."""

    declares: ClassVar[tuple[str, ...]] = ("cautious ss",)

    def compare(self, s_y: Tensor, s_s: Tensor, y_y: Tensor) -> Tensor:
        return s_y > 1e-4 * y_y


class ComparesWithTheDisplacement(WrongTest):
    """s's for y'y."""

    declares: ClassVar[tuple[str, ...]] = ("cautious yy",)

    def compare(self, s_y: Tensor, s_s: Tensor, y_y: Tensor) -> Tensor:
        return s_y > 1e-4 * s_s


class ComparesWithTheNewestHeld(Window):
    """The y'y of the newest pair held, once there is one, for that of the pair which is tested."""

    declares: ClassVar[tuple[str, ...]] = ("cautious yy",)

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        *_, held, exists = state.newest()
        accepted = self.test.accept(dot(move.s, y), dot(move.s, move.s), torch.where(exists, held, dot(y, y)))
        return replace(self, test=_Positive()).admit_(state, replace(move, where=move.where & accepted), y, operator)


class CosineWithoutRoot(WrongTest):
    """s'y > eps |s|^2 |y|^2."""

    declares: ClassVar[tuple[str, ...]] = ("cautious cosine",)

    def compare(self, s_y: Tensor, s_s: Tensor, y_y: Tensor) -> Tensor:
        return s_y > 1e-4 * s_s * y_y


MUTANTS = {
    Subject.MEMORY: by_name(
        AdmitsEverything, ComparesWithTheGradients, ComparesWithTheDisplacement, CosineWithoutRoot, capacity=3
    )
    | by_name(ComparesWithTheNewestHeld, test=CautiousYY(eps=1e-4), capacity=3)
}
_OF: dict[type, frozenset[Property]] = {
    CautiousSS: frozenset({CAUTIOUS_SS}),
    CautiousYY: frozenset({CAUTIOUS_YY}),
    CautiousCosine: frozenset({CAUTIOUS_COSINE}),
}


def of_test(test: Any) -> frozenset[Property]:
    """What a memory with this test declares for it."""
    return _OF.get(type(test), frozenset())
