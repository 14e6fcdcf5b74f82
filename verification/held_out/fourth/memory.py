"""Memory policies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab.bases import MemoryBase
from adaqn_lab.history import History
from adaqn_lab.linalg import dot
from adaqn_lab.memory import AggregatedWindow, PowellH, Repaired, Window
from adaqn_lab.memory.admission import judge
from adaqn_lab.memory.curvature_tests import CautiousCosine
from adaqn_lab.memory.repairs import Repair
from adaqn_lab.protocols import Displacement, InitialMatrix, Operator, Verdict
from adaqn_lab.space import Space
from verification.law import Subject


@dataclass
class Held:
    """``s``, ``y`` (R, m, n), newest last; ``told`` (R, m, 3): s'y, s's, y'y; ``count`` (R,)."""

    s: Tensor
    y: Tensor
    told: Tensor
    count: Tensor

    def held(self) -> Tensor:
        m = self.s.shape[1]
        return torch.arange(m, device=self.count.device) >= m - self.count.unsqueeze(1)

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        exists = self.count > 0
        s_y, s_s, y_y = torch.where(exists.unsqueeze(1), self.told[:, -1], 1.0).unbind(1)
        return s_y, s_s, y_y, exists

    def products(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        held = self.held()
        s_y, s_s, y_y = torch.where(held.unsqueeze(2), self.told, 1.0).unbind(2)
        return s_y, s_s, y_y, held


def _inner(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(1, keepdim=True)


@dataclass(frozen=True, kw_only=True)
class ShiftedRows(MemoryBase):
    """Right: the last pairs in rows that shift, the two loops and the BFGS sums of B in float64, a strict test."""

    capacity: int = 5
    test: CautiousCosine = CautiousCosine(eps=1e-3)

    invertible: ClassVar[bool] = True

    def init(self, space: Space) -> Any:
        m = self.capacity
        return Held(space.zeros(m), space.zeros(m), space.scalars(m, 3), space.counts())

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = judge(move, y, self.test)
        self._store_(state, move.s, y, verdict)
        return verdict

    def _store_(self, state: Any, s: Tensor, y: Tensor, verdict: Verdict) -> None:
        told = torch.stack([verdict.s_y, verdict.s_s, verdict.y_y], 1)
        where = verdict.admitted.view(-1, 1, 1)
        for name, row in (("s", s), ("y", y), ("told", told)):
            rows = getattr(state, name)
            setattr(state, name, torch.where(where, torch.cat([rows[:, 1:], row.unsqueeze(1)], 1), rows))
        state.count = (state.count + verdict.admitted.long()).clamp(max=self.capacity)

    def _rows(self, state: Any) -> list[tuple[Tensor, Tensor, Tensor]]:
        """(s, y, 1 / s'y) oldest first in float64, zero where nothing is held."""
        held = state.held().unsqueeze(2)
        s, y = (torch.where(held, rows, 0.0).double() for rows in (state.s, state.y))
        rho = [torch.where(ok, 1.0 / _inner(a, b), 0.0) for a, b, ok in zip(*map(_unbind, (s, y, held)), strict=True)]
        return list(zip(s.unbind(1), y.unbind(1), rho, strict=True))

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        rows, q, alphas = self._rows(state), v.double(), []
        for s, y, rho in reversed(rows):
            alphas.append(rho * _inner(s, q))
            q = q - alphas[-1] * y
        r = h0.apply_(q.to(v.dtype)).double()
        for (s, y, rho), alpha in zip(rows, reversed(alphas), strict=True):
            r = r + (alpha - rho * _inner(y, r)) * s
        return r.to(v.dtype)

    def solve_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        known: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        for s, y, rho in self._rows(state):
            b = _bfgs(known, s, h0, v.dtype)
            known.append((b, _safe(_inner(s, b)), y, rho))
        return _bfgs(known, v.double(), h0, v.dtype).to(v.dtype)

    def reset_(self, state: Any, where: Tensor) -> None:
        state.count = state.count.masked_fill(where, 0)


def _unbind(rows: Tensor) -> tuple[Tensor, ...]:
    return rows.unbind(1)


def _safe(x: Tensor) -> Tensor:
    """1 / x, zero where there is nothing."""
    return torch.where(x > 0, 1.0 / x, 0.0)


def _bfgs(known: list[tuple[Tensor, ...]], v: Tensor, h0: InitialMatrix, dtype: torch.dtype) -> Tensor:
    """B v = B0 v - sum b (b'v) / s'b + sum y (y'v) / s'y."""
    product = h0.solve_(v.to(dtype, copy=True)).double()
    for b, share, y, rho in known:
        product = product - b * (share * _inner(b, v)) + y * (rho * _inner(y, v))
    return product


@dataclass(frozen=True, kw_only=True)
class DavidonRows(ShiftedRows):
    """Right: the DFP matrix of the pairs held, by the products W H W' + s s' / s'y with W = I - a y' / y'a, a = H y."""

    capacity: int = 4
    test: CautiousCosine = CautiousCosine(eps=1e-2)

    invertible: ClassVar[bool] = False

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        known: list[tuple[Tensor, ...]] = []
        for s, y, rho in self._rows(state):
            a = self._product(known, y, h0, v.dtype)
            known.append((s, y, rho, a, _safe(_inner(y, a))))
        return self._product(known, v.double(), h0, v.dtype).to(v.dtype)

    def _product(self, known: list[tuple[Tensor, ...]], v: Tensor, h0: InitialMatrix, dtype: torch.dtype) -> Tensor:
        q, along = v, []
        for s, y, rho, a, share in reversed(known):
            along.append(rho * _inner(s, q))
            q = q - y * (share * _inner(a, q))
        r = h0.apply_(q.to(dtype, copy=True)).double()
        for (s, y, _, a, share), part in zip(known, reversed(along), strict=True):
            r = r - a * (share * _inner(y, r)) + s * part
        return r

    def solve_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        return MemoryBase.solve_(self, state, v, h0)


@dataclass
class Ring(Held):
    """The same rows in slots: ``head`` (R,) is the slot to write next."""

    head: Tensor

    def order(self) -> tuple[Tensor, Tensor]:
        """The slot of each place in time, and which places are held."""
        m = self.s.shape[1]
        place = torch.arange(m, device=self.count.device) - (m - self.count.unsqueeze(1))
        return torch.remainder(self.head.unsqueeze(1) + place, self.count.clamp(min=1).unsqueeze(1)), place >= 0

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        slots, _ = self.order()
        return Held(self.s, self.y, self.told.take_along_dim(slots.unsqueeze(2), 1), self.count).newest()


@dataclass(frozen=True, kw_only=True)
class CountedRing(ShiftedRows):
    """Slots modulo the pairs held, not the capacity; after a reset, which leaves the head, old slots come back."""

    def init(self, space: Space) -> Ring:
        m = self.capacity
        return Ring(space.zeros(m), space.zeros(m), space.scalars(m, 3), space.counts(), space.counts())

    def _store_(self, state: Ring, s: Tensor, y: Tensor, verdict: Verdict) -> None:
        told = torch.stack([verdict.s_y, verdict.s_s, verdict.y_y], 1)
        slots = torch.arange(self.capacity, device=state.head.device)
        here = ((slots == state.head.unsqueeze(1)) & verdict.admitted.unsqueeze(1)).unsqueeze(2)
        for name, row in (("s", s), ("y", y), ("told", told)):
            setattr(state, name, torch.where(here, row.unsqueeze(1), getattr(state, name)))
        state.head = torch.remainder(state.head + verdict.admitted.long(), self.capacity)
        state.count = (state.count + verdict.admitted.long()).clamp(max=self.capacity)

    def _rows(self, state: Ring) -> list[tuple[Tensor, Tensor, Tensor]]:
        slots, _ = state.order()
        s, y, told = (rows.take_along_dim(slots.unsqueeze(2), 1) for rows in (state.s, state.y, state.told))
        return super()._rows(Held(s, y, told, state.count))


@dataclass
class Factored(Held):
    """The rows, and ``b`` (R, m, n) float64: B_i s_i of each; ``fresh`` (R,): whether they are those of the rows."""

    b: Tensor
    fresh: Tensor


@dataclass(frozen=True, kw_only=True)
class KeptFactors(ShiftedRows):
    """The vectors B_i s_i are made at the first product after a pair and kept while H0 moves on."""

    def init(self, space: Space) -> Factored:
        m = self.capacity
        b = space.scalars(m, space.size)
        return Factored(space.zeros(m), space.zeros(m), space.scalars(m, 3), space.counts(), b, space.mask(False))

    def _store_(self, state: Factored, s: Tensor, y: Tensor, verdict: Verdict) -> None:
        super()._store_(state, s, y, verdict)
        state.fresh = state.fresh & ~verdict.admitted

    def solve_(self, state: Factored, v: Tensor, h0: InitialMatrix) -> Tensor:
        known: list[tuple[Tensor, ...]] = []
        factors = []
        for i, (s, y, rho) in enumerate(self._rows(state)):
            b = torch.where(state.fresh.unsqueeze(1), state.b[:, i], _bfgs(known, s, h0, v.dtype))
            factors.append(b)
            known.append((b, _safe(_inner(s, b)), y, rho))
        state.b, state.fresh = torch.stack(factors, 1), torch.ones_like(state.fresh)
        return _bfgs(known, v.double(), h0, v.dtype).to(v.dtype)

    def reset_(self, state: Factored, where: Tensor) -> None:
        super().reset_(state, where)
        state.fresh = state.fresh & ~where


@dataclass(frozen=True, kw_only=True)
class MaskedVerdict(ShiftedRows):
    """The verdict is masked by the runs which the pair concerns, the store is not: other runs get a pair as well."""

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = judge(replace(move, where=torch.ones_like(move.where)), y, self.test)
        self._store_(state, move.s, y, verdict)
        return replace(verdict, admitted=verdict.admitted & move.where)


@dataclass
class Offered(Held):
    """The rows, and the products of the pair last ``offered`` (R, 3)."""

    offered: Tensor

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        exists = self.count > 0
        s_y, s_s, y_y = torch.where(exists.unsqueeze(1), self.offered, 1.0).unbind(1)
        return s_y, s_s, y_y, exists


@dataclass(frozen=True, kw_only=True)
class LastOffered(ShiftedRows):
    """``newest`` tells the pair last offered with s'y > 0, though the test refused it and it is not held."""

    test: CautiousCosine = CautiousCosine(eps=0.1)

    def init(self, space: Space) -> Offered:
        m = self.capacity
        return Offered(space.zeros(m), space.zeros(m), space.scalars(m, 3), space.counts(), space.scalars(3, fill=1.0))

    def admit_(self, state: Offered, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        told = torch.stack([verdict.s_y, verdict.s_s, verdict.y_y], 1)
        usable = move.where & (verdict.s_y > 0) & torch.isfinite(told).all(dim=1)
        state.offered = torch.where(usable.unsqueeze(1), told, state.offered)
        return verdict


@dataclass(frozen=True, kw_only=True)
class ShiftedTogether(ShiftedRows):
    """The rows of all runs shift when any run admits a pair: the others lose their oldest and hold the newest twice."""

    def _store_(self, state: Held, s: Tensor, y: Tensor, verdict: Verdict) -> None:
        told = torch.stack([verdict.s_y, verdict.s_s, verdict.y_y], 1)
        some, where = verdict.admitted.any(), verdict.admitted.unsqueeze(1)
        for name, row in (("s", s), ("y", y), ("told", told)):
            rows = getattr(state, name)
            last = torch.where(where, row, rows[:, -1])
            setattr(state, name, torch.where(some, torch.cat([rows[:, 1:], last.unsqueeze(1)], 1), rows))
        state.count = (state.count + verdict.admitted.long()).clamp(max=self.capacity)


@dataclass(frozen=True, kw_only=True)
class RefusedEvicts(AggregatedWindow):
    """A parallel pair which the test refuses still drives the newest one out."""

    declares: ClassVar[frozenset[str]] = frozenset({"aggregated"})

    def store_(self, state: History, s: Tensor, y: Tensor, verdict: Verdict) -> None:
        _, s_s, _, exists = state.newest()
        cosine = dot(state.latest(), s).abs() / (s_s.sqrt() * verdict.s_s.sqrt())
        state.pop_(exists & (cosine > self.parallel))
        state.push_(s, y, verdict.admitted)


@dataclass(frozen=True, kw_only=True)
class OwnDisplacement(Window):
    """Forms s anew from the two points, which is not the s of a generator that has a displacement of its own."""

    declares: ClassVar[frozenset[str]] = frozenset({"fifo"})

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        return super().admit_(state, replace(move, s=move.w_bar - move.w_ref), y, operator)


@dataclass(frozen=True, kw_only=True)
class PowellInPlace(PowellH):
    """Powell's damping in the H form with H y formed in y's own place: y is H y afterwards."""

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        s_y = dot(s, y)
        h_y = operator.apply_(y)
        y_h_y = dot(y, h_y)
        low = (s_y < self.delta * y_h_y) & (y_h_y > 0)
        theta = torch.where(low, (1.0 - self.delta) * y_h_y / (y_h_y - s_y), 1.0).to(s.dtype).unsqueeze(1)
        return theta * s + (1.0 - theta) * h_y, y


@dataclass(frozen=True, kw_only=True)
class RepairedInPlace(Repaired):
    """A window behind a damping which writes H y over y: the pair held is (s, H y)."""

    by: Repair = PowellInPlace()

    declares: ClassVar[frozenset[str]] = frozenset({"damped h"})


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.MEMORY: {
        "dropped_slots_come_back": CountedRing,
        "factors_of_b_kept_while_h0_moves": KeptFactors,
        "verdict_masked_but_not_the_store": MaskedVerdict,
        "newest_tells_a_refused_pair": LastOffered,
        "rows_shift_with_the_neighbours": ShiftedTogether,
        "refused_pair_evicts": RefusedEvicts,
        "displacement_formed_anew": OwnDisplacement,
        "product_written_over_y": RepairedInPlace,
    }
}
HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.MEMORY: {"shifted_rows_in_float64": ShiftedRows, "davidon_fletcher_powell": DavidonRows}
}
