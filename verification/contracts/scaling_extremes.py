"""Scalings for tiny and huge pairs, vectors and gradients, and for empty and shuffled slots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from adaqn_lab import AdaGrad, BarzilaiBorwein, Diagonal, Space, Step
from adaqn_lab.bases import ScalingBase
from adaqn_lab.protocols import Curvature
from verification.benches import Products, ScalingBench
from verification.compare import close, holds
from verification.contracts.scaling_horizon import definite
from verification.law import Group, Subject, law
from verification.parts import tensor
from verification.strategies import DTYPES, ContractCase, contract_cases
from verification.tolerances import TOLERANCES

Factory = Callable[[], Any]
LINEAR = TOLERANCES["linear"]
REACH = {"float32": 120, "float64": 1000}
"""Exponents of the squares of tiny and huge vectors, in these numbers, which are far from underflow and overflow."""


@dataclass(frozen=True)
class Slots:
    """Products of pairs as a memory lists them: the columns in no order, some of them empty; the newest apart."""

    values: tuple[Tensor, Tensor, Tensor, Tensor]
    newest_column: int

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Each (R,)."""
        return tuple(x[:, self.newest_column] for x in self.values)  # type: ignore[return-value]

    def products(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Each (R, m)."""
        return self.values

    def moved(self, rng: np.random.Generator, empty: int) -> Slots:
        """The columns in another order, among ``empty`` more which hold nothing."""
        runs, m = self.values[0].shape
        order = rng.permutation(m + empty)
        ones = torch.ones(runs, empty, dtype=torch.float64)
        wide = [torch.cat([x, ones.to(x.dtype) if x is not self.values[3] else ones < 0], 1) for x in self.values]
        place = int(np.flatnonzero(order == self.newest_column)[0])
        return Slots(tuple(x[:, order.tolist()] for x in wide), place)  # type: ignore[arg-type]


@dataclass(frozen=True)
class ExtremeCase:
    """``m`` pairs of cosines 0.3 to 1 and curvatures 1/8 to 8, lengths up to the bounds of the numbers; 3 runs.

    The first run holds none but the newest, the last may hold nothing at all.
    """

    m: int
    n: int
    empty: bool
    seed: int
    dtype: str

    @cached_property
    def slots(self) -> Slots:
        """What the memory lists."""
        rng, reach = np.random.default_rng(self.seed), REACH[self.dtype]
        size = 2.0 ** rng.integers(-reach, reach + 1, (3, self.m))  # |s|^2
        ratio, cosine = 2.0 ** rng.uniform(-3, 3, size.shape), rng.uniform(0.3, 1.0, size.shape)
        held = rng.random(size.shape) < 0.7
        held[0], held[:, -1] = False, True
        held[2] &= not self.empty
        s_y, s_s, y_y = (np.where(held, size * x, 1.0) for x in (cosine * ratio, np.ones_like(ratio), ratio * ratio))
        return Slots((tensor(s_y), tensor(s_s), tensor(y_y), tensor(held)), self.m - 1)


EXTREMES = st.builds(
    ExtremeCase,
    st.integers(1, 12),
    st.integers(1, 4),
    st.booleans(),
    st.integers(0, 2**16),
    st.sampled_from(DTYPES),
)


def _bench(factory: Factory, n: int, dtype: str, seed: int, slots: Slots | None = None) -> ScalingBench:
    bench = ScalingBench(factory(), ContractCase(3, n, 0, False, seed, dtype))
    if slots is not None:
        bench.__dict__["history"] = slots  # in the place of what the case has
    return bench


@law(
    name="scaling-extreme-pairs",
    statement="|s| from 2^-60 to 2^60 (float32), 2^-500 to 2^500 (float64), 1/8 <= |y| / |s| <= 8: H0 is finite, "
    "symmetric and positive definite, and so is H0^-1",
    source="s'y / y'y is as large for tiny pairs as for others; s's y'y may over- and underflow.",
    group=Group.MATHEMATICS,
    subject=Subject.SCALING,
    tolerance="linear",
    kills=("root_of_the_product", "ratio_in_float32"),
    inputs=EXTREMES,
)
def extreme_pairs(factory: Factory, case: ExtremeCase) -> None:
    """The products alone are extreme; H0 need not be."""
    bench = _bench(factory, case.n, case.dtype, case.seed, case.slots)
    H0 = bench.matrices()
    newest = [x.tolist() for x in case.slots.newest()]
    definite(H0, case.dtype, f"for s'y, s's, y'y = {newest[:3]} of the newest pair")
    v = bench.case.v
    back = bench.solve(bench.apply(v))
    atol = LINEAR(case.dtype, n=case.n) * np.linalg.cond(H0)[:, None] * np.linalg.norm(v, axis=1, keepdims=True)
    close(back, v, atol, "H0^-1 H0 v against v")


@law(
    name="scaling-pair-length",
    statement="before any gradient: (s, y) -> (t s, t y) of every pair, t = 2^-30, 2^30, leaves H0",
    source="H0 has the units of s / y. An absolute eps or threshold beside s'y or y'y decides for short pairs.",
    group=Group.INVARIANCE,
    subject=Subject.SCALING,
    tolerance="differences",
    kills=("eps_beside_y_y", "identity_for_short_pairs"),
    inputs=contract_cases(max_items=4),
)
def pair_length(factory: Factory, case: ContractCase) -> None:
    """After gradients a step length relative to theirs may come in."""
    plain, moved = ScalingBench(factory(), case), ScalingBench(factory(), case)
    expected = plain.read().double()
    atol = TOLERANCES["differences"](case.dtype) * expected.abs().amax(1, keepdim=True).numpy()
    values = plain.history.products()
    for t in (2.0**-30, 2.0**30):
        products = [torch.where(values[3], t * t * x, x) for x in values[:3]]
        moved.__dict__["history"] = Products(products[0], products[1], products[2], values[3])
        close(moved.read().double(), expected, atol, f"H0 v for pairs {t:g} times as long, against H0 v")


@law(
    name="scaling-slots",
    statement="H0 depends on which pairs are held, not on the slots in which they lie nor on how many are empty",
    source="adaqn_lab.protocols.Curvature: a memory lists its slots in no order of time, and ones where none is held.",
    group=Group.INVARIANCE,
    subject=Subject.SCALING,
    tolerance="linear",
    kills=("last_slot_is_newest", "divides_by_the_slots", "adds_empty_slots"),
    inputs=EXTREMES,
)
def slots(factory: Factory, case: ExtremeCase) -> None:
    """As a ring which has gone round, and a larger one."""
    rng, v = np.random.default_rng(case.seed), np.random.default_rng(0).standard_normal((3, case.n))
    plain, moved = (
        _bench(factory, case.n, case.dtype, case.seed, x).apply(v.astype(case.dtype)).double()
        for x in (case.slots, case.slots.moved(rng, 3))
    )
    atol = LINEAR(case.dtype, n=case.n + case.m) * plain.abs().amax(1, keepdim=True).numpy()
    close(moved, plain, atol, "H0 v with the slots in another order and three more, against H0 v")


@law(
    name="scaling-any-length",
    statement="H0 (2^k v) = 2^k H0 v for k = -40, 30 (float32), -300, 300 (float64)",
    source="H0 is linear: no vector is too short or too long for it.",
    group=Group.MATHEMATICS,
    subject=Subject.SCALING,
    tolerance="linear",
    kills=("clips_the_direction", "nothing_for_short_vectors"),
    inputs=contract_cases(),
)
def any_length(factory: Factory, case: ContractCase) -> None:
    """A law on vectors of length one would not see a threshold."""
    bench = ScalingBench(factory(), case)
    bench.feed_all()
    expected = bench.read().double()
    atol = LINEAR(case.dtype, n=case.n) * expected.abs().amax(1, keepdim=True).numpy()
    for k in (-40, 30) if case.dtype == "float32" else (-300, 300):
        got = bench.apply((2.0**k * case.v.astype(np.float64)).astype(case.dtype)).double() / 2.0**k
        close(got, expected, atol, f"H0 (2^{k} v) / 2^{k} against H0 v")


def _of(case: ContractCase, dtype: str) -> ContractCase:
    """The case with its numbers, which are float32's, in ``dtype``."""
    other, names = replace(case, dtype=dtype), ("rows", "v", "partners")
    other.__dict__.update({name: getattr(case, name).astype(dtype) for name in names})
    other.__dict__["pairs"] = tuple(x.astype(dtype) for x in case.pairs)
    return other


@law(
    name="scaling-float32",
    statement="the same numbers in float32 and float64, gradients of 1e-15, 1, 1e15: H0 v to the rounding of float32",
    source="Higham 2002, section 3.1: sums of squares lose nothing but their last digit.",
    group=Group.REFERENCE,
    subject=Subject.SCALING,
    tolerance="linear",
    kills=("squares_in_half_precision", "eps_lost_in_float32"),
    inputs=st.tuples(contract_cases(max_items=8), st.sampled_from((1.0, 1e-15, 1e15))),
)
def float32(factory: Factory, drawn: tuple[ContractCase, float]) -> None:
    """A drift which float64 hides shows in float32."""
    case, size = drawn
    case = replace(case, dtype="float32")
    case.__dict__["rows"] = (case.rows * np.float32(size)).astype(np.float32)
    answers = []
    for dtype in ("float32", "float64"):
        bench = ScalingBench(factory(), _of(case, dtype))
        bench.feed_all()
        answers.append(bench.read().double())
    got, expected = answers
    holds(torch.isfinite(got).all(), f"H0 v in float32 is {got.tolist()}, in float64 {expected.tolist()}")
    size = expected.abs().amax(1, keepdim=True).numpy() * bench.condition() ** 2  # of H0^-2, which sums up the squares
    atol = LINEAR("float32", n=case.n + case.items) * size
    close(got, expected, atol, "H0 v in float32 against H0 v in float64, of the same numbers")


GIANT = {"float32": 2.0**20, "float64": 2.0**40}
"""One gradient's size: a difference of sums of its square with others of size 1 has no right digit left."""


@law(
    name="scaling-after-a-giant",
    statement="one gradient, or the same one from then on or always, is 2^20 (float32), 2^40 (float64) times as long: "
    "H0 is finite and positive definite after it and after each of the next ones",
    source="Higham 2002, section 1.7: what is left of large terms by subtraction is their rounding, of either sign.",
    group=Group.MATHEMATICS,
    subject=Subject.SCALING,
    kills=("sum_of_three_by_subtraction", "variance_of_squares"),
    share=0.5,
    inputs=contract_cases(min_items=6, max_items=12),
)
def after_a_giant(factory: Factory, case: ContractCase) -> None:
    """Exploding gradients come, and go or stay."""
    giant, everyone = case.rows[:, 1] * GIANT[case.dtype], np.ones(case.runs, bool)
    for giants in ((1,), range(1, case.items), range(case.items)):
        bench = ScalingBench(factory(), case)
        for k in range(case.items):
            g = giant if k in giants else case.rows[:, k]
            bench.observe(g.astype(case.dtype), everyone)
            if k:
                definite(bench.matrices(), case.dtype, f"{k - 1} steps after the first giant gradient")


LAWS = (extreme_pairs, pair_length, slots, any_length, float32, after_a_giant)


@dataclass(frozen=True)
class _OfNewest(ScalingBase):
    """gamma I with gamma a function of s'y, s's, y'y of the newest pair; 1 without one."""

    gamma: Callable[[Tensor, Tensor, Tensor], Tensor]

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        *products, exists = curvature.newest()
        return Diagonal(gamma=torch.where(exists, self.gamma(*products), 1.0))


@dataclass(frozen=True)
class _OfAll(ScalingBase):
    """gamma I with gamma a function of s'y, s's, y'y and which are held."""

    gamma: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        return Diagonal(gamma=self.gamma(*curvature.products()))


def _by_slots(s_y: Tensor, s_s: Tensor, y_y: Tensor, held: Tensor) -> Tensor:
    mean = torch.where(held, s_y / y_y, 0.0).sum(1) / held.shape[1]
    return torch.where(held.any(1), mean, 1.0)


class _Shaped:
    """A diagonal H0 whose products a function spoils."""

    def __init__(self, of: Any, spoil: Callable[[Tensor], Tensor]) -> None:
        self.of, self.spoil = of, spoil

    def apply_(self, v: Tensor) -> Tensor:
        return self.spoil(self.of.apply_(v))

    def solve_(self, v: Tensor) -> Tensor:
        solved: Tensor = self.of.solve_(v)
        return solved


class _Clips(AdaGrad):
    def h0(self, state: Any, curvature: Curvature) -> Any:
        return _Shaped(super().h0(state, curvature), lambda d: d.clamp_(-1e4, 1e4))


class _NothingForShort(BarzilaiBorwein):
    def h0(self, state: None, curvature: Curvature) -> Any:
        h0 = super().h0(state, curvature)
        return _Shaped(h0, lambda d: d * (d.norm(dim=1, keepdim=True) > 1e-10))


class _HalfSquares(AdaGrad):
    def h0(self, state: Any, curvature: Curvature) -> Diagonal:
        squares = state.total.bfloat16().to(state.total.dtype)
        return Diagonal(squares=squares if squares.dtype == torch.float32 else state.total, eps=self.eps)


@dataclass
class _Recent:
    """The squares of the last three gradients (R, 3, n) and their sum (R, n)."""

    squares: Tensor
    total: Tensor


class _SumByDifference(ScalingBase):
    """1 / sqrt(sum of the last three squares + eps), the sum by adding what comes and taking off what leaves."""

    def init(self, space: Space) -> _Recent:
        return _Recent(space.zeros(3), space.zeros())

    def observe_(self, state: _Recent, step: Step) -> None:
        where, square = step.where[:, None], step.g.square()
        state.total = torch.where(where, state.total + square - state.squares[:, 0], state.total)
        moved = torch.cat([state.squares[:, 1:], square[:, None]], dim=1)
        state.squares = torch.where(where[:, None], moved, state.squares)

    def h0(self, state: _Recent, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.total, eps=1e-4)


class _Variance(_SumByDifference):
    """1 / sqrt(variance of the last three gradients + eps), as the mean of the squares less the square of the mean."""

    def observe_(self, state: _Recent, step: Step) -> None:
        where = step.where[:, None]
        moved = torch.cat([state.squares[:, 1:], step.g[:, None]], dim=1)
        state.squares = torch.where(where[:, None], moved, state.squares)

    def h0(self, state: _Recent, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.squares.square().mean(1) - state.squares.mean(1).square(), eps=1e-4)


class _EpsLost(AdaGrad):
    """1 / sqrt(G + 1 - 1 + eps): eps is below the last digit of 1 in float32."""

    def h0(self, state: Any, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=(state.total + 1e-8 + 1.0) - 1.0, eps=1e-12)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.SCALING: {
        "root_of_the_product": lambda: _OfNewest(lambda s_y, s_s, y_y: (s_s * y_y).sqrt() / y_y),
        "ratio_in_float32": lambda: _OfNewest(lambda s_y, s_s, y_y: (s_y.float() / y_y.float()).double()),
        "eps_beside_y_y": lambda: _OfNewest(lambda s_y, s_s, y_y: s_y / (y_y + 1e-8)),
        "identity_for_short_pairs": lambda: _OfNewest(
            lambda s_y, s_s, y_y: torch.where(s_s > 1e-12, s_y / y_y, torch.ones_like(s_y))
        ),
        "last_slot_is_newest": lambda: _OfAll(
            lambda s_y, s_s, y_y, held: torch.where(held[:, -1], s_y[:, -1] / y_y[:, -1], 1.0)
        ),
        "divides_by_the_slots": lambda: _OfAll(_by_slots),
        "adds_empty_slots": lambda: _OfAll(lambda s_y, s_s, y_y, held: (s_y / y_y).mean(1)),
        "clips_the_direction": _Clips,
        "nothing_for_short_vectors": _NothingForShort,
        "squares_in_half_precision": _HalfSquares,
        "eps_lost_in_float32": _EpsLost,
        "sum_of_three_by_subtraction": _SumByDifference,
        "variance_of_squares": _Variance,
    }
}
