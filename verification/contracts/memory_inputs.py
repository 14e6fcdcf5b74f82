"""What a memory may not depend on: the origin, how its vectors lie in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Displacement, Verdict
from adaqn_lab.protocols import Operator
from verification.compare import close, same
from verification.contracts.memory_scale import SHARE, STREAMS, Expected
from verification.law import Factory, Group, Property, Subject, law
from verification.memory_streams import MemoryStream, StreamBench
from verification.parts import Array, displacement, tensor
from verification.textbook_memory import TextbookMemory, inner

REPAIRS = Property("repairs", "It changes pairs which need no repair. Not held to laws on the pair as it was given.")


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
    reference = Expected(plain)
    for name, bench in benches.items():
        reference.check(bench.apply(case.v), f"H v with pairs given as {name}")
    reference.check(plain.operator.apply_(_strided(tensor(case.v))), "H v for v as a strided view")
    if plain.part.invertible:
        v, size = tensor(case.v), np.linalg.norm(np.linalg.inv(plain.matrix()), 2, axis=(1, 2)) ** 2
        got = plain.part.solve_(plain.state, _strided(v), plain.h0())
        close(got, plain.solve_for(v), reference.atol * size[:, None], "B v for v as a strided view")


LAWS = (memory_origin, memory_layout)


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
        "moves_the_reference": MovesTheReference,
        "writes_into_the_mask": WritesIntoTheMask,
        "stores_the_change_of_the_average": StoresTheChangeOfTheAverage,
        "judges_the_change_of_the_average": JudgesTheChangeOfTheAverage,
        "ignores_strides": IgnoresStrides,
        "ignores_the_offset": IgnoresTheOffset,
        "asks_for_gradients": AsksForGradients,
    }
}
