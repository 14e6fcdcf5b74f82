"""What a memory tells of its pairs: verdicts, newest() and products()."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Displacement, Space, Verdict
from adaqn_lab.protocols import Operator
from verification.compare import close, holds, same
from verification.law import Factory, Group, Subject, law
from verification.memory_streams import MemoryStream, StreamBench, memory_streams
from verification.parts import Array, capacity_of
from verification.textbook_memory import Four, Rows, TextbookMemory
from verification.tolerances import TOLERANCES

SHARE = 0.15
TIMES = (1.0, 0.5, 2.0)
COSINES = (0.05, 1e-3, 1e-5)
"""Of pairs whose s'y is positive and small."""
SCALARS = ("s'y", "s's", "y'y")


def _verdict_is_whole(bench: StreamBench, verdict: Verdict, where: Array) -> None:
    """Shapes and types, and the mask."""
    holds(verdict.admitted.dtype is torch.bool, f"`admitted` is {verdict.admitted.dtype}, bool expected")
    for name, x in zip(SCALARS, (verdict.s_y, verdict.s_s, verdict.y_y), strict=True):
        holds(x.dtype is torch.float64, f"the verdict's {name} is {x.dtype}, float64 expected")
        shape = (len(bench.rows),)
        holds(x.shape == shape, f"the verdict's {name} has shape {tuple(x.shape)}, {shape} expected")
    outside = verdict.admitted.numpy() & ~where
    holds(not outside.any(), f"runs {np.flatnonzero(outside).tolist()} were admitted, which nobody asked about")


@law(
    name="memory-tells-the-pair",
    statement="y = t H0^-1 s, t = 1, 1/2 or 2, H0 near I, s = w_bar - w_ref: one of them is admitted, and told as it "
    "is: s'y : s's : y'y, in float64; so is (s, -y), which is refused",
    source="H nearly meets H y = s: no damping and no cautious test has a reason to touch such a pair. An update of "
    "rank one has nothing to add for t = 1, and one which stays positive takes t < 1 or t > 1 only.",
    group=Group.CONTRACT,
    subject=Subject.MEMORY,
    tolerance="linear",
    kills=(
        "tells_the_cosine",
        "tells_s_s_for_y_y",
        "takes_the_average_for_s",
        "measures_the_average",
        "never_admits",
        "tells_the_pair_before",
    ),
    unless=("regularised", "rounded pairs", "repairs"),
    share=SHARE,
    inputs=memory_streams(),
)
def memory_tells_the_pair(factory: Factory, case: MemoryStream) -> None:
    """The events report what is told, and scalings are made of it."""
    bench, everyone = StreamBench(factory, case), np.ones(case.runs, bool)
    S = case.pairs[0][:, 0]
    Y = (S / case.h0.astype(np.float64)).astype(case.dtype)
    where = case.masks[1]
    _verdict_is_whole(bench, bench.admit(S, Y, where), where)
    admitted = np.zeros(case.runs, bool)
    for t in TIMES:
        bench.reset(everyone)
        told = bench.admit(S, (t * Y).astype(case.dtype), everyone)
        yes = told.admitted.numpy()
        _told_as_it_is(case, told, yes, S.astype(np.float64), t * Y.astype(np.float64))
        admitted |= yes
    refused = bench.admit(S, -Y, everyone)
    no = ~refused.admitted.numpy()
    _told_as_it_is(case, refused, no, S.astype(np.float64), -Y.astype(np.float64))
    what = f"pairs with y = t s / h0, t in {TIMES}, h0 from {case.h0.min():.3g} to {case.h0.max():.3g}"
    holds(bool(admitted.all()), f"{what}: one admitted in the runs {admitted.tolist()}, all expected")


