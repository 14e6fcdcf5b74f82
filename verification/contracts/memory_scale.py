"""What a memory may not depend on: the lengths of pairs, the unit of the loss."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adaqn_lab.protocols import InitialMatrix
from verification.compare import close, holds, same
from verification.law import Factory, Group, Property, Subject, law
from verification.memory_streams import MemoryStream, StreamBench, memory_streams
from verification.naming import by_name
from verification.parts import Array, by_entries, tensor
from verification.textbook_memory import Rows, TextbookMemory
from verification.tolerances import roundoff

ABSOLUTE = Property(
    "absolute threshold",
    "A test, repair or matrix has a number with the units of a curvature. Not held to the laws which scale the loss.",
)

SHARE = 0.15
STREAMS = memory_streams(whole=False)


class _Scaled(StreamBench):
    """The stream with s times ``of_s``, y times ``of_y`` (K,), H0 times ``of_h0``: powers of two with signs."""

    of_s: Array | float = 1.0
    of_y: Array | float = 1.0
    of_h0: float = 1.0

    def scaled(self, of_s: Array | float, of_y: Array | float, of_h0: float = 1.0) -> _Scaled:
        """Itself, with these factors."""
        self.of_s, self.of_y, self.of_h0 = of_s, of_y, of_h0
        return self

    def h0(self) -> InitialMatrix:
        """Scaled."""
        return by_entries(tensor((self.case.h0s[self.now] * self.of_h0)[list(self.rows)].astype(self.case.dtype)))

    def feed(self, k: int, where: Array) -> Any:
        """One scaled pair."""
        self.now = k
        factors = (np.broadcast_to(x, self.case.items)[k] for x in (self.of_s, self.of_y))
        s, y = ((x[:, k] * f).astype(self.case.dtype) for x, f in zip(self.case.pairs, factors, strict=True))
        verdict = self.admit(s, y, where)
        self.note(k, verdict)
        self.now = k + 1
        return verdict

    def verdicts(self) -> Array:
        """Feed everything; (K, R) admitted."""
        return np.array([self.feed(k, self.case.masks[k]).admitted.tolist() for k in range(self.case.items)])


class Expected:
    """H v of a bench which was fed, and how far that of another one may part from it."""

    def __init__(self, base: StreamBench) -> None:
        self.case, self.Hv = base.case, base.apply(base.case.v).double().numpy()
        size = np.linalg.norm(base.case.v.astype(np.float64), axis=1)
        self.atol = (2 * base.allowed(base.matrix()) * size)[:, None]

    def check(self, got: Tensor, what: str, factor: float = 1.0, where: Array | None = None) -> None:
        """``got`` is ``factor`` times as long, for the runs in ``where``."""
        chosen = np.ones(self.case.runs, bool) if where is None else where
        close(got.double().numpy()[chosen], factor * self.Hv[chosen], factor * self.atol[chosen], what)

    def lenient(self, factor: Array) -> Expected:
        """The same with (R,) times as much allowed."""
        made = copy.copy(self)
        made.atol = self.atol * factor[:, None]
        return made


def _signs(case: MemoryStream, exponent: int, spread: int) -> Array:
    """+-2^k, k within ``spread`` of the exponent, one for each pair."""
    k = exponent + np.arange(case.items) * 7 % (2 * spread + 1) - spread
    result: Array = (-1.0) ** np.arange(case.items) * 2.0**k
    return result


STEP = 2.0**-10
NEAR = {"float32": (-26, 24), "float64": (-26, 24)}
"""Exponents of lengths which occur: steps of 1e-8 to 1e7."""
FAR = {"float32": (-70, -60, -50, 50, 60), "float64": (-525, -515, -490, 490, 510)}
"""Exponents at which s'y is near the smallest or the largest number, in float32 or in float64."""


@law(
    name="memory-pair-scale",
    statement="(s, y) -> t (s, y), t = +-2^k of each pair: the same verdicts and H; where products overflow it may be "
    "refused, where they underflow in the vectors' dtype H keeps what digits they have",
    source="H depends on a pair's direction only, and so do s'y / s's, s'y / y'y and the cosine, by which tests judge.",
    group=Group.INVARIANCE,
    subject=Subject.MEMORY,
    tolerance="dense",
    kills=(
        *("adds_to_the_curvature", "threshold_on_curvature", "products_in_float32", "divides_by_subnormal_numbers"),
        *("forgets_small_rows", "clamps_the_curvature"),
    ),
    share=SHARE,
    inputs=STREAMS,
)
def memory_pair_scale(factory: Factory, case: MemoryStream) -> None:
    """From steps of 1e-8 to those whose products are no numbers any more."""
    base = _Scaled(factory, case)
    admitted = base.verdicts()
    expected = Expected(base)
    for exponent in NEAR[case.dtype]:
        t = _signs(case, exponent, 3)
        bench, what = _Scaled(factory, case).scaled(t, t), f"with pairs about 2^{exponent} times as long"
        same(bench.verdicts(), admitted, f"the verdicts {what}")
        for told, plain in zip(bench.told, base.told, strict=True):
            for (k, *got), (_, *numbers) in zip(told, plain, strict=True):
                own, expected_own = (np.array(x) / x[0] for x in (got, numbers))  # a memory may hold it in its own unit
                same(own, expected_own, f"1, s's / s'y and y'y / s'y of pair {k} {what}")
        expected.check(bench.apply(case.v), f"H v {what}")
    for place in (case.seed, case.seed + 2):
        exponent = FAR[case.dtype][place % 5]
        _far(factory, case, expected, admitted, exponent)


