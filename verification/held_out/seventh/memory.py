"""Memories: eight wrong ones, two that are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import ring
from adaqn_lab.bases import CurvatureBase, MemoryBase
from adaqn_lab.diagonal import Entries
from adaqn_lab.history import History
from adaqn_lab.linalg import dot
from adaqn_lab.memory import CautiousSS, CautiousYY, Repaired, Window
from adaqn_lab.memory.admission import judge
from adaqn_lab.memory.curvature_tests import CurvatureTest
from adaqn_lab.memory.windowed import Windowed
from adaqn_lab.protocols import Displacement, InitialMatrix, MemoryPolicy, Operator, Verdict
from adaqn_lab.space import Space
from verification.law import Subject


def in_time(state: History) -> tuple[Tensor, Tensor, Tensor]:
    """S, Y (R, m, n), oldest first, and which rows are held."""
    order = ring.age(state.head, state.capacity).argsort(dim=1)
    held = ring.held(state.head, state.count, state.capacity).take_along_dim(order, 1)
    index = order.unsqueeze(2)
    return state.s.take_along_dim(index, 1), state.y.take_along_dim(index, 1), held


def column(x: Tensor, like: Tensor) -> Tensor:
    """(R,) as (R, 1) in a vector's dtype."""
    return x.to(like.dtype).unsqueeze(1)


def two_loop(s: Tensor, y: Tensor, rho: Tensor, held: Tensor, v: Tensor, middle: Callable[[Tensor], Tensor]) -> Tensor:
    """The recursion for all runs, rows oldest first; rows not held do nothing."""
    q, alphas = v.clone(), []
    for i in reversed(range(s.shape[1])):
        alphas.append(torch.where(held[:, i], rho[:, i] * dot(s[:, i].contiguous(), q), 0.0))
        q = torch.where(held[:, i : i + 1], q - column(alphas[-1], q) * y[:, i], q)
    r = middle(q)
    for i, alpha in enumerate(reversed(alphas)):
        beta = rho[:, i] * dot(y[:, i].contiguous(), r)
        r = torch.where(held[:, i : i + 1], r + column(alpha - beta, r) * s[:, i], r)
    return r


@dataclass(frozen=True, kw_only=True)
class SwappedSolve(Window):
    """B v is the recursion with s and y, H0 and B0 exchanged: that is DFP's B, which is not the inverse of BFGS's H."""

    def solve_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        if self.capacity == 0:
            return h0.solve_(v)
        s, y, held = in_time(state)
        s_y = (s.double() * y.double()).sum(2)
        return two_loop(y, s, torch.where(held, 1.0 / s_y, 0.0), held, v, h0.solve_)


