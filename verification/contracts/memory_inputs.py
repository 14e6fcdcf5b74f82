"""What a memory may not depend on: lengths of pairs, the loss's unit, the origin, how its vectors lie in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Displacement, Verdict
from adaqn_lab.protocols import InitialMatrix, Operator
from verification.compare import close, holds, same
from verification.law import Factory, Group, Property, Subject, law
from verification.memory_streams import MemoryStream, StreamBench, memory_streams
from verification.parts import Array, by_entries, displacement, tensor
from verification.textbook_memory import Rows, TextbookMemory, inner

ABSOLUTE = Property(
    "absolute threshold",
    "A test, repair or matrix has a number with the units of a curvature. Not held to the laws which scale the loss.",
)
REPAIRS = Property("repairs", "It changes pairs which need no repair. Not held to laws on the pair as it was given.")

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


class _Expected:
    """H v of a bench which was fed, and how far that of another one may part from it."""

    def __init__(self, base: StreamBench) -> None:
        self.case, self.Hv = base.case, base.apply(base.case.v).double().numpy()
        size = np.linalg.norm(base.case.v.astype(np.float64), axis=1)
        self.atol = (2 * base.allowed(base.matrix()) * size)[:, None]

    def check(self, got: Tensor, what: str, factor: float = 1.0, where: Array | None = None) -> None:
        """``got`` is ``factor`` times as long, for the runs in ``where``."""
        chosen = np.ones(self.case.runs, bool) if where is None else where
        close(got.double().numpy()[chosen], factor * self.Hv[chosen], factor * self.atol[chosen], what)


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
    statement="(s, y) -> t (s, y), t = +-2^k of each pair: the same verdicts and H; near overflow, it may be refused",
    source="H depends on a pair's direction only, and so do s'y / s's, s'y / y'y and the cosine, by which tests judge.",
    group=Group.INVARIANCE,
    subject=Subject.MEMORY,
    tolerance="dense",
    kills=(
        *("adds_to_the_curvature", "threshold_on_curvature", "products_in_float32", "divides_by_subnormal_numbers"),
        "forgets_small_rows",
    ),
    share=SHARE,
    inputs=STREAMS,
)
def memory_pair_scale(factory: Factory, case: MemoryStream) -> None:
    """From steps of 1e-8 to those whose products are no numbers any more."""
    base = _Scaled(factory, case)
    admitted = base.verdicts()
    expected = _Expected(base)
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


def _far(factory: Factory, case: MemoryStream, expected: _Expected, admitted: Array, exponent: int) -> None:
    t = 2.0**exponent
    bench, fresh = _Scaled(factory, case).scaled(t, t), StreamBench(factory, case)
    now, what = bench.verdicts(), f"H v with pairs 2^{exponent} times as long"
    got = bench.apply(case.v)
    holds(got.isfinite().all(), f"{what}: {got.tolist()}, finite expected; such pairs may be refused")
    expected.check(got, f"{what}, all admitted", where=(now == admitted).all(0))
    fresh.now = bench.now
    none = np.flatnonzero(~now.any(0))
    same(got.numpy()[none], fresh.apply(case.v).numpy()[none], f"{what}, all refused, against H without pairs")


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
    admitted, expected = base.verdicts(), _Expected(base)
    for b in (2.0**20, 2.0**-20):
        bench, what = _Scaled(factory, case).scaled(STEP, STEP * b, 1.0 / b), f"with the loss times {b:.3g}"
        text = f"the verdicts {what} (a memory whose test has units declares 'absolute threshold')"
        same(bench.verdicts(), admitted, text)
        expected.check(bench.apply(case.v), f"H v {what}, and H0 divided by it", 1.0 / b)


class _Moved(StreamBench):
    """The references lie elsewhere, by as much for every pair."""

    by = 0.0
    apart = 0.0
    """By how much w_bar is not w_ref + s, as where the pair generator made s."""

    def move(self, s: Array, where: Array) -> Displacement:
        """The same s."""
        w_ref = self.case.references[:, min(self.now, self.case.items - 1)] + s.dtype.type(self.by)
        made = displacement(self.give("s", s), self.mask(where), self.give("w_ref", w_ref))
        made.w_bar.add_(self.apart * made.w_bar.abs())
        self.given += [(name, x, x.clone()) for name, x in (("w_bar", made.w_bar), ("where", made.where))]
        return made


@law(
    name="memory-origin",
    statement="w_bar, w_ref moved, s as it was: the same bits of verdicts and H; nothing given is written to",
    source="A pair is (move.s, y). A pair generator may make s by itself; then it is not w_bar - w_ref.",
    group=Group.INVARIANCE,
    subject=Subject.MEMORY,
    kills=(
        *("takes_the_average_for_s", "measures_the_average", "moves_the_reference", "writes_into_the_mask"),
        *("stores_the_change_of_the_average", "judges_the_change_of_the_average"),
    ),
    share=SHARE,
    inputs=STREAMS,
)
def memory_origin(factory: Factory, case: MemoryStream) -> None:
    """No point is special, and the vectors belong to the optimizer."""
    here, there, own = (_Moved(factory, case) for _ in range(3))
    there.by, own.apart = -12.0, 0.5
    moved = {"from another w_ref with the same s": there, "whose s is the generator's own, not w_bar - w_ref": own}
    for k in range(case.items):
        one = here.feed(k, case.masks[k])
        for how, bench in moved.items():
            other = bench.feed(k, case.masks[k])
            for name in ("admitted", "s_y", "s_s", "y_y"):
                same(getattr(other, name), getattr(one, name), f"{name} of pair {k} {how}")
    for how, bench in moved.items():
        same(bench.apply(case.v), here.apply(case.v), f"H v of pairs {how}")
    for name, now, before in here.given:
        same(now, before, f"{name} after the call")


def _strided(x: Tensor) -> Tensor:
    """The same values, neither contiguous nor at the beginning of their storage."""
    wide = torch.zeros(*(1 + size for size in x.shape[:-1]), 2 * x.shape[-1] + 3, dtype=x.dtype)
    return (wide[1:] if x.dim() > 1 else wide)[..., 2:-1:2].copy_(x)


def _for_inference(x: Tensor) -> Tensor:
    """The same values, made in inference mode: they may be read, neither written to nor part of a graph."""
    with torch.inference_mode():
        return x.clone()


class _Laid(StreamBench):
    """Vectors and masks as ``lay`` makes them."""

    lay: Callable[[Tensor], Tensor] = staticmethod(lambda x: x)

    def move(self, s: Array, where: Array) -> Displacement:
        """Laid out."""
        plain = super().move(s, where)
        return Displacement(*(type(self).lay(x) for x in (plain.s, plain.w_bar, plain.w_ref, plain.where)))

    def give(self, name: str, value: Array) -> Tensor:
        """y is laid out; s by the displacement."""
        own = super().give(name, value)
        return type(self).lay(own) if name == "y" else own


class _Strided(_Laid):
    """Views with strides and an offset."""

    lay = staticmethod(_strided)


class _Inference(_Laid):
    """Inference tensors."""

    lay = staticmethod(_for_inference)


@law(
    name="memory-layout",
    statement="s, y, v, masks as strided views with an offset, or inference tensors: the same verdicts and H v, B v",
    source="Vectors are (R, n); nobody promises that they are contiguous, alone in their storage, or open to autograd.",
    group=Group.INVARIANCE,
    subject=Subject.MEMORY,
    tolerance="dense",
    kills=("ignores_strides", "ignores_the_offset", "asks_for_gradients"),
    share=SHARE,
    inputs=STREAMS,
)
def memory_layout(factory: Factory, case: MemoryStream) -> None:
    """Values matter, not where they lie."""
    plain = StreamBench(factory, case)
    benches = {"strided views": _Strided(factory, case), "inference tensors": _Inference(factory, case)}
    for k in range(case.items):
        expected = plain.feed(k, case.masks[k]).admitted
        for name, bench in benches.items():
            same(bench.feed(k, case.masks[k]).admitted, expected, f"the verdicts on pair {k} given as {name}")
    reference = _Expected(plain)
    for name, bench in benches.items():
        reference.check(bench.apply(case.v), f"H v with pairs given as {name}")
    reference.check(plain.operator.apply_(_strided(tensor(case.v))), "H v for v as a strided view")
    if plain.part.invertible:
        v, size = tensor(case.v), np.linalg.norm(np.linalg.inv(plain.matrix()), 2, axis=(1, 2)) ** 2
        got = plain.part.solve_(plain.state, _strided(v), plain.h0())
        close(got, plain.solve_for(v), reference.atol * size[:, None], "B v for v as a strided view")


LAWS = (memory_pair_scale, memory_loss_scale, memory_origin, memory_layout)


class AddsToTheCurvature(TextbookMemory):
    """rho = 1 / (s'y + 1e-10), against a division by zero."""

    def rho(self, state: Any) -> Tensor:
        s_y, _, _, held = Rows.products(state)
        return torch.where(held, 1.0 / (s_y + 1e-10), 0.0)


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


class MovesTheReference(TextbookMemory):
    """An admitted pair moves the optimizer's w_ref."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        move.w_ref.copy_(torch.where(verdict.admitted.unsqueeze(1), move.w_bar, move.w_ref))
        return verdict


class StoresTheChangeOfTheAverage(TextbookMemory):
    """s = w_bar - w_ref, whatever s the pair generator made y for."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        return super().admit_(state, replace(move, s=move.w_bar - move.w_ref), y, operator)


class JudgesTheChangeOfTheAverage(TextbookMemory):
    """Refuses a pair whose s is shorter than a third of w_bar - w_ref."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        change = move.w_bar - move.w_ref
        where = move.where & (inner(move.s, move.s) * 9 > inner(change, change))
        return super().admit_(state, replace(move, where=where), y, operator)


class WritesIntoTheMask(TextbookMemory):
    """Takes refused runs out of the optimizer's mask."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        move.where.logical_and_(inner(move.s, move.s) < 3 * inner(y, y))
        return verdict


class IgnoresStrides(TextbookMemory):
    """Reads s as if it were contiguous."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        s = move.s.as_strided(move.s.shape, (move.s.shape[1], 1))
        return super().admit_(state, replace(move, s=s), y, operator)


class IgnoresTheOffset(TextbookMemory):
    """Reads y from the beginning of its storage."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        return super().admit_(state, move, y.as_strided(y.shape, y.stride(), 0), operator)


class AsksForGradients(TextbookMemory):
    """Turns autograd on for y."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        y.requires_grad_(True)
        verdict = super().admit_(state, move, y.detach(), operator)
        y.requires_grad_(False)
        return verdict


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.MEMORY: {
        "adds_to_the_curvature": AddsToTheCurvature,
        "threshold_on_curvature": ThresholdOnCurvature,
        "rayleigh_quotient_above_a_number": RayleighQuotientAboveANumber,
        "products_in_float32": ProductsInFloat32,
        "divides_by_subnormal_numbers": DividesBySubnormalNumbers,
        "forgets_small_rows": ForgetsSmallRows,
        "moves_the_reference": MovesTheReference,
        "writes_into_the_mask": WritesIntoTheMask,
        "stores_the_change_of_the_average": StoresTheChangeOfTheAverage,
        "judges_the_change_of_the_average": JudgesTheChangeOfTheAverage,
        "ignores_strides": IgnoresStrides,
        "ignores_the_offset": IgnoresTheOffset,
        "asks_for_gradients": AsksForGradients,
    }
}