def _told_as_it_is(case: MemoryStream, told: Verdict, runs: Array, s: Array, y: Array) -> None:
    """Compare with the pairs (s, y) of those runs; (t s, t y) is the same pair in another unit."""
    bound = 2 * TOLERANCES["linear"](case.dtype, n=case.n)  # a quotient of two sums of positive numbers
    expected = [(a * b).sum(1) for a, b in ((s, y), (s, s), (y, y))]
    for name, got, want in zip(SCALARS, (told.s_y, told.s_s, told.y_y), expected, strict=True):
        text = f"{name} / s'y as the verdict tells it (a memory which changes every pair declares 'repairs')"
        ratio = (want / expected[0])[runs]
        close((got / told.s_y)[runs], ratio, bound * np.abs(ratio), text)


@law(
    name="memory-curvature",
    statement="newest() exists iff a pair was admitted since the reset; products() are > 0, the newest among them",
    source="adaqn_lab.protocols: Curvature. Scalings read both, whatever the memory is.",
    group=Group.CONTRACT,
    subject=Subject.MEMORY,
    kills=("products_with_every_slot", "newest_of_a_refused_pair", "newest_is_nan_without_pairs"),
    share=SHARE,
    inputs=memory_streams(),
)
def memory_curvature(factory: Factory, case: MemoryStream) -> None:
    """Through masks, past twice the capacity, and a reset of some runs on the way."""
    bench, admitted = StreamBench(factory, case), np.zeros(case.runs, np.int64)
    room = capacity_of(bench.part) != 0
    for k in range(case.items):
        if k == case.items // 2:
            bench.reset(case.masks[2])
            admitted[case.masks[2]] = 0
        admitted += bench.feed(k, case.masks[k]).admitted.numpy()
        *newest, exists = bench.state.newest()
        same(exists, (admitted > 0) & room, f"whether there is a newest pair after item {k}")
        for name, x in zip(SCALARS, newest, strict=True):
            expected = torch.where(exists, x.abs(), 1.0)
            holds(
                (x.isfinite() & (x > 0)).all(), f"newest {name} after item {k}: {x.tolist()}, finite and > 0 expected"
            )
            same(x, expected, f"newest {name} after item {k}, ones where there is no pair")
        _lists_the_newest(bench, newest, exists, admitted)


def products(bench: StreamBench) -> Four | None:
    """The answer of ``products``, or None of a memory which keeps no list."""
    try:
        found: Four = bench.state.products()
    except TypeError:
        return None
    return found


def _lists_the_newest(bench: StreamBench, newest: list[Tensor], exists: Tensor, admitted: Array) -> None:
    found = products(bench)
    if found is None:
        return
    *values, held = found
    count = held.sum(1).numpy()
    holds(bool((count <= admitted).all()), f"products() hold {count.tolist()} pairs, {admitted.tolist()} were admitted")
    for name, x in zip(SCALARS, values, strict=True):
        holds((x.isfinite() & (x > 0)).all(), f"products() tell {name} = {x.tolist()}, finite and > 0 expected")
        same(torch.where(held, 1.0, x), torch.ones_like(x), f"{name} of products(), ones where nothing is held")
    same(held.any(1), exists, "whether products() hold a pair, against newest()")
    if held.shape[1]:
        equal = torch.stack([x == new.unsqueeze(1) for x, new in zip(values, newest, strict=True)]).all(0) & held
        same(equal.any(1), exists, "whether the newest pair is one of products(), all three numbers")