@dataclass
class Rows:
    """S, Y (R, m, n) newest first with their products (R, m), and how many (R,) there are."""

    s: Tensor
    y: Tensor
    s_y: Tensor
    s_s: Tensor
    y_y: Tensor
    count: Tensor

    @classmethod
    def empty(cls, space: Space, m: int, dtype: torch.dtype | None = None) -> Rows:
        """Nothing is held."""
        rows = (space.zeros(m, dtype=dtype) for _ in range(2))
        return cls(*rows, *(space.scalars(m, fill=1.0) for _ in range(3)), space.counts())

    def held(self) -> Tensor:
        """Which places hold a pair."""
        return torch.arange(self.s.shape[1], device=self.count.device) < self.count.unsqueeze(1)

    def products(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Those of all pairs."""
        held = self.held()
        return (*(torch.where(held, x, 1.0) for x in (self.s_y, self.s_s, self.y_y)), held)

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Those of the newest pair."""
        return tuple(x[:, 0] for x in self.products())

    def push_(self, s: Tensor, y: Tensor, verdict: Verdict, scalars: Tensor) -> None:
        """Put a pair on top where it was admitted; ``scalars`` says for whom the products move on."""
        where = verdict.admitted.view(-1, 1, 1)
        for name, value in (("s", s), ("y", y)):
            old = getattr(self, name)
            setattr(self, name, torch.where(where, torch.cat([value.unsqueeze(1), old[:, :-1]], 1), old))
        for name in ("s_y", "s_s", "y_y"):
            old, value = getattr(self, name), getattr(verdict, name)
            moved = torch.cat([value.unsqueeze(1), old[:, :-1]], 1)
            setattr(self, name, torch.where(scalars.view(-1, 1), moved, old))
        self.count = (self.count + verdict.admitted.long()).clamp(max=self.s.shape[1])

    def apply(self, v: Tensor, h0: InitialMatrix) -> Tensor:
        """H v."""
        s, y, held = self.s.flip(1), self.y.flip(1), self.held().flip(1)
        return two_loop(s, y, torch.where(held, 1.0 / self.s_y.flip(1), 0.0), held, v, h0.apply_)


@dataclass(frozen=True, kw_only=True)
class ProductsMoveTogether(MemoryBase):
    """The products of all runs move on when any run admits: a neighbour that refused divides by the wrong s'y."""

    capacity: int = 8
    test: CurvatureTest = CautiousYY()

    def init(self, space: Space) -> Rows:
        return Rows.empty(space, self.capacity)

    def admit_(self, state: Rows, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = judge(move, y, self.test)
        state.push_(move.s, y, verdict, verdict.admitted.any())
        return verdict

    def apply_(self, state: Rows, v: Tensor, h0: InitialMatrix) -> Tensor:
        return state.apply(v, h0)

    def reset_(self, state: Rows, where: Tensor) -> None:
        state.count = state.count.masked_fill(where, 0)


class CountedHistory(History):
    """The newest slot by the number of pairs, which no longer tells it once the ring goes round."""

    def _newest(self) -> Tensor:
        return (self.count - 1).clamp(min=0)


@dataclass(frozen=True, kw_only=True)
class NewestByCount(Window):
    """newest() answers for the last slot of a full ring, whichever pair was written last."""

    def init(self, space: Space) -> CountedHistory:
        return CountedHistory.empty(space, self.capacity)


@dataclass(frozen=True, kw_only=True)
class GuardedQuotient(MemoryBase):
    """rho = 1 / (s'y + 1e-10) in H and 1 / s'y in B: for short displacements they are not inverse to each other."""

    capacity: int = 10
    test: CurvatureTest = CautiousYY()
    invertible: ClassVar[bool] = True

    def init(self, space: Space) -> History:
        return History.empty(space, self.capacity)

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = judge(move, y, self.test)
        state.push_(move.s, y, verdict.admitted)
        return verdict

    def apply_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        s, y, held = in_time(state)
        rho = 1.0 / ((s.double() * y.double()).sum(2) + 1e-10)
        return two_loop(s, y, rho, held, v, h0.apply_)

    def solve_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        return state.solve_(v, h0)

    def reset_(self, state: History, where: Tensor) -> None:
        state.clear_(where)


@dataclass(frozen=True, kw_only=True)
class VerdictFromTheStore(Window):
    """The verdict is read back from the newest pair held: on a refused pair it tells an older one's products."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        s_y, s_s, y_y, exists = state.newest()
        stored = (torch.where(exists, a, b) for a, b in zip((s_y, s_s, y_y), _told(verdict), strict=True))
        return Verdict(verdict.admitted, *stored)


def _told(verdict: Verdict) -> tuple[Tensor, Tensor, Tensor]:
    return verdict.s_y, verdict.s_s, verdict.y_y


@dataclass(frozen=True, kw_only=True)
class ReplacedBeforeTheTest(Windowed):
    """The newest pair makes room for a parallel one before that is judged: a refused pair takes it away."""

    capacity: int = 10
    parallel: float = 0.99
    test: CurvatureTest = CautiousYY()
    declares: ClassVar[frozenset[str]] = frozenset({"aggregated"})

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        _, s_s, _, exists = state.newest()
        lengths = (s_s * dot(move.s, move.s)).sqrt()
        parallel = dot(state.latest(), move.s).abs() > self.parallel * lengths
        state.pop_(move.where & exists & parallel)
        return super().admit_(state, move, y, operator)


@dataclass
class Blocks(CurvatureBase):
    """One history for each of some blocks of equal length."""

    states: tuple[History, ...]

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Summed over the blocks that hold a pair."""
        told = [state.newest() for state in self.states]
        some = torch.stack([x[3] for x in told]).any(dim=0)
        sums = (sum(torch.where(x[3], x[i], 0.0) for x in told) for i in range(3))
        return (*(torch.where(some, x, 1.0) for x in sums), some)


@dataclass(frozen=True, kw_only=True)
class EqualBlocks(MemoryBase):
    """What n / blocks leaves over belongs to no block and is handed through without H0."""

    blocks: int = 4
    capacity: int = 5
    test: CurvatureTest = CautiousSS(eps=1e-6)

    def init(self, space: Space) -> Blocks:
        size = max(space.size // self.blocks, 1)
        block = replace(space, size=size, shapes=((size,),))
        number = min(self.blocks, space.size)
        return Blocks(tuple(History.empty(block, self.capacity) for _ in range(number)))

    def admit_(self, state: Blocks, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        whole = judge(move, y, CautiousSS(eps=0.0))
        finite = torch.isfinite(whole.s_y) & torch.isfinite(whole.s_s) & torch.isfinite(whole.y_y)
        admitted = torch.zeros_like(move.where)
        for history, at in self._places(state):
            part, own = replace(move, s=move.s[:, at].contiguous(), where=move.where & finite), y[:, at].contiguous()
            verdict = judge(part, own, self.test)
            history.push_(part.s, own, verdict.admitted)
            admitted = admitted | verdict.admitted
        return replace(whole, admitted=admitted)

    @staticmethod
    def _places(state: Blocks) -> list[tuple[History, slice]]:
        size = state.states[0].s.shape[2]
        return [(history, slice(i * size, (i + 1) * size)) for i, history in enumerate(state.states)]

    def apply_(self, state: Blocks, v: Tensor, h0: InitialMatrix) -> Tensor:
        entries = h0.apply_(torch.ones_like(v))
        for history, at in self._places(state):
            v[:, at] = history.apply_(v[:, at].contiguous(), Entries(entries=entries[:, at].contiguous()))
        return v

    def reset_(self, state: Blocks, where: Tensor) -> None:
        for history in state.states:
            history.clear_(where)


@dataclass(frozen=True, kw_only=True)
class MultipliedDamping:
    """theta is switched off by a product with the mask: where y'Hy = s'y that is 0 times infinity."""

    delta: float = 0.2
    needs_inverse: ClassVar[bool] = False

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        h_y = operator(y)
        s_y, y_h_y = dot(s, y), dot(y, h_y)
        weak = (s_y < self.delta * y_h_y).double()
        share = weak * (1.0 - (1.0 - self.delta) * y_h_y / (y_h_y - s_y))
        return s + column(share, s) * (h_y - s), y


@dataclass(frozen=True, kw_only=True)
class DampedByProduct(Repaired):
    """A pair with which H agrees already, H y = s, becomes NaN in the damping and is refused."""

    by: Any = MultipliedDamping()
    of: MemoryPolicy = Window(test=CautiousSS(eps=0.0))
    declares: ClassVar[frozenset[str]] = frozenset({"damped h"})


@dataclass(frozen=True, kw_only=True)
class UnitPairs(MemoryBase):
    """Right: every pair is held as (s / |s|, y / |s|), the same pair in another unit, in float64."""

    capacity: int = 8
    test: CurvatureTest = CautiousSS(eps=1e-6)

    def init(self, space: Space) -> Rows:
        return Rows.empty(space, self.capacity, torch.float64)

    def admit_(self, state: Rows, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        sound = judge(move, y, self.test).admitted
        length = dot(move.s, move.s).sqrt().unsqueeze(1)
        length = torch.where(length > 0, length, 1.0)
        s, y = move.s.double() / length, y.double() / length
        verdict = judge(replace(move, s=s), y, self.test)
        verdict = replace(verdict, admitted=verdict.admitted & sound)
        state.push_(s, y, verdict, verdict.admitted)
        return verdict

    def apply_(self, state: Rows, v: Tensor, h0: InitialMatrix) -> Tensor:
        return state.apply(v.double(), _Narrow(h0, v.dtype)).to(v.dtype)

    def reset_(self, state: Rows, where: Tensor) -> None:
        state.count = state.count.masked_fill(where, 0)


@dataclass(frozen=True)
class _Narrow:
    """H0 of the vectors' dtype for float64 vectors."""

    h0: InitialMatrix
    dtype: torch.dtype

    def apply_(self, v: Tensor) -> Tensor:
        return self.h0.apply_(v.to(self.dtype)).double()


@dataclass(frozen=True, kw_only=True)
class SolvedDensely(Window):
    """Right: B v by solving with the matrix of H, whose columns are products with unit vectors; small n only."""

    capacity: int = 6
    limit: int = 500

    def init(self, space: Space) -> History:
        if space.size > self.limit:
            raise ValueError(f"SolvedDensely: {space.size} parameters are above limit={self.limit}.")
        return super().init(space)

    def solve_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        if self.capacity == 0:
            return h0.solve_(v)
        s, y, held = (x.double() if x.is_floating_point() else x for x in in_time(state))
        rho = torch.where(held, 1.0 / (s * y).sum(2), 0.0)
        columns = []
        for i in range(v.shape[1]):
            e = torch.zeros_like(v, dtype=torch.float64)
            e[:, i] = 1.0
            columns.append(two_loop(s, y, rho, held, e, _Narrow(h0, v.dtype).apply_))
        H = torch.stack(columns, dim=2)
        return torch.linalg.solve_ex((H + H.mT) / 2, v.double().unsqueeze(2)).result.squeeze(2).to(v.dtype)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.MEMORY: {
        "solve_is_the_recursion_with_s_and_y_swapped": SwappedSolve,
        "products_move_on_for_all_runs": ProductsMoveTogether,
        "newest_by_count_after_the_ring_is_full": NewestByCount,
        "absolute_eps_in_rho_of_apply_only": GuardedQuotient,
        "verdict_read_back_from_the_store": VerdictFromTheStore,
        "refused_parallel_pair_drops_the_newest": ReplacedBeforeTheTest,
        "remainder_of_the_blocks_without_h0": EqualBlocks,
        "damping_masked_by_a_product": DampedByProduct,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.MEMORY: {"pairs_of_unit_length": UnitPairs, "solved_with_the_dense_matrix": SolvedDensely}
}
