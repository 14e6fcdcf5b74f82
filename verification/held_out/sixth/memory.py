"""Memories as a port leaves them: eight wrong, three right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import CautiousYY, History, Window
from adaqn_lab.bases import CurvatureBase, MemoryBase
from adaqn_lab.linalg import dot
from adaqn_lab.protocols import Displacement, InitialMatrix, Operator, Verdict
from adaqn_lab.space import Space
from verification.law import Subject

LEAST, MOST = 1e-290, 1e290


def _sound(*products: Tensor) -> Tensor:
    return torch.stack([(x > LEAST) & (x < MOST) for x in products]).all(dim=0)


def _put(rows: Tensor, row: Tensor, slot: Tensor, where: Tensor) -> Tensor:
    here = (torch.arange(rows.shape[1], device=slot.device) == slot.unsqueeze(1)) & where.unsqueeze(1)
    return torch.where(here.view(*here.shape, *(1,) * (rows.dim() - 2)), row.unsqueeze(1), rows)


def _take(rows: Tensor, slot: Tensor) -> Tensor:
    index = slot.view(-1, 1, *(1,) * (rows.dim() - 2)).expand(-1, 1, *rows.shape[2:])
    return rows.gather(1, index).squeeze(1)


@dataclass
class Ring:
    """``s``, ``y`` (R, m, n); ``s_y``, ``s_s``, ``y_y`` (R, m); ``head``, the slot written next, ``count`` (R,)."""

    s: Tensor
    y: Tensor
    s_y: Tensor
    s_s: Tensor
    y_y: Tensor
    head: Tensor
    count: Tensor

    def newest_slot(self) -> Tensor:
        return torch.remainder(self.head - 1, self.s.shape[1])

    def held(self) -> Tensor:
        m = self.s.shape[1]
        back = torch.remainder(self.head.unsqueeze(1) - 1 - torch.arange(m, device=self.head.device), m)
        return back < self.count.unsqueeze(1)

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        exists, slot = self.count > 0, self.newest_slot()
        s_y, s_s, y_y = (torch.where(exists, _take(x, slot), 1.0) for x in (self.s_y, self.s_s, self.y_y))
        return s_y, s_s, y_y, exists

    def products(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        held = self.held()
        s_y, s_s, y_y = (torch.where(held, x, 1.0) for x in (self.s_y, self.s_s, self.y_y))
        return s_y, s_s, y_y, held


@dataclass(frozen=True, kw_only=True)
class TwoLoopRing(MemoryBase):
    """Right: the textbook's two loops over a ring, a mask for each pair in place of a count on the host."""

    capacity: int = 5
    eps: float = 1e-8
    kind: ClassVar[type] = Ring

    def init(self, space: Space) -> Ring:
        m = self.capacity
        products = (space.scalars(m, fill=1.0) for _ in range(3))
        return self.kind(space.zeros(m), space.zeros(m), *products, space.counts(), space.counts())

    def judged(self, move: Displacement, y: Tensor) -> Verdict:
        s_y, s_s, y_y = dot(move.s, y), dot(move.s, move.s), dot(y, y)
        good = _sound(s_y, s_s, y_y) & (s_y > self.eps * s_s.sqrt() * y_y.sqrt())
        return Verdict(move.where & good, s_y, s_s, y_y)

    def store_(self, state: Ring, s: Tensor, y: Tensor, verdict: Verdict) -> None:
        where, slot = verdict.admitted, state.head
        state.s, state.y = _put(state.s, s, slot, where), _put(state.y, y, slot, where)
        for name in ("s_y", "s_s", "y_y"):
            setattr(state, name, _put(getattr(state, name), getattr(verdict, name), slot, where))
        state.head = torch.remainder(state.head + where.long(), self.capacity)
        state.count = (state.count + where.long()).clamp(max=self.capacity)

    def admit_(self, state: Ring, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = self.judged(move, y)
        self.store_(state, move.s, y, verdict)
        return verdict

    def apply_(self, state: Ring, v: Tensor, h0: InitialMatrix) -> Tensor:
        m, dtype = self.capacity, v.dtype
        kept = []
        q = v
        for back in range(m):
            slot, valid = torch.remainder(state.head - 1 - back, m), state.count > back
            s, y = (torch.where(valid.unsqueeze(1), _take(rows, slot), 0.0) for rows in (state.s, state.y))
            rho = torch.where(valid, _take(state.s_y, slot).reciprocal(), 0.0)
            alpha = rho * dot(s, q)
            q = q - alpha.to(dtype).unsqueeze(1) * y
            kept.append((s, y, rho, alpha))
        r = h0.apply_(q.clone())
        for s, y, rho, alpha in reversed(kept):
            r = r + (alpha - rho * dot(y, r)).to(dtype).unsqueeze(1) * s
        return r

    def reset_(self, state: Ring, where: Tensor) -> None:
        state.head = torch.where(where, 0, state.head)
        state.count = torch.where(where, 0, state.count)


class _LastByCount(Ring):
    """A ring which looks for the newest pair at the number of pairs held."""

    def newest_slot(self) -> Tensor:
        return (self.count - 1).clamp(min=0)


@dataclass(frozen=True, kw_only=True)
class NewestByCount(TwoLoopRing):
    """``newest`` reads slot count - 1, which is the newest pair's until the ring comes round."""

    kind: ClassVar[type] = _LastByCount


@dataclass(frozen=True, kw_only=True)
class WrittenBeforeJudged(TwoLoopRing):
    """The rows are written before the verdict: in a full ring a refused pair lies where the oldest was."""

    def store_(self, state: Ring, s: Tensor, y: Tensor, verdict: Verdict) -> None:
        state.s, state.y = (
            _put(rows, row, state.head, torch.isfinite(verdict.s_s + verdict.y_y))
            for rows, row in ((state.s, s), (state.y, y))
        )
        super().store_(state, s, y, verdict)


@dataclass(frozen=True, kw_only=True)
class ToldBeforeRepair(TwoLoopRing):
    """The pair that is held is y + shift s; the verdict and the state tell s'y and y'y of the pair that came."""

    shift: float = 0.1

    def admit_(self, state: Ring, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        told = self.judged(move, y)
        y = y + self.shift * move.s
        self.store_(state, move.s, y, self.judged(move, y))
        return Verdict(self.judged(move, y).admitted, told.s_y, told.s_s, told.y_y)


@dataclass(frozen=True, kw_only=True)
class InverseInSlotOrder(TwoLoopRing):
    """B's compact form takes the order of the slots for the order in time, which it is until the ring comes round."""

    invertible: ClassVar[bool] = True

    def solve_(self, state: Ring, v: Tensor, h0: InitialMatrix) -> Tensor:
        held = state.held()
        s, y = (torch.where(held.unsqueeze(2), rows, 0.0).double() for rows in (state.s, state.y))
        b_s = torch.stack([h0.solve_(row.to(v.dtype).clone()).double() for row in s.unbind(1)], dim=1)
        s_y = s @ y.mT
        lower, empty = s_y.tril(-1), torch.diag_embed((~held).double())
        d = torch.diag_embed(torch.where(held, s_y.diagonal(dim1=1, dim2=2), 1.0))
        middle = torch.cat([torch.cat([s @ b_s.mT + empty, lower], 2), torch.cat([lower.mT, -d], 2)], 1)
        factors = torch.cat([b_s, y], dim=1)
        inner = torch.linalg.solve_ex(middle, factors @ v.double().unsqueeze(2)).result
        return (h0.solve_(v.clone()).double() - (factors.mT @ inner).squeeze(2)).to(v.dtype)


@dataclass
class Rank:
    """One pair (R, n), H0 y as it was, ``fresh`` (R,) and the pair's products (R,)."""

    s: Tensor
    y: Tensor
    h0_y: Tensor
    fresh: Tensor
    s_y: Tensor
    s_s: Tensor
    y_y: Tensor
    exists: Tensor

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return (*(torch.where(self.exists, x, 1.0) for x in (self.s_y, self.s_s, self.y_y)), self.exists)

    def products(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return tuple(x.unsqueeze(1) for x in self.newest())


@dataclass(frozen=True, kw_only=True)
class CachedProduct(MemoryBase):
    """Memoryless BFGS which keeps H0 y from the first product after a pair: H0 moves on, and a product wrote state."""

    def init(self, space: Space) -> Rank:
        products = (space.scalars(fill=1.0) for _ in range(3))
        s, y, h0_y = (space.zeros() for _ in range(3))
        return Rank(s, y, h0_y, space.mask(False), *products, space.mask(False))

    def admit_(self, state: Rank, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        s_y, s_s, y_y = dot(move.s, y), dot(move.s, move.s), dot(y, y)
        where = move.where & _sound(s_y, s_s, y_y) & (s_y > 1e-8 * y_y)
        state.s, state.y = (torch.where(where.unsqueeze(1), x, old) for x, old in ((move.s, state.s), (y, state.y)))
        for name, x in (("s_y", s_y), ("s_s", s_s), ("y_y", y_y)):
            setattr(state, name, torch.where(where, x, getattr(state, name)))
        state.exists = state.exists | where
        state.fresh = state.fresh & ~where
        return Verdict(where, s_y, s_s, y_y)

    def apply_(self, state: Rank, v: Tensor, h0: InitialMatrix) -> Tensor:
        state.h0_y = torch.where(state.fresh.unsqueeze(1), state.h0_y, h0.apply_(state.y.clone()))
        state.fresh = state.exists.clone()
        rho = torch.where(state.exists, state.s_y.reciprocal(), 0.0)
        alpha, along = rho * dot(state.s, v), rho * dot(state.h0_y, v)
        curved = (1.0 + rho * dot(state.y, state.h0_y)) * alpha - along
        r = h0.apply_(v.clone()) - alpha.to(v.dtype).unsqueeze(1) * state.h0_y
        return torch.where(state.exists.unsqueeze(1), r + curved.to(v.dtype).unsqueeze(1) * state.s, r)

    def reset_(self, state: Rank, where: Tensor) -> None:
        state.exists, state.fresh = state.exists & ~where, state.fresh & ~where


@dataclass
class Product(CurvatureBase):
    """H = P H0 P' + Q, (R, n, n) float64; the newest pair's products and ``exists`` (R,)."""

    P: Tensor
    Q: Tensor
    s_y: Tensor
    s_s: Tensor
    y_y: Tensor
    exists: Tensor

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return (*(torch.where(self.exists, x, 1.0) for x in (self.s_y, self.s_s, self.y_y)), self.exists)


@dataclass(frozen=True, kw_only=True)
class TransposedUpdate(MemoryBase):
    """Dense BFGS with V = I - rho y s' where I - rho s y' belongs: symmetric, positive, and H y is not s."""

    declares: ClassVar[frozenset[str]] = frozenset({"dense"})
    limit: int = 400

    def init(self, space: Space) -> Product:
        if space.size > self.limit:
            raise ValueError(f"TransposedUpdate: {space.size} parameters are more than limit={self.limit}.")
        eye = torch.eye(space.size, dtype=torch.float64, device=space.device).repeat(space.runs, 1, 1)
        products = (space.scalars(fill=1.0) for _ in range(3))
        return Product(eye, torch.zeros_like(eye), *products, space.mask(False))

    def admit_(self, state: Product, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        s_y, s_s, y_y = dot(move.s, y), dot(move.s, move.s), dot(y, y)
        where = move.where & _sound(s_y, s_s, y_y)
        here = where.view(-1, 1, 1)
        rho = torch.where(where, s_y.reciprocal(), 0.0).view(-1, 1, 1)
        s, y = (torch.where(where.unsqueeze(1), x, 0.0).double().unsqueeze(2) for x in (move.s, y))
        V = torch.eye(s.shape[1], dtype=torch.float64, device=s.device) - rho * (y @ s.mT)
        state.P = torch.where(here, V @ state.P, state.P)
        state.Q = torch.where(here, V @ state.Q @ V.mT + rho * (s @ s.mT), state.Q)
        for name, x in (("s_y", s_y), ("s_s", s_s), ("y_y", y_y)):
            setattr(state, name, torch.where(where, x, getattr(state, name)))
        state.exists = state.exists | where
        return Verdict(where, s_y, s_s, y_y)

    def apply_(self, state: Product, v: Tensor, h0: InitialMatrix) -> Tensor:
        u = v.double().unsqueeze(2)
        inner = h0.apply_((state.P.mT @ u).squeeze(2).to(v.dtype)).double().unsqueeze(2)
        return (state.P @ inner + state.Q @ u).squeeze(2).to(v.dtype)

    def reset_(self, state: Product, where: Tensor) -> None:
        here = where.view(-1, 1, 1)
        eye = torch.eye(state.P.shape[1], dtype=torch.float64, device=where.device)
        state.P, state.Q = torch.where(here, eye, state.P), torch.where(here, 0.0, state.Q)
        state.exists = state.exists & ~where


@dataclass(frozen=True, kw_only=True)
class JudgedByTheLast(Window):
    """s'y > eps y'y with the y'y of the newest pair held, once there is one, in place of this pair's."""

    declares: ClassVar[frozenset[str]] = frozenset({"cautious yy"})
    test: CautiousYY = CautiousYY(eps=1e-2)

    @property
    def eps(self) -> float:
        return self.test.eps

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        s_y, s_s, y_y = dot(move.s, y), dot(move.s, move.s), dot(y, y)
        *_, last, exists = state.newest()
        against = torch.where(exists, last, y_y)
        verdict = Verdict(move.where & _sound(s_y, s_s, y_y) & self.test.accept(s_y, s_s, against), s_y, s_s, y_y)
        state.push_(move.s, y, verdict.admitted)
        return verdict


@dataclass(frozen=True, kw_only=True)
class OwnDisplacement(Window):
    """The displacement is taken anew as w_bar - w_ref, which is not that of a generator with its own."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        own = Displacement(move.w_bar - move.w_ref, move.w_bar, move.w_ref, move.where)
        return super().admit_(state, own, y, operator)


@dataclass(frozen=True, kw_only=True)
class RestartingRing(TwoLoopRing):
    """Right: a full memory is emptied by the next pair that is admitted, which is then the only one held."""

    def store_(self, state: Ring, s: Tensor, y: Tensor, verdict: Verdict) -> None:
        full = verdict.admitted & (state.count == self.capacity)
        state.count = torch.where(full, 0, state.count)
        super().store_(state, s, y, verdict)


@dataclass(frozen=True, kw_only=True)
class WideWindow(Window):
    """Right: the pairs and the products are float64 whatever the parameters, by the shipped history."""

    def init(self, space: Space) -> History:
        return History.empty(space, self.capacity, torch.float64)

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        wide = Displacement(move.s.double(), move.w_bar, move.w_ref, move.where)
        return super().admit_(state, wide, y.double(), operator)

    def apply_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        return state.apply_(v.double(), h0).to(v.dtype)

    def solve_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        return state.solve_(v.double(), h0).to(v.dtype)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.MEMORY: {
        "newest_by_the_number_of_pairs": NewestByCount,
        "refused_pair_lies_on_the_oldest": WrittenBeforeJudged,
        "verdict_tells_the_pair_before_its_repair": ToldBeforeRepair,
        "compact_inverse_in_the_order_of_slots": InverseInSlotOrder,
        "product_keeps_h0_y_of_an_older_h0": CachedProduct,
        "low_rank_update_transposed": TransposedUpdate,
        "test_against_the_last_pairs_y": JudgedByTheLast,
        "displacement_taken_from_the_points": OwnDisplacement,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.MEMORY: {
        "two_loops_over_a_masked_ring": TwoLoopRing,
        "full_ring_starts_anew": RestartingRing,
        "window_in_float64": WideWindow,
    }
}
