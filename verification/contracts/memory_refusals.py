"""What a memory refuses, and what a refused pair does to it: nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import BlockDiagonal, Displacement, Verdict
from adaqn_lab.protocols import Operator
from verification.compare import holds, same
from verification.contracts.memory_verdicts import products
from verification.law import Factory, Group, Subject, law
from verification.memory_streams import MemoryStream, StreamBench, memory_streams
from verification.parts import Array
from verification.textbook_memory import TextbookMemory, inner

SHARE = 0.15


def _unsound_in_one_tensor(s: Array, first: Array) -> list[tuple[str, Array, Array, bool]]:
    """The same of pairs of entries +-1, whose part in the ``first`` tensor (n,) alone is unsound."""
    kinds = (("y = -s", np.where(first, -s, s)), ("y = 0", np.where(first, 0, s)))
    return [(f"{kind} in one tensor, y = s in the other", s, y, True) for kind, y in kinds]


def _unsound(case: MemoryStream) -> list[tuple[str, Array, Array, bool]]:
    """Pairs which no memory may take as they are: what they are, s, y, and whether a repair may make one of them."""
    s, zero = case.v, np.zeros_like(case.v)
    first = np.arange(case.n) < case.cut
    hole = s.copy()
    hole[:, -1] = np.nan
    return [
        *(_unsound_in_one_tensor(np.sign(s), first) if case.cut else ()),
        ("y = -s", s, -s, True),
        ("y = 0", s, zero, True),
        ("a NaN in y", s, hole, False),
        ("y = inf", s, np.full_like(s, np.inf), False),
        ("a NaN in s", hole, s, False),
        ("s = 0", zero, s, True),
        ("s = y = 0", zero, zero, False),
    ]


def _bits(bench: StreamBench) -> dict[str, Tensor]:
    """H v, newest() and products()."""
    found = products(bench) or ()
    return {"H v": bench.apply(bench.case.v), **{f"newest()[{i}]": x for i, x in enumerate(bench.state.newest())}} | {
        f"products()[{i}]": x for i, x in enumerate(found)
    }


@law(
    name="memory-refuses",
    statement="a pair which is not finite, or s = y = 0, is refused; a refusal after an admission keeps every bit; so "
    "do runs outside `where`, whatever their rows hold",
    source="s'y > 0 makes H positive definite; a comparison with NaN is false and must reject. A skip is no operation; "
    "what several in a row mean is the memory's to say: it chooses what it evicts.",
    group=Group.CONTRACT,
    subject=Subject.MEMORY,
    kills=(
        "refusal_makes_room",
        "refusal_clears",
        "takes_the_size_of_s_y",
        "refuses_iff_it_is_less",
        "refusal_is_newest",
        "refused_by_one_tensor",
        "multiplies_by_the_mask",
        "admits_nan_beside_a_sound_tensor",
    ),
    share=SHARE,
    inputs=memory_streams(),
)
def memory_refuses(factory: Factory, case: MemoryStream) -> None:
    """Every unsound pair after the first pair, and when a memory is full; one of them to the memory itself.

    A pair may be unsound in one of two parameter tensors only.
    """
    case = replace(case, cut=case.seed % 2 * max(1, case.n // 3))
    bench, spared = StreamBench(factory, case), StreamBench(factory, case)
    clean = np.ones(case.runs, bool)
    for k in range(case.items):
        for one in (bench, spared):
            one.feed(k, case.masks[k])
        if k in (0, case.places[-2]):
            _spoil_where_nobody_asks(bench, k)
            clean &= ~_offer_all(bench, k)
    got, expected = bench.apply(case.v), spared.apply(case.v)
    same(got[clean], expected[clean], "H v of the runs which refused, at the end of the stream, against one without")
    H = bench.matrix()
    least = np.linalg.eigvalsh((H + H.transpose(0, 2, 1)) / 2)[:, 0]
    holds(
        bool((least > 0).all()), f"the smallest eigenvalue of each run's H at the end: {least.tolist()}, > 0 expected"
    )


def _spoil_where_nobody_asks(bench: StreamBench, k: int) -> None:
    """A window whose average is no number: its rows are NaN, and its runs are not in `where`."""
    before, nan = _bits(bench), np.full_like(bench.case.v, np.nan)
    with np.errstate(invalid="ignore"):
        verdict = bench.admit(nan, nan, np.zeros(bench.case.runs, bool))
    holds(not verdict.admitted.any(), "runs outside `where` were admitted")
    for name, x in _bits(bench).items():
        same(x, before[name], f"{name} after NaN in rows outside `where`, given after {k + 1} pairs")


def _offer_all(bench: StreamBench, k: int) -> Array:
    """Offer each unsound pair after item k, the last one for good; return which runs took that."""
    before, state = _bits(bench), bench.state
    offers = _unsound(bench.case)
    chosen = (bench.case.seed + k) % len(offers)
    for kind, s, y, may in (*offers[:chosen], *offers[chosen + 1 :], offers[chosen]):
        bench.state = copy.deepcopy(state)
        verdict = bench.admit(s, y, np.ones(bench.case.runs, bool))
        what = f"a pair with {kind}, offered after {k + 1} pairs"
        admitted: Array = verdict.admitted.numpy()
        holds(may or not admitted.any(), f"{what}, was admitted, s'y = {verdict.s_y.tolist()}")
        for name, x in _bits(bench).items():
            holds(x.isfinite().all(), f"{name} after {what}: {x.tolist()}, finite expected")
            same(x[~admitted], before[name][~admitted], f"{name} after {what}, and refused")
    bench.note(bench.now, verdict)
    return admitted


@law(
    name="memory-goes-on",
    statement="of pairs y = A s, 1/2 <= A <= 2, with y / 2^k at every other item k, it takes some, early and late",
    source="A full memory makes room; Liu & Nocedal 1989. Falling curvature: an update which only adds to H has work.",
    group=Group.CONTRACT,
    subject=Subject.MEMORY,
    kills=("takes_no_more_when_full", "never_admits"),
    share=SHARE,
    inputs=memory_streams(),
)
def memory_goes_on(factory: Factory, case: MemoryStream) -> None:
    """It need not take every pair, but some of each half."""
    bench, everyone = StreamBench(factory, case), np.ones(case.runs, bool)
    fall = 2.0 ** -(np.arange(case.items) * (np.arange(case.items) % 2))
    S, Y = case.pairs
    case.__dict__["pairs"] = S, (Y * fall[:, None]).astype(case.dtype)
    admitted = np.array([bench.feed(k, everyone).admitted.tolist() for k in range(case.items)])
    case.__dict__["pairs"] = S, Y
    for half, name in zip(np.array_split(admitted, 2), ("first", "second"), strict=True):
        text = f"{half.sum(0).tolist()} pairs of each run were admitted of the {len(half)} in the {name} half"
        holds(bool(half.any(0).all()), f"{text}, at least 1 expected: s'y >= |s|^2 / 2 and >= |y|^2 / 2 in all")


LAWS = (memory_refuses, memory_goes_on)


class RefusalMakesRoom(TextbookMemory):
    """The oldest pair of a full memory leaves before the test."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        full = state.count == self.capacity
        verdict = super().admit_(state, move, y, operator)
        state.count = state.count - (full & move.where & ~verdict.admitted).long()
        return verdict


