"""Pair generators in float32, over many parameters, and for tiny and huge numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from adaqn_lab import Displacement, EmpiricalFisher, Pair, Sample, Step
from adaqn_lab.pairs.empirical_fisher import FisherStore
from adaqn_lab.protocols import OracleLike
from adaqn_lab.space import Space
from verification.benches import PairBench
from verification.compare import close, holds
from verification.contracts.pairs_displacement import DIVIDING
from verification.law import Group, Property, Subject, law
from verification.pairs.empirical_fisher import FISHER
from verification.parts import displacement, tensor
from verification.strategies import Array, ContractCase, StreamCase, stream_cases
from verification.tolerances import TOLERANCES

Factory = Callable[[], Any]


class Stretch:
    """The oracle of w'Dw / 2, D = diag(d): elementwise, so that it adds nothing up."""

    def __init__(self, d: Tensor) -> None:
        self.d = d

    def loss(self, w: Tensor) -> Tensor:
        """(R,)."""
        return (self.d * w * w).sum(1).double() / 2

    def gradient(self, w: Tensor, sample: Sample) -> Tensor:
        """D w."""
        return self.d * w

    def hessian_vector(self, w: Tensor, v: Tensor) -> Tensor:
        """D v."""
        return self.d * v

    def gauss_newton(self, w: Tensor, v: Tensor) -> Tensor:
        """D v."""
        return self.d * v


@dataclass(frozen=True)
class WideCase:
    """``items`` gradients of 2^exponent entries of float32, all positive and near one direction, for two runs."""

    exponent: int
    items: int
    seed: int

    @cached_property
    def arrays(self) -> tuple[Array, ...]:
        """Gradients and points (K, 2, n); s, w_ref and d (2, n); all in 1/2 to 1, d in 1/2 to 2."""
        rng, shape = np.random.default_rng(self.seed), (2, 2**self.exponent)
        rows = rng.uniform(0.5, 1.0, (2 * self.items + 3, *shape)).astype(np.float32)
        return rows[: self.items], rows[self.items : -3], rows[-3], rows[-2], rows[-1] * 2


def _y(part: Any, case: WideCase, dtype: str) -> tuple[Array, bool]:
    """The sum of y, and of s where it is the generator's own, (2, n); and whether it is."""
    G, W, s, w_ref, d = (tensor(x.astype(dtype)) for x in case.arrays)
    space = Space(2, s.shape[1], s.dtype)
    state, everyone, window = part.init(space), space.mask(True), int(getattr(part, "every", 3))
    with torch.no_grad():
        for k, (g, w) in enumerate(zip(G, W, strict=True)):
            place = k % window
            part.observe_(state, Step(k + 1, g, everyone, w.clone, place=place, last=place + 1 == window))
        made = part.pair_(state, displacement(s, everyone, w_ref), Stretch(d))
    own = isinstance(made, Pair)
    y = (made.s + made.y).view(2, -1, space.size).sum(1) if own else made
    return y.double().numpy(), own


@law(
    name="pairs-float32",
    statement="the same numbers in float32 and in float64: y to the rounding of float32, for 1024 parameters",
    source="Higham 2002, section 4.2, for the sums; positive numbers near one direction, so that none is short.",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="float sums",
    kills=("half_precision", "mean_taken_off_afterwards", "last_digits_cut"),
    share=0.6,
    inputs=st.builds(WideCase, st.sampled_from((10, 3)), st.integers(1, 6), st.integers(0, 2**16)),
)
def float32(factory: Factory, case: WideCase) -> None:
    """A generator which takes differences of gradients itself gets their rounding, magnified."""
    got, own = _y(factory(), case, "float32")
    expected, _ = _y(factory(), case, "float64")
    divided = bool(factory().needs & DIVIDING)
    bound = TOLERANCES["differences" if divided else "float sums"]("float32", m=case.items, n=got.shape[1])
    size = np.abs(expected).max(axis=1, keepdims=True) + (6.0 if own or divided else 0.0)  # of w and D w
    close(got, expected, bound * size, "y in float32 against y in float64, of the same numbers")


KINDS = ("normal", "zero", "tiny", "huge")


