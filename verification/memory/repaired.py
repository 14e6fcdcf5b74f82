"""Pairs repaired before they are admitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Dense, LevenbergDamping, PowellB, PowellH, PowellScaled, Regularised, Repaired, TauDamping, Window
from adaqn_lab.memory.admission import judge
from adaqn_lab.protocols import Displacement, Operator, Verdict
from verification.compare import close, holds, same
from verification.contracts.memory import NEWEST
from verification.law import Factory, Group, Law, Property, Subject, law
from verification.memory.double_damping import DOUBLE_DAMPED
from verification.memory.held import CASES, Held
from verification.operator.dense import norm
from verification.parts import Array, tensor
from verification.specimen import Specimen
from verification.strategies import OperatorCase
from verification.tolerances import TOLERANCES

DAMPED_B = Property(
    "damped b",
    "The memory `of` behind a repair `by`: s'y = max(s'y, delta s'Bs).",
    fields=(
        "of",
        "by.delta",
    ),
)
DAMPED_H = Property(
    "damped h",
    "The memory `of` behind a repair `by`: s'y = max(s'y, delta y'Hy).",
    fields=(
        "of",
        "by.delta",
    ),
)
DAMPED_SS = Property(
    "damped ss",
    "The memory `of` behind a repair `by`: s'y = max(s'y, mu s's).",
    fields=(
        "of",
        "by.mu",
    ),
)
DAMPED_SCALED = Property(
    "damped scaled",
    "The memory `of` behind a repair `by`: s'y = max(s'y, delta gamma s's), gamma = max(y'y / s'y, floor).",
    fields=(
        "of",
        "by.delta",
        "by.floor",
    ),
)
TAU_DAMPED = Property(
    "tau damped",
    "The memory `of` behind a repair `by`: lower <= s'y / s's <= upper, for tau = 1.",
    fields=(
        "of",
        "by.lower",
        "by.upper",
    ),
)
REGULARISED = Property(
    "regularised",
    "The memory `of` behind a repair `by`: y + shift s.",
    fields=(
        "of",
        "by.shift",
    ),
)


Bound = Callable[[Held, Array, Array], tuple[float, float]]
"""(memory, s, y) -> the least curvature that is stored, and how far rounding may move it."""


def _damped(name: str, statement: str, source: str, needs: Property, kills: tuple[str, ...], bound: Bound) -> Law:
    """The law that the stored curvature is the larger of the pair's own and ``bound(held, s, y)``."""

    @law(
        name=name,
        statement=statement,
        source=source,
        group=Group.MATHEMATICS,
        subject=Subject.MEMORY,
        tolerance="inverse",
        kills=kills,
        needs=(needs,),
        inputs=CASES,
    )
    def check(factory: Factory, case: OperatorCase) -> None:
        _stored(Held(factory(), replace(case.last(0), spread=0)), case.u, case.u)  # H = I = B: H y = s, to every bit
        _stored(Held(factory(), case), case.u, case.v)

    def _stored(held: Held, s: Array, y: Array) -> None:
        least, error = bound(held, s, y)
        got = held.admit(s, y)
        # The repaired pair is a blend with weights 0 to 1; its lengths bound every term of its product.
        rounding = TOLERANCES["linear"](n=len(s)) * (norm(s) * norm(y) + np.sqrt(float(got.s_s * got.y_y)))
        close(float(got.s_y), max(float(s @ y), least), error + rounding, "the repaired pair's s'y")
        holds(bool(got.admitted), f"(s, y) with s'y = {float(s @ y):.6g}, {float(got.s_y):.6g} repaired, was refused")

    return check


def _s_b_s(held: Held, s: Array, y: Array) -> tuple[float, float]:
    """delta s'Bs with B s from H, and its error: with dB = B dH B that is |B s| |dH| |B s|, |B s| <= |B| |s|."""
    Bs, delta = np.linalg.solve(held.H(), s), held.part.by.delta
    return delta * float(s @ Bs), delta * held.allowed(TOLERANCES["inverse"]) * norm(Bs) * norm(s)


def _y_h_y(held: Held, s: Array, y: Array) -> tuple[float, float]:
    """delta y'Hy, and its error."""
    delta = held.part.by.delta
    return delta * float(y @ held.H() @ y), delta * held.allowed(TOLERANCES["operator"]) * norm(y) ** 2


damped_b = _damped(
    "damped-b",
    "any pair is stored with s'y = max(s'y, delta s'Bs)",
    "Powell 1978; Nocedal & Wright 2006, Procedure 18.2",
    DAMPED_B,
    ("damps_with_h_for_b", "forgets_to_damp", "blends_s_with_bs"),
    _s_b_s,
)


damped_h = _damped(
    "damped-h",
    "any pair is stored with s'y = max(s'y, delta y'Hy)",
    "minSQN; K-BFGS, Goldfarb, Ren & Bahamou 2020",
    DAMPED_H,
    ("damps_with_gradient", "forgets_to_damp", "damps_by_a_product_with_the_mask"),
    _y_h_y,
)