@law(
    name="memory-holds-what-it-told",
    statement="every pair of products(), and newest(), has s'y : s's : y'y of a verdict, the newest that of the last",
    source="A scaling which reads them must see the pairs that the events report.",
    group=Group.CONTRACT,
    subject=Subject.MEMORY,
    tolerance="linear",
    kills=("newest_is_the_oldest_row", "products_tell_s_s_for_y_y", "newest_of_a_refused_pair", "newest_was_positive"),
    unless=("soft secant", "spanned", "blocks", "repairs"),
    share=SHARE,
    inputs=memory_streams(),
)
def memory_holds_what_it_told(factory: Factory, case: MemoryStream) -> None:
    """Nothing else is known of what it holds; the last pairs are such as tests refuse, each with its own bound."""
    bench, bound = StreamBench(factory, case), 2 * TOLERANCES["linear"](case.dtype, n=case.n)
    for k in range(case.items):
        bench.feed(k, case.masks[k])
        _newest_was_told(bench, bound, f"item {k}")
    found = products(bench)
    if found is not None and found[3].shape[1]:
        values, held = torch.stack(found[:3], 2).numpy(), found[3].numpy()
        for row, verdicts in enumerate(bench.told):
            told = np.array([x[1:] for x in verdicts]).reshape(-1, 3)
            _are_of(_ratios(values[row][held[row]]), _ratios(told), bound, row)
    for cosine in COSINES:
        bench.note(case.items, bench.admit(*_thin(case, cosine), np.ones(case.runs, bool)))
        _newest_was_told(bench, bound / cosine, f"a pair of cosine {cosine}")


def _newest_was_told(bench: StreamBench, bound: float, what: str) -> None:
    *newest, exists = bench.state.newest()
    for run in np.flatnonzero(exists.numpy()):
        told, got = _ratios(np.array(bench.told[run][-1][1:])), _ratios(np.array([float(x[run]) for x in newest]))
        text = f"newest() of run {run} after {what}, in units of its s'y, against the last verdict"
        close(got, told, bound * told.max(), text)


def _thin(case: MemoryStream, cosine: float) -> tuple[Array, Array]:
    """s and y, each (R, n), of one length and this cosine."""
    s, other = (x.astype(np.float64) for x in case.vectors)
    other -= (other * s).sum(1, keepdims=True) / (s * s).sum(1, keepdims=True) * s
    other *= np.linalg.norm(s, axis=1, keepdims=True) / np.linalg.norm(other, axis=1, keepdims=True)
    y = cosine * s + np.sqrt(1 - cosine**2) * other
    return s.astype(case.dtype), y.astype(case.dtype)


def _ratios(products: Array) -> Array:
    """(s'y, s's, y'y) / s'y: (t s, t y) is the same pair in another unit."""
    result: Array = products / products[..., :1]
    return result


def _are_of(held: Array, told: Array, bound: float, run: int) -> None:
    """Every row of ``held`` is a row of ``told``."""
    near = (np.abs(held - told[:, None]) <= bound * told.max(1, keepdims=True)[:, None]).all(2)
    text = f"products() of run {run} tell (s'y, s's, y'y) / s'y = {held.tolist()}, the verdicts {told.tolist()}"
    holds(bool(near.any(0).all()), text)


LAWS = (memory_tells_the_pair, memory_curvature, memory_holds_what_it_told)


class TellsTheCosine(TextbookMemory):
    """The verdict tells s'y of unit vectors."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        return replace(verdict, s_y=verdict.s_y / (verdict.s_s * verdict.y_y).sqrt())


class TellsThePairBefore(TextbookMemory):
    """Of a refused pair the verdict tells the products of the newest that is held."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        *held, exists = state.newest()
        old = exists & ~verdict.admitted
        own = (verdict.s_y, verdict.s_s, verdict.y_y)
        return Verdict(verdict.admitted, *(torch.where(old, a, b) for a, b in zip(held, own, strict=True)))


class TellsSsForYy(TextbookMemory):
    """y'y in the place of s's, and the other way round."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        return replace(verdict, s_s=verdict.y_y, y_y=verdict.s_s)


class TakesTheAverageForS(TextbookMemory):
    """s is w_bar: right while the reference is the origin."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        return super().admit_(state, replace(move, s=move.w_bar), y, operator)