@law(
    name="pairs-finite",
    statement="zero, tiny (1e-15) and huge (1e15) gradients in float32, 1e-150 and 1e150 in float64: y is finite",
    source="The optimizer passes on every gradient whose square is finite, and tiny ones at a minimum.",
    group=Group.CONTRACT,
    subject=Subject.PAIRS,
    kills=("divides_by_the_gradient", "squares_first", "half_precision"),
    share=0.6,
    inputs=stream_cases(KINDS, max_steps=6),
)
def finite(factory: Factory, case: StreamCase) -> None:
    """Whatever came: a normal s, a tiny one and none at all."""
    shell = ContractCase(1, case.n, len(case.kinds), False, case.seed, case.dtype)
    bench = PairBench(factory(), shell)
    for k, g in enumerate(case.gradients):
        bench.observe(shell.points[:, k], g[None], np.ones(1, bool))
    for s in (case.s, 1e-15 * case.s, 0 * case.s):
        y = bench.answer(bench.state, s[None].astype(case.dtype))
        holds(
            torch.isfinite(y).all(), f"y is {y.tolist()} for s = {s.tolist()} after gradients {', '.join(case.kinds)}"
        )


@law(
    name="fisher-extremes",
    statement="y = factor sum g (g's) for gradients of any one size: 2^-40 g, 2^40 g, with s of 2^-30, 1 or 2^30",
    source="Keskar & Berahas 2016. Powers of two change exponents only: every bit agrees, and no eps is beside them.",
    group=Group.INVARIANCE,
    subject=Subject.PAIRS,
    kills=("absolute_threshold_below", "eps_beside_the_moment"),
    needs=frozenset({FISHER}),
    inputs=st.builds(WideCase, st.sampled_from((0, 3)), st.integers(1, 6), st.integers(0, 2**16)),
)
def fisher_extremes(factory: Factory, case: WideCase) -> None:
    """The loss in other units, the parameters in other units."""
    G, _, s, w_ref, d = (tensor(x) for x in case.arrays)
    space, part = Space(2, s.shape[1], s.dtype), factory()

    def y(a: float, b: float) -> Tensor:
        state, everyone = part.init(space), space.mask(True)
        for k, g in enumerate(G):
            part.observe_(state, Step(k + 1, a * g, everyone, w_ref.clone, place=k))
        made: Tensor = part.pair_(state, displacement(b * s, everyone, w_ref), Stretch(d))
        return made

    plain = y(1.0, 1.0)
    for a in (2.0**-40, 2.0**40):
        for b in (2.0**-30, 1.0, 2.0**30):
            close(y(a, b) / a / a / b, plain, 0.0, f"y of {a:g} g and {b:g} s, divided by {a * a * b:g}, against y")


LAWS = (float32, finite, fisher_extremes)


class _Half(EmpiricalFisher):
    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        y = super().pair_(state, move, oracle)
        return y if y.dtype == torch.float64 else y.half().float()


class _LastDigits(EmpiricalFisher):
    """Its factor is a float32 number near 1 / 3 of three digits, when the vectors are float32."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        y = super().pair_(state, move, oracle)
        return y * (1.001 if y.dtype == torch.float32 else 1.0)


class _MeanAfterwards(EmpiricalFisher):
    """The covariance as E gg' - m m' of gradients moved by a thousand: right in float64 only."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        held = state.held().unsqueeze(2)
        rows, count = torch.where(held, state.gradients + 1000.0, 0.0), state.count.clamp(min=1).view(-1, 1)
        m = rows.sum(1) / count
        products = torch.einsum("rkn,rn->rk", rows, move.s)
        second = torch.einsum("rkn,rk->rn", rows, products) / count
        y: Tensor = second - m * (m * move.s).sum(1, keepdim=True)
        return y


class _Divides(EmpiricalFisher):
    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        y = super().pair_(state, move, oracle)
        unit: Tensor = y / y.norm(dim=1, keepdim=True)
        return unit


class _SquaresFirst(EmpiricalFisher):
    """y = g |g|^2 (g's) / |g|^2 with the square in the vectors' own numbers."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        rows = torch.where(state.held().unsqueeze(2), state.gradients, 0.0)
        square = (rows * rows).sum((1, 2)).view(-1, 1)
        y = super().pair_(state, move, oracle)
        return torch.where(square > 0, y * square / square, y)


class _Threshold(EmpiricalFisher):
    declares: ClassVar[frozenset[Property]] = frozenset({FISHER})

    def observe_(self, state: FisherStore, step: Step) -> None:
        state.push_(step.g, step.where & (step.g.norm(dim=1) > 1e-8))


class _Eps(EmpiricalFisher):
    declares: ClassVar[frozenset[Property]] = frozenset({FISHER})

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        return super().pair_(state, move, oracle) + 1e-10 * move.s


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {
        "half_precision": _Half,
        "last_digits_cut": _LastDigits,
        "mean_taken_off_afterwards": _MeanAfterwards,
        "divides_by_the_gradient": _Divides,
        "squares_first": _SquaresFirst,
        "absolute_threshold_below": _Threshold,
        "eps_beside_the_moment": _Eps,
    }
}
