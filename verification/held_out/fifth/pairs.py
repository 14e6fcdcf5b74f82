"""Pair generators: wrong ones, and unusual ones that are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import HessianDifference
from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.linalg import dot
from adaqn_lab.pairs import Mean
from adaqn_lab.pairs.normalisation import Normalisation
from adaqn_lab.protocols import Displacement, Need, OracleLike, Sample, Step
from adaqn_lab.space import Space
from verification.law import Subject


@dataclass
class Kept:
    """``rows`` (R, m, n) of gradients; ``pushes`` (R,): how many were ever written, the next goes to pushes mod m."""

    rows: Tensor
    pushes: Tensor

    def push_(self, g: Tensor, where: Tensor) -> None:
        """Write g over the oldest row of the runs in ``where``."""
        slots = torch.arange(self.rows.shape[1], device=g.device)
        here = (slots == (self.pushes % self.rows.shape[1]).unsqueeze(1)) & where.unsqueeze(1)
        self.rows = torch.where(here.unsqueeze(2), g.unsqueeze(1), self.rows)
        self.pushes = self.pushes + where.long()

    def held(self) -> Tensor:
        """(R, m) float64: 1 for the rows that hold a gradient."""
        slots = torch.arange(self.rows.shape[1], device=self.rows.device)
        return (slots < self.pushes.unsqueeze(1)).double()

    def count(self) -> Tensor:
        """(R,): how many are held, 1 at least."""
        return self.pushes.clamp(min=1, max=self.rows.shape[1])


@dataclass(frozen=True, kw_only=True)
class ProductOfSums(PairGeneratorBase):
    """The sum over i is taken in each factor: y = c (sum g_i)(sum g_i's), the outer product of the mean gradient."""

    window: int = 12
    normalisation: Normalisation = Mean()

    declares: ClassVar[frozenset[str]] = frozenset({"fisher"})

    def init(self, space: Space) -> Kept:
        return Kept(space.zeros(self.window), space.counts())

    def observe_(self, state: Kept, step: Step) -> None:
        state.push_(step.g, step.where)

    def pair_(self, state: Kept, move: Displacement, oracle: OracleLike) -> Tensor:
        total = (state.rows.double() * state.held().unsqueeze(2)).sum(1)
        along = (total * move.s.double()).sum(1)
        factor = self.normalisation.factor(state.count())
        return (total * (factor * along).unsqueeze(1)).to(move.s.dtype)

    def reset_(self, state: Kept, where: Tensor) -> None:
        state.pushes = state.pushes.masked_fill(where, 0)


@dataclass
class LastGradient:
    """``w``, ``g`` (R, n): the last average and its gradient; ``known`` (R,)."""

    w: Tensor
    g: Tensor
    known: Tensor


@dataclass(frozen=True, kw_only=True)
class TelescopingDifference(PairGeneratorBase):
    """Where w_ref is the last average, g(w_ref) is the one of the last window, which was taken on another batch."""

    sample: Sample = Sample.BATCH
    shift: float = 0.0

    declares: ClassVar[frozenset[str]] = frozenset({"difference"})

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({self.sample.value})

    def init(self, space: Space) -> LastGradient:
        return LastGradient(space.zeros(), space.zeros(), space.mask(False))

    def pair_(self, state: LastGradient, move: Displacement, oracle: OracleLike) -> Tensor:
        new = oracle.gradient(move.w_bar, self.sample)
        old = oracle.gradient(move.w_ref, self.sample)
        same = state.known & (state.w == move.w_ref).all(dim=1)
        old = torch.where(same.unsqueeze(1), state.g, old)
        state.w, state.g, state.known = move.w_bar.clone(), new.clone(), torch.ones_like(state.known)
        return new - old + self.shift * move.s

    def reset_(self, state: LastGradient, where: Tensor) -> None:
        state.known = state.known & ~where


@dataclass
class Ring:
    """``rows`` (R, m, n); ``place`` (R,): the slot to write next; ``filled`` (R,): how many are held."""

    rows: Tensor
    place: Tensor
    filled: Tensor


@dataclass(frozen=True, kw_only=True)
class HeadSurvivesReset(PairGeneratorBase):
    """A reset puts the count to 0 but not the slot to write: then the first slots, of before it, count as held."""

    window: int = 10

    def init(self, space: Space) -> Ring:
        return Ring(space.zeros(self.window), space.counts(), space.counts())

    def observe_(self, state: Ring, step: Step) -> None:
        slots = torch.arange(self.window, device=step.g.device)
        here = (slots == state.place.unsqueeze(1)) & step.where.unsqueeze(1)
        state.rows = torch.where(here.unsqueeze(2), step.g.unsqueeze(1), state.rows)
        state.place = (state.place + step.where.long()) % self.window
        state.filled = (state.filled + step.where.long()).clamp(max=self.window)

    def pair_(self, state: Ring, move: Displacement, oracle: OracleLike) -> Tensor:
        held = torch.arange(self.window, device=move.s.device) < state.filled.unsqueeze(1)
        products = torch.einsum("rmn,rn->rm", state.rows.double(), move.s.double())
        products = torch.where(held, products, 0.0) / state.filled.clamp(min=1).unsqueeze(1)
        return torch.einsum("rm,rmn->rn", products, state.rows.double()).to(move.s.dtype)

    def reset_(self, state: Ring, where: Tensor) -> None:
        state.filled = torch.where(where, 0, state.filled)


@dataclass
class Codes:
    """``codes`` (R, m, n) int8; ``scale`` (R, m): what a code of 127 stands for; ``pushes`` (R,)."""

    codes: Tensor
    scale: Tensor
    pushes: Tensor


@dataclass(frozen=True, kw_only=True)
class EightBitFisher(PairGeneratorBase):
    """Gradients are kept in 8 bits, in units of the largest entry of all runs, which takes the small runs' digits."""

    window: int = 16

    def init(self, space: Space) -> Codes:
        return Codes(space.zeros(self.window, dtype=torch.int8), space.scalars(self.window), space.counts())

    def observe_(self, state: Codes, step: Step) -> None:
        largest = step.g.abs().max().double().clamp(min=1e-300)
        code = (step.g.double() / largest * 127).round().to(torch.int8)
        slots = torch.arange(self.window, device=step.g.device)
        here = (slots == (state.pushes % self.window).unsqueeze(1)) & step.where.unsqueeze(1)
        state.codes = torch.where(here.unsqueeze(2), code.unsqueeze(1), state.codes)
        state.scale = torch.where(here, largest / 127, state.scale)
        state.pushes = state.pushes + step.where.long()

    def pair_(self, state: Codes, move: Displacement, oracle: OracleLike) -> Tensor:
        held = torch.arange(self.window, device=move.s.device) < state.pushes.unsqueeze(1)
        rows = state.codes.double() * torch.where(held, state.scale, 0.0).unsqueeze(2)
        products = torch.einsum("rmn,rn->rm", rows, move.s.double())
        count = state.pushes.clamp(min=1, max=self.window).unsqueeze(1)
        return torch.einsum("rm,rmn->rn", products / count, rows).to(move.s.dtype)

    def reset_(self, state: Codes, where: Tensor) -> None:
        state.pushes = state.pushes.masked_fill(where, 0)


@dataclass
class Waiting:
    """The gradients ``kept``; the newest (R, n) is not yet among them for the runs which are ``waiting`` (R,)."""

    kept: Kept
    newest: Tensor
    waiting: Tensor


@dataclass(frozen=True, kw_only=True)
class LazyFisher(PairGeneratorBase):
    """A gradient is stored at the next step, if its run takes part in that: a skipped step costs the one before it."""

    window: int = 20

    def init(self, space: Space) -> Waiting:
        return Waiting(Kept(space.zeros(self.window), space.counts()), space.zeros(), space.mask(False))

    def observe_(self, state: Waiting, step: Step) -> None:
        state.kept.push_(state.newest, state.waiting & step.where)
        state.newest, state.waiting = step.g.clone(), step.where.clone()

    def pair_(self, state: Waiting, move: Displacement, oracle: OracleLike) -> Tensor:
        kept = state.kept
        products = torch.einsum("rmn,rn->rm", kept.rows.double(), move.s.double()) * kept.held()
        products = products / kept.count().unsqueeze(1)
        return torch.einsum("rm,rmn->rn", products, kept.rows.double()).to(move.s.dtype)

    def reset_(self, state: Waiting, where: Tensor) -> None:
        state.kept.pushes = state.kept.pushes.masked_fill(where, 0)
        state.waiting = state.waiting & ~where


class SquaredLength(HessianDifference):
    """The quotient has |s|^2 where |s| belongs: y = (g(w + t s) - g(w - t s)) |s|^2 / (2 radius), right for |s| = 1."""

    declares: ClassVar[frozenset[str]] = frozenset({"hessian difference"})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        s_s = dot(move.s, move.s).to(move.s.dtype).unsqueeze(1)
        offset = move.s * torch.where(s_s > 0, self.radius / s_s.sqrt(), 0.0)
        up = oracle.gradient(move.w_bar + offset, Sample.CURVATURE)
        down = oracle.gradient(move.w_bar - offset, Sample.CURVATURE)
        return (up - down) * (s_s / (2.0 * self.radius))


@dataclass
class Windows:
    """``windows`` (R,): how many windows made a pair."""

    windows: Tensor


@dataclass(frozen=True)
class BlendedHessian(PairGeneratorBase):
    """Windows are counted between the two products: where the second raised, the pair asked for again is another."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})

    def init(self, space: Space) -> Windows:
        return Windows(space.counts())

    def pair_(self, state: Windows, move: Displacement, oracle: OracleLike) -> Tensor:
        new = oracle.hessian_vector(move.w_bar, move.s)
        state.windows = state.windows + move.where.long()
        share = (1.0 / (1.0 + state.windows.double())).to(new.dtype).unsqueeze(1)
        old = oracle.hessian_vector(move.w_ref, move.s)
        return share * old + (1.0 - share) * new

    def reset_(self, state: Windows, where: Tensor) -> None:
        state.windows = state.windows.masked_fill(where, 0)


@dataclass(frozen=True, kw_only=True)
class FisherInDouble(PairGeneratorBase):
    """Right: the Fisher product by sums over a masked tensor in float64, without a ring's head."""

    window: int = 15
    normalisation: Normalisation = Mean()

    declares: ClassVar[frozenset[str]] = frozenset({"fisher"})

    def init(self, space: Space) -> Kept:
        return Kept(space.zeros(self.window), space.counts())

    def observe_(self, state: Kept, step: Step) -> None:
        state.push_(step.g, step.where)

    def pair_(self, state: Kept, move: Displacement, oracle: OracleLike) -> Tensor:
        rows = state.rows.double()
        products = torch.einsum("rmn,rn->rm", rows, move.s.double()) * state.held()
        products = products * self.normalisation.factor(state.count()).unsqueeze(1)
        return torch.einsum("rm,rmn->rn", products, rows).to(move.s.dtype)

    def reset_(self, state: Kept, where: Tensor) -> None:
        state.pushes = state.pushes.masked_fill(where, 0)


@dataclass(frozen=True)
class HessianAlongUnit(PairGeneratorBase):
    """Right: the product with the unit vector along s, times |s|, which is the same since the Hessian is linear."""

    declares: ClassVar[frozenset[str]] = frozenset({"hessian"})
    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        length = torch.linalg.vector_norm(move.s, dim=1, keepdim=True)
        sound = torch.isfinite(length) & (length > 0)
        length = torch.where(sound, length, 1.0)
        return oracle.hessian_vector(move.w_bar, move.s / length) * length


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {
        "sum_taken_in_each_factor": ProductOfSums,
        "reference_gradient_of_the_last_batch": TelescopingDifference,
        "reset_leaves_the_slot_to_write": HeadSurvivesReset,
        "unit_of_the_largest_run": EightBitFisher,
        "pending_gradient_lost_at_a_skip": LazyFisher,
        "squared_length_in_the_quotient": SquaredLength,
        "windows_counted_between_two_products": BlendedHessian,
    }
}
HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {"fisher_in_double": FisherInDouble, "hessian_along_the_unit_vector": HessianAlongUnit}
}