class MeasuresTheAverage(TextbookMemory):
    """s's is |w_bar|^2."""

    def products(self, move: Displacement, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        s_y, _, y_y = super().products(move, y)
        return s_y, move.w_bar.double().square().sum(1), y_y


@dataclass
class _EverySlot(Rows):
    """Says of every row that it is held, once one is."""

    def products(self) -> Four:
        a, b, c, held = super().products()
        return a, b, c, held | held.any(1, keepdim=True)

    def newest(self) -> Four:
        a, b, c, held = (x[:, -1].clone() for x in Rows.products(self))
        return a, b, c, held


@dataclass
class _OldestRow(_EverySlot):
    """newest() answers with the oldest pair."""

    def products(self) -> Four:
        return Rows.products(self)

    def newest(self) -> Four:
        row = (self.s.shape[1] - self.count).clamp(max=self.s.shape[1] - 1).unsqueeze(1)
        a, b, c, held = (x.gather(1, row).squeeze(1) for x in self.products())
        return a, b, c, held


@dataclass
class _Swapped(_EverySlot):
    """products() has y'y in the place of s's."""

    def products(self) -> Four:
        a, b, c, held = Rows.products(self)
        return a, c, b, held


@dataclass
class _NaNRows(_EverySlot):
    """newest() divides by the number of pairs."""

    def products(self) -> Four:
        return Rows.products(self)

    def newest(self) -> Four:
        a, b, c, held = super().newest()
        return a * (self.count / self.count), b, c, held


@dataclass
class _Tried(Rows):
    """``tried`` (3, R): the products of the pair that was offered last, admitted or not."""

    tried: Tensor

    def newest(self) -> Four:
        *_, held = super().newest()
        a, b, c = torch.where(held, self.tried, 1.0)
        return a, b, c, held


class _With(TextbookMemory):
    """A memory whose state is of another kind."""

    kind: type = Rows

    def init(self, space: Space) -> Any:
        return self.kind(**vars(super().init(space)))


class ProductsWithEverySlot(_With):
    """products() lists slots that hold nothing."""

    kind = _EverySlot


class NewestIsTheOldestRow(_With):
    """newest() is the oldest."""

    kind = _OldestRow


class ProductsTellSsForYy(_With):
    """products() confuses s's and y'y."""

    kind = _Swapped


class NewestIsNaNWithoutPairs(_With):
    """0 / 0 where there is no pair."""

    kind = _NaNRows


class NewestOfARefusedPair(TextbookMemory):
    """newest() tells the pair that was tried last."""

    def init(self, space: Space) -> Any:
        return _Tried(**vars(super().init(space)), tried=torch.ones(3, space.runs, dtype=torch.float64))

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        state.tried = torch.stack([verdict.s_y, verdict.s_s, verdict.y_y]) + 0 * move.where
        return verdict


class NewestWasPositive(NewestOfARefusedPair):
    """newest() tells the last pair with s'y > 0, also where it was refused for its cosine."""

    def accepts(self, s_y: Tensor, s_s: Tensor, y_y: Tensor) -> Tensor:
        return super().accepts(s_y, s_s, y_y) & (s_y > 0.1 * (s_s * y_y).sqrt())

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        before = state.tried
        verdict = super().admit_(state, move, y, operator)
        usable = move.where & (verdict.s_y > 0) & state.tried.isfinite().all(0)
        state.tried = torch.where(usable, state.tried, before)
        return verdict


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.MEMORY: {
        "newest_was_positive": NewestWasPositive,
        "tells_the_cosine": TellsTheCosine,
        "tells_s_s_for_y_y": TellsSsForYy,
        "tells_the_pair_before": TellsThePairBefore,
        "takes_the_average_for_s": TakesTheAverageForS,
        "measures_the_average": MeasuresTheAverage,
        "products_with_every_slot": ProductsWithEverySlot,
        "newest_of_a_refused_pair": NewestOfARefusedPair,
        "newest_is_nan_without_pairs": NewestIsNaNWithoutPairs,
        "newest_is_the_oldest_row": NewestIsTheOldestRow,
        "products_tell_s_s_for_y_y": ProductsTellSsForYy,
    }
}