damped_ss = _damped(
    "damped-ss",
    "any pair is stored with s'y = max(s'y, mu s's)",
    "K-BFGS, Goldfarb, Ren & Bahamou 2020, the second damping",
    DAMPED_SS,
    ("forgets_to_damp", "damps_by_adding", "judges_before_it_damps"),
    lambda held, s, y: (held.part.by.mu * float(s @ s), TOLERANCES["linear"](n=len(s)) * float(s @ s)),
)


def _gamma_s_s(held: Held, s: Array, y: Array) -> tuple[float, float]:
    """delta gamma s's, gamma = max(y'y / s'y, floor) or floor where s'y <= 0, and its error."""
    by, s_y = held.part.by, float(s @ y)
    gamma = max(float(y @ y) / s_y, by.floor) if s_y > 0 else by.floor
    least = by.delta * gamma * float(s @ s)
    # gamma is as sensitive to s'y as 1 / cos(s, y).
    return least, TOLERANCES["linear"](n=len(s)) * least * (1 + norm(s) * norm(y) / abs(s_y))


damped_scaled = _damped(
    "damped-scaled",
    "any pair is stored with s'y = max(s'y, delta gamma s's), gamma = max(y'y / s'y, floor), floor where s'y <= 0",
    "SdLBFGS, Wang, Ma, Goldfarb & Liu, SIAM J. Optim. 27 (2017): Powell's damping with B = gamma I",
    DAMPED_SCALED,
    ("forgets_to_damp", "gamma_without_floor", "gamma_upside_down"),
    _gamma_s_s,
)


@law(
    name="tau-damped",
    statement="any pair is stored with lower <= s'y / s's <= upper (tau_0 = 1)",
    source="mL-BFGS, Niu et al. 2023",
    group=Group.MATHEMATICS,
    subject=Subject.MEMORY,
    tolerance="linear",
    kills=("forgets_to_damp", "gamma_upside_down", "judges_before_it_clips"),
    needs=(TAU_DAMPED,),
    inputs=CASES,
)
def tau_damped(factory: Factory, case: OperatorCase) -> None:
    """The Rayleigh quotient stays between its bounds, from both sides."""
    held = Held(factory(), case)
    for y in (-case.v, 100 * case.u + case.v):
        verdict = held.admit(case.u, y)
        mu, by = float(verdict.s_y / verdict.s_s), held.part.by
        atol = TOLERANCES["linear"](n=case.n) * (norm(y) + norm(case.u)) / norm(case.u)  # y' is a blend of y and s
        holds(by.lower - atol <= mu <= by.upper + atol, f"s'y / s's = {mu}, [{by.lower}, {by.upper}] expected")
        holds(bool(verdict.admitted), f"(s, y) with s'y / s's = {mu} repaired was refused")


@law(
    name="regularised-pair",
    statement="the memory is as if (s, y + shift s) had been offered for (s, y)",
    source="y_reg of stochQN; oBFGS, Schraudolph, Yu & Guenter 2007",
    group=Group.INVARIANCE,
    subject=Subject.MEMORY,
    kills=("forgets_to_regularise", "regularises_along_y", "adds_a_multiple_and_s"),
    needs=(REGULARISED,),
    inputs=CASES,
)
def regularised_pair(factory: Factory, case: OperatorCase) -> None:
    """Curvature rises by the shift along s."""
    part = factory()
    got, bare = Held(part, case.last(0)), Held(part.of, case.last(0))
    curved_down = case.u, case.v * -np.sign(case.u @ case.v)
    for s, y in (*zip(case.S, case.Y, strict=True), curved_down):
        got.admit(s, y)
        bare.admit(s, (tensor(y).add(tensor(s), alpha=part.by.shift)).numpy())
    same(got.H(), bare.H(), "H of the repaired pairs against H of (s, y + shift s)")


@dataclass(frozen=True)
class _Honest:
    """A repair with every field that a damping has, which repairs nothing."""

    delta: float = 0.2
    mu: float = 0.1
    lower: float = 0.1
    upper: float = 10.0
    shift: float = 1e-3
    floor: float = 1.0
    needs_inverse: ClassVar[bool] = False

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Return the pair."""
        return s, y


class _HForB(_Honest):
    """The B form with H s in the place of B s."""

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Damp towards H s."""

        class Swapped:
            def inverse(self, v: Tensor) -> Tensor:
                return operator(v)

        return PowellB(delta=self.delta).repair(s, y, Swapped())  # type: ignore[arg-type]


class _TowardsGradient(_Honest):
    """The H form with y in the place of H y, as SGDLibrary takes H g: another vector than H applied to y."""

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Damp towards -y."""
        theta = 0.5 * ((s * y).sum(1, keepdim=True) < 1).to(y.dtype)
        return (1 - theta) * s - theta * y, y


class _ByAProductWithTheMask(_Honest):
    """The H form with 0 (H y - s) / 0 where the pair needs no damping because H y = s."""

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Blend by a factor which the mask should have switched off."""
        Hy = operator(y)
        s_y, y_h_y = ((a * y).sum(1, keepdim=True) for a in (s, Hy))
        theta = (1 - self.delta) * y_h_y / (y_h_y - s_y)
        return s + (s_y < self.delta * y_h_y) * (1 - theta) * (Hy - s), y