class RefusalClears(TextbookMemory):
    """A pair of negative curvature drops all others."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        self.reset_(state, move.where & ~verdict.admitted & (verdict.s_y < 0))
        return verdict


class TakesTheSizeOfSy(TextbookMemory):
    """The test looks at |s'y|."""

    def accepts(self, s_y: Tensor, s_s: Tensor, y_y: Tensor) -> Tensor:
        return super().accepts(s_y.abs(), s_s, y_y)


class RefusesIffItIsLess(TextbookMemory):
    """Refuses iff s'y <= eps |s||y|: a NaN is let in."""

    def accepts(self, s_y: Tensor, s_s: Tensor, y_y: Tensor) -> Tensor:
        return ~(s_y <= 1e-8 * s_s.sqrt() * y_y.sqrt())


class RefusedByOneTensor(BlockDiagonal):
    """Refused where the first tensor has no positive curvature, whatever the others took."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        s_y = inner(move.s[:, : state.lengths[0]], y[:, : state.lengths[0]])
        return replace(verdict, admitted=verdict.admitted & (s_y > 0))


class AdmitsNanBesideASoundTensor(BlockDiagonal):
    """Each tensor judges its own part, and a NaN in another one is not its concern."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        s_y, s_s, y_y = (inner(a, b) for a, b in ((move.s, y), (move.s, move.s), (y, y)))
        s, clean = (torch.nan_to_num(x, 0.0, 0.0, 0.0) for x in (move.s, y))
        admitted = super().admit_(state, replace(move, s=s), clean, operator).admitted
        return Verdict(admitted, s_y, s_s, y_y)


class MultipliesByTheMask(TextbookMemory):
    """new mask + old (1 - mask): a NaN outside `where` comes in."""

    def push_(self, state: Any, s: Tensor, y: Tensor, where: Tensor) -> None:
        for name, x in (("s", s), ("y", y)):
            old, mask = getattr(state, name), where.to(x.dtype).view(-1, 1, 1)
            setattr(state, name, torch.cat([old[:, 1:], x.unsqueeze(1)], 1) * mask + old * (1 - mask))
        state.count = (state.count + where).clamp_(max=self.capacity)


class RefusalIsNewest(TextbookMemory):
    """A refused pair is written over the newest row."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        lost = (move.where & ~verdict.admitted & (verdict.s_y == 0)).unsqueeze(1)
        state.s = torch.cat([state.s[:, :-1], torch.where(lost, 1.0, state.s[:, -1]).unsqueeze(1)], 1)
        return verdict


class TakesNoMoreWhenFull(TextbookMemory):
    """A full memory refuses."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        room = move.where & (state.count < self.capacity)
        return super().admit_(state, Displacement(move.s, move.w_bar, move.w_ref, room), y, operator)


class NeverAdmits(TextbookMemory):
    """The comparison is the wrong way round."""

    def accepts(self, s_y: Tensor, s_s: Tensor, y_y: Tensor) -> Tensor:
        return ~super().accepts(s_y, s_s, y_y)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.MEMORY: {
        "refusal_makes_room": RefusalMakesRoom,
        "refusal_clears": RefusalClears,
        "takes_the_size_of_s_y": TakesTheSizeOfSy,
        "refuses_iff_it_is_less": RefusesIffItIsLess,
        "refusal_is_newest": RefusalIsNewest,
        "multiplies_by_the_mask": MultipliesByTheMask,
        "admits_nan_beside_a_sound_tensor": AdmitsNanBesideASoundTensor,
        "refused_by_one_tensor": RefusedByOneTensor,
        "takes_no_more_when_full": TakesNoMoreWhenFull,
        "never_admits": NeverAdmits,
    }
}