def _far(factory: Factory, case: MemoryStream, expected: Expected, admitted: Array, exponent: int) -> None:
    t = 2.0**exponent
    bench, fresh = _Scaled(factory, case).scaled(t, t), StreamBench(factory, case)
    now, what = bench.verdicts(), f"H v with pairs 2^{exponent} times as long"
    got = bench.apply(case.v)
    holds(got.isfinite().all(), f"{what}: {got.tolist()}, finite expected; such pairs may be refused")
    expected.lenient(1 + _underflow(case, exponent)).check(got, f"{what}, all admitted", where=(now == admitted).all(0))
    fresh.now = bench.now
    none = np.flatnonzero(~now.any(0))
    same(got.numpy()[none], fresh.apply(case.v).numpy()[none], f"{what}, all refused, against H without pairs")


def _underflow(case: MemoryStream, exponent: int) -> Array:
    """n eta / (u s'y), (R,): by how much underflow raises the roundoff u, for pairs 2^exponent times as long.

    fl(a b) = a b (1 + delta) + eta', |delta| <= u, |eta'| <= eta, half the smallest positive number of the vectors'
    dtype (Higham 2002, (2.8)), in which a part may multiply. So the n terms of the smallest s'y err by n eta. That is
    nothing for u s'y > n eta; s'y = 2^-140 in float32 has nine binary digits of 24.
    """
    S, Y = (x.astype(np.float64) for x in case.pairs)
    limits = np.finfo(case.dtype)
    eta = float(np.log2(limits.smallest_subnormal)) - 1
    least = np.einsum("rkn,rkn->rk", S, Y).min(axis=1)
    result: Array = case.n * 2.0 ** (eta - 2 * exponent) / (roundoff(case.dtype) * least)
    return result


@law(
    name="memory-loss-scale",
    statement="the loss times 2^20 or 2^-20, (s, y, h0) -> (s, b y, h0 / b): the same verdicts, H -> H / b",
    source="The unit of a loss is arbitrary. A test such as s'y > 1e-4 s's does see it: declare 'absolute threshold'.",
    group=Group.INVARIANCE,
    subject=Subject.MEMORY,
    tolerance="dense",
    kills=("threshold_on_curvature", "adds_to_the_curvature", "rayleigh_quotient_above_a_number"),
    unless=("absolute threshold",),
    share=SHARE,
    inputs=STREAMS,
)
def memory_loss_scale(factory: Factory, case: MemoryStream) -> None:
    """Sums and means of losses must train alike, with steps of 1e-3."""
    base = _Scaled(factory, case).scaled(STEP, STEP)
    admitted, expected = base.verdicts(), Expected(base)
    for b in (2.0**20, 2.0**-20):
        bench, what = _Scaled(factory, case).scaled(STEP, STEP * b, 1.0 / b), f"with the loss times {b:.3g}"
        text = f"the verdicts {what} (a memory whose test has units declares 'absolute threshold')"
        same(bench.verdicts(), admitted, text)
        expected.check(bench.apply(case.v), f"H v {what}, and H0 divided by it", 1.0 / b)


LAWS = (memory_pair_scale, memory_loss_scale)


class AddsToTheCurvature(TextbookMemory):
    """rho = 1 / (s'y + 1e-10), against a division by zero."""

    def rho(self, state: Any) -> Tensor:
        s_y, _, _, held = Rows.products(state)
        return torch.where(held, 1.0 / (s_y + 1e-10), 0.0)


class ClampsTheCurvature(TextbookMemory):
    """rho = 1 / max(s'y, 1e-30), against a division by zero."""

    def rho(self, state: Any) -> Tensor:
        s_y, _, _, held = Rows.products(state)
        return torch.where(held, 1.0 / s_y.clamp(min=1e-30), 0.0)


class ThresholdOnCurvature(TextbookMemory):
    """s'y > 1e-10, as torch.optim.LBFGS has it."""

    def accepts(self, s_y: Tensor, s_s: Tensor, y_y: Tensor) -> Tensor:
        return super().accepts(s_y, s_s, y_y) & (s_y > 1e-10)


class RayleighQuotientAboveANumber(TextbookMemory):
    """s'y > 1e-4 s's, without saying so."""

    def accepts(self, s_y: Tensor, s_s: Tensor, y_y: Tensor) -> Tensor:
        return super().accepts(s_y, s_s, y_y) & (s_y > 1e-4 * s_s)


class ProductsInFloat32(TextbookMemory):
    """s'y and 1 / s'y in the vectors' own type."""

    def rho(self, state: Any) -> Tensor:
        s_y, _, _, held = Rows.products(state)
        return torch.where(held, 1.0 / s_y.to(state.s.dtype), 0.0).double()


class DividesBySubnormalNumbers(TextbookMemory):
    """s'y > 0 is enough: 1 / s'y is infinite for the smallest."""

    def accepts(self, s_y: Tensor, s_s: Tensor, y_y: Tensor) -> Tensor:
        return (s_y > 0) & s_y.isfinite() & s_s.isfinite() & y_y.isfinite()


class ForgetsSmallRows(TextbookMemory):
    """Entries below 1e-6 are taken for zero when a pair is stored."""

    def push_(self, state: Any, s: Tensor, y: Tensor, where: Tensor) -> None:
        super().push_(state, torch.where(s.abs() < 1e-6, 0.0, s), y, where)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.MEMORY: by_name(
        AddsToTheCurvature,
        ClampsTheCurvature,
        ThresholdOnCurvature,
        RayleighQuotientAboveANumber,
        ProductsInFloat32,
        DividesBySubnormalNumbers,
        ForgetsSmallRows,
    )
}