class _AlongY(_Honest):
    """y + shift y for y + shift s."""

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Lengthen y."""
        return s, y * (1 + self.shift)


class _ByAdding(_Honest):
    """y + mu s where s'y < mu s's: the curvature is s'y + mu s's, and negative still where s'y was below -mu s's."""

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Add the whole of mu s."""
        s_y, s_s = ((s * x).sum(1, keepdim=True) for x in (y, s))
        return s, torch.where(s_y < self.mu * s_s, y + self.mu * s, y)


class _WithoutFloor(_Honest):
    """Damping with gamma = y'y / |s'y|, however small, also where s'y < 0."""

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Damp by the bare ratio."""
        return PowellScaled(delta=self.delta, floor=1e-30).repair(s, y, operator)


class _GammaUpsideDown(_Honest):
    """Damping with gamma = s'y / y'y."""

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Damp towards H0 s for B0 s."""
        s_y, s_s, y_y = ((a * b).sum(1, keepdim=True) for a, b in ((s, y), (s, s), (y, y)))
        size = (s_y / y_y).clamp(min=self.floor) * s_s
        theta = torch.where(s_y < self.delta * size, (1 - self.delta) * size / (size - s_y), 1.0)
        return s, theta * y + (1 - theta) * size / s_s * s


class WrongRepaired(Repaired):
    """A memory which says that it damps in every way, as far as a law looks."""

    declares: ClassVar[tuple[str, ...]] = ("damped b", "damped h", "damped ss", "damped scaled", "tau damped")


class JudgesBeforeItDamps(Repaired):
    """A window's test sees the pair as it was offered, and then the repaired one."""

    declares: ClassVar[tuple[str, ...]] = ("damped ss",)

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        """Nothing that has to be repaired passes."""
        offered = judge(move, y, Window().test).admitted
        return super().admit_(state, replace(move, where=offered), y, operator)


class JudgesBeforeItClips(JudgesBeforeItDamps):
    """The same with bounds."""

    declares: ClassVar[tuple[str, ...]] = ("tau damped",)


class WrongRegularised(Repaired):
    """A memory which says that it regularises."""

    declares: ClassVar[tuple[str, ...]] = ("regularised",)


def _repaired(by: _Honest, kind: type[Repaired] = WrongRepaired) -> Factory:
    return partial(kind, by=by, of=Window(capacity=3))


MUTANTS = {
    Subject.MEMORY: {
        "forgets_to_damp": _repaired(_Honest()),
        "forgets_to_regularise": _repaired(_Honest(), WrongRegularised),
        "regularises_along_y": _repaired(_AlongY(), WrongRegularised),
        "damps_with_h_for_b": _repaired(_HForB()),
        "damps_with_gradient": _repaired(_TowardsGradient()),
        "damps_by_a_product_with_the_mask": _repaired(_ByAProductWithTheMask()),
        "damps_by_adding": _repaired(_ByAdding()),
        "gamma_without_floor": _repaired(_WithoutFloor()),
        "gamma_upside_down": _repaired(_GammaUpsideDown()),
        "judges_before_it_damps": partial(JudgesBeforeItDamps, by=LevenbergDamping(), of=Window(capacity=3)),
        "judges_before_it_clips": partial(JudgesBeforeItClips, by=TauDamping(), of=Window(capacity=3)),
    }
}
_OF: dict[type, frozenset[Property]] = {
    PowellB: frozenset({DAMPED_B}),
    PowellH: frozenset({DAMPED_H}),
    LevenbergDamping: frozenset({DAMPED_SS}),
    PowellScaled: frozenset({DAMPED_SCALED}),
    TauDamping: frozenset({TAU_DAMPED}),
    Regularised: frozenset({REGULARISED}),
}


def declares(part: Any) -> frozenset[Property]:
    """What a repaired memory declares; a repair which another one follows, what the two do together."""
    if not isinstance(part.of, Repaired):
        return frozenset({NEWEST}) | _OF.get(type(part.by), frozenset())
    double = isinstance(part.by, PowellH) and isinstance(part.of.by, LevenbergDamping)
    return frozenset({NEWEST, DOUBLE_DAMPED} if double else {NEWEST})


_SMALL = Window(capacity=3)
SPECIMEN = Specimen(
    role=Subject.MEMORY,
    kind=Repaired,
    variations=(
        partial(Repaired, by=PowellB(), of=_SMALL),
        partial(Repaired, by=PowellB(), of=Dense()),
        partial(Repaired, by=PowellH(), of=_SMALL),
        partial(Repaired, by=LevenbergDamping(), of=_SMALL),
        partial(Repaired, by=PowellH(), of=Repaired(by=LevenbergDamping(), of=_SMALL)),
        partial(Repaired, by=TauDamping(), of=_SMALL),
        partial(Repaired, by=PowellScaled(), of=_SMALL),
        partial(Repaired, by=Regularised(), of=_SMALL),
    ),
    declares=declares,
    laws=(
        damped_b,
        damped_h,
        damped_ss,
        damped_scaled,
        tau_damped,
        regularised_pair,
    ),
)
