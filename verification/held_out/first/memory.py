"""Memories: fourteen wrong ones and three unusual right ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import ring
from adaqn_lab.bases import CurvatureBase, MemoryBase
from adaqn_lab.history import History
from adaqn_lab.linalg import add_combination_, combine, dot, rows_dot, write_row_
from adaqn_lab.memory import (
    AggregatedWindow,
    BlockDiagonal,
    CautiousCosine,
    CautiousSS,
    Dense,
    PowellH,
    Repaired,
    ShiftedWindow,
    SoftWindow,
    Window,
)
from adaqn_lab.memory.admission import judge
from adaqn_lab.memory.block_diagonal import Blocks, _BlockOperator
from adaqn_lab.memory.curvature_tests import CurvatureTest
from adaqn_lab.memory.dense import DenseMatrices
from adaqn_lab.protocols import Displacement, InitialMatrix, Operator, Verdict
from adaqn_lab.space import Space
from verification.law import Subject


@dataclass
class Slots:
    """Pairs (R, m, n) in a ring; their products (R, m); ``head`` and ``count`` (R,)."""

    s: Tensor
    y: Tensor
    s_y: Tensor
    s_s: Tensor
    y_y: Tensor
    head: Tensor
    count: Tensor

    def held(self) -> Tensor:
        return ring.held(self.head, self.count, self.s.shape[1])

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        exists = self.count > 0
        slot = torch.remainder(self.head - 1, self.s.shape[1]).unsqueeze(1)
        values = (x.gather(1, slot).squeeze(1) for x in (self.s_y, self.s_s, self.y_y))
        s_y, s_s, y_y = (torch.where(exists, x, 1.0) for x in values)
        return s_y, s_s, y_y, exists

    def products(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        held = self.held()
        s_y, s_s, y_y = (torch.where(held, x, 1.0) for x in (self.s_y, self.s_s, self.y_y))
        return s_y, s_s, y_y, held


def _row(rows: Tensor, slot: Tensor) -> Tensor:
    return rows.gather(1, slot.view(-1, 1, 1).expand(-1, 1, rows.shape[2])).squeeze(1)


@dataclass(frozen=True, kw_only=True)
class TwoLoop(MemoryBase):
    """The textbook: a ring of pairs and the two-loop recursion, run by run in time order."""

    capacity: int = 5
    test: CurvatureTest = CautiousSS(eps=1e-6)

    def init(self, space: Space) -> Slots:
        m = self.capacity
        products = (space.scalars(m, fill=1.0) for _ in range(3))
        return Slots(space.zeros(m), space.zeros(m), *products, space.counts(), space.counts())

    def admit_(self, state: Slots, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = judge(move, y, self.test)
        where = verdict.admitted
        write_row_(state.s, move.s, state.head, where)
        write_row_(state.y, y, state.head, where)
        here = (torch.arange(self.capacity, device=where.device) == state.head.unsqueeze(1)) & where.unsqueeze(1)
        for name in ("s_y", "s_s", "y_y"):
            new = getattr(verdict, name).unsqueeze(1)
            setattr(state, name, torch.where(here, new, getattr(state, name)))
        state.head, state.count = ring.advanced(state.head, state.count, self.capacity, where)
        return verdict

    def slot(self, state: Slots, back: int) -> Tensor:
        """The slot of the pair ``back`` places before the newest."""
        return torch.remainder(state.head - 1 - back, self.capacity)

    def rho(self, state: Slots, slot: Tensor) -> Tensor:
        """1 / s'y of that slot."""
        return 1.0 / state.s_y.gather(1, slot.unsqueeze(1)).squeeze(1)

    def apply_(self, state: Slots, v: Tensor, h0: InitialMatrix) -> Tensor:
        q, alphas = v, []
        for back in range(self.capacity):
            slot = self.slot(state, back)
            held = back < state.count
            alpha = torch.where(held, self.rho(state, slot) * dot(_row(state.s, slot), q), 0.0)
            alphas.append(alpha)
            step = alpha.to(q.dtype).unsqueeze(1) * _row(state.y, slot)
            q = torch.where(held.unsqueeze(1), q - step, q)
        r = h0.apply_(q.clone())
        for back in reversed(range(self.capacity)):
            slot = self.slot(state, back)
            held = back < state.count
            beta = torch.where(held, self.rho(state, slot) * dot(_row(state.y, slot), r), 0.0)
            step = (alphas[back] - beta).to(r.dtype).unsqueeze(1) * _row(state.s, slot)
            r = torch.where(held.unsqueeze(1), r + step, r)
        return r

    def reset_(self, state: Slots, where: Tensor) -> None:
        state.head, state.count = ring.cleared(state.head, state.count, where)


@dataclass(frozen=True, kw_only=True)
class SlotOrder(TwoLoop):
    """The recursion goes through the slots from the last one down: right until the ring wraps."""

    declares: ClassVar[frozenset[str]] = frozenset({"fifo"})

    def slot(self, state: Slots, back: int) -> Tensor:
        return (state.count - 1 - back).clamp(min=0)


@dataclass(frozen=True, kw_only=True)
class ReciprocalsInSinglePrecision(TwoLoop):
    """rho = 1 / s'y in float32: a rounding in float64 models, infinity for pairs of tiny curvature."""

    def rho(self, state: Slots, slot: Tensor) -> Tensor:
        return (1.0 / state.s_y.float()).gather(1, slot.unsqueeze(1)).squeeze(1).double()


@dataclass(frozen=True, kw_only=True)
class FirstEntryOfH0(TwoLoop):
    """The compact form in which Y'H0Y is (the first entry of H0) Y'Y: right for multiples of the identity only."""

    def apply_(self, state: Slots, v: Tensor, h0: InitialMatrix) -> Tensor:
        order = ring.age(state.head, self.capacity).argsort(dim=1)
        held = state.held().take_along_dim(order, 1)
        s, y = (
            torch.where(held.unsqueeze(2), rows.take_along_dim(order.unsqueeze(2), 1), 0.0).double()
            for rows in (state.s, state.y)
        )
        empty = torch.diag_embed((~held).double())
        s_y = s @ y.mT
        r = s_y.triu() + empty
        d = torch.diag_embed(s_y.diagonal(dim1=1, dim2=2))
        gamma = h0.apply_(torch.ones_like(v))[:, :1].double().unsqueeze(2)
        u = v.double().unsqueeze(2)
        p = h0.apply_(v.clone()).double().unsqueeze(2)
        a = torch.linalg.solve_triangular(r, s @ u, upper=True)
        inner = (d + gamma * (y @ y.mT)) @ a - y @ p
        c = torch.linalg.solve_triangular(r.mT, inner, upper=False)
        back = h0.apply_((y.mT @ a).squeeze(2).to(v.dtype))
        return (p + s.mT @ c).squeeze(2).to(v.dtype) - back


@dataclass
class Ageing:
    """A history and the number of ``products`` (R,) since a pair left."""

    pairs: History
    used: Tensor

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.pairs.newest()

    def products(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.pairs.products()


@dataclass(frozen=True, kw_only=True)
class ProductsAgeThePairs(MemoryBase):
    """Every 40 products with H the oldest pair leaves: looking at the operator changes it."""

    capacity: int = 8
    lifetime: int = 40
    test: CurvatureTest = CautiousSS(eps=1e-6)

    def init(self, space: Space) -> Ageing:
        return Ageing(History.empty(space, self.capacity), space.counts())

    def admit_(self, state: Ageing, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = judge(move, y, self.test)
        state.pairs.push_(move.s, y, verdict.admitted)
        return verdict

    def apply_(self, state: Ageing, v: Tensor, h0: InitialMatrix) -> Tensor:
        state.used = state.used + 1
        over, pairs = (state.used >= self.lifetime) & (state.pairs.count > 1), state.pairs
        pairs.count = pairs.count - over.long()
        pairs.held = ring.held(pairs.head, pairs.count, self.capacity)
        state.used = torch.where(over, 0, state.used)
        return pairs.apply_(v, h0)

    def reset_(self, state: Ageing, where: Tensor) -> None:
        state.pairs.clear_(where)
        state.used = state.used.masked_fill(where, 0)


@dataclass
class RankOnes(CurvatureBase):
    """``u`` (R, m, n) and ``sign`` (R, m): H = H0 + sum sign u u'; the newest pair's products; the ring."""

    u: Tensor
    sign: Tensor
    head: Tensor
    count: Tensor
    s_y: Tensor
    s_s: Tensor
    y_y: Tensor

    def signs(self) -> Tensor:
        return torch.where(ring.held(self.head, self.count, self.u.shape[1]), self.sign, 0.0)

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        exists = self.count > 0
        s_y, s_s, y_y = (torch.where(exists, x, 1.0) for x in (self.s_y, self.s_s, self.y_y))
        return s_y, s_s, y_y, exists


@dataclass(frozen=True, kw_only=True)
class RankOne(MemoryBase):
    """Right: symmetric rank one, H0 + sum u u' with u = (s - H y) / sqrt((s - H y)'y); only positive ones enter."""

    capacity: int = 6
    eps: float = 1e-6
    test: CurvatureTest = CautiousSS(eps=0.0)

    invertible: ClassVar[bool] = True

    def init(self, space: Space) -> RankOnes:
        ones = (space.scalars(fill=1.0) for _ in range(3))
        m = self.capacity
        return RankOnes(space.zeros(m), space.scalars(m), space.counts(), space.counts(), *ones)

    def enters(self, c: Tensor, bound: Tensor) -> Tensor:
        """Whether r'y = c is safe."""
        return c > bound

    def admit_(self, state: RankOnes, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = judge(move, y, self.test)
        # In a full ring the oldest makes room first, so that the secant equation holds for what is left.
        full = state.count == self.capacity
        old = _row(state.u, state.head)
        weight = torch.where(full, state.signs().gather(1, state.head.unsqueeze(1)).squeeze(1) * dot(old, y), 0.0)
        r = move.s - operator(y) + torch.where(full.unsqueeze(1), weight.to(y.dtype).unsqueeze(1) * old, 0.0)
        c = dot(r, y)
        where = verdict.admitted & self.enters(c, self.eps * (dot(r, r) * verdict.y_y).sqrt())
        u = r / torch.where(where, c.abs().sqrt(), 1.0).to(r.dtype).unsqueeze(1)
        write_row_(state.u, u, state.head, where)
        here = (torch.arange(self.capacity, device=where.device) == state.head.unsqueeze(1)) & where.unsqueeze(1)
        state.sign = torch.where(here, torch.sign(c).unsqueeze(1), state.sign)
        state.head, state.count = ring.advanced(state.head, state.count, self.capacity, where)
        for name in ("s_y", "s_s", "y_y"):
            setattr(state, name, torch.where(where, getattr(verdict, name), getattr(state, name)))
        return replace(verdict, admitted=where)

    def apply_(self, state: RankOnes, v: Tensor, h0: InitialMatrix) -> Tensor:
        signs = state.signs()
        c = torch.where(signs != 0, signs * rows_dot(state.u, v), 0.0)
        return add_combination_(h0.apply_(v), c, state.u)

    def solve_(self, state: RankOnes, v: Tensor, h0: InitialMatrix) -> Tensor:
        signs = state.signs()
        u = torch.where((signs != 0).unsqueeze(2), state.u, 0.0)
        b_u = torch.stack([h0.solve_(row.clone()) for row in u.unbind(1)], dim=1)
        gram = torch.stack([rows_dot(u, row.contiguous()) for row in b_u.unbind(1)], dim=2)
        middle = torch.diag_embed(torch.where(signs == 0, 1.0, signs)) + gram
        inner = torch.linalg.solve_ex(middle, rows_dot(b_u, v).unsqueeze(2)).result.squeeze(2)
        return h0.solve_(v) - combine(inner, b_u)

    def reset_(self, state: RankOnes, where: Tensor) -> None:
        state.head, state.count = ring.cleared(state.head, state.count, where)


@dataclass(frozen=True, kw_only=True)
class RankOneOfAnySign(RankOne):
    """Symmetric rank one with the usual test |r'y| > eps |r| |y| only: H may become indefinite."""

    def enters(self, c: Tensor, bound: Tensor) -> Tensor:
        return c.abs() > bound


@dataclass(frozen=True, kw_only=True)
class JudgesRunsWithoutReference(Window):
    """Judges the pairs of all runs, those too which have no reference or are being rolled back."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        return super().admit_(state, replace(move, where=torch.ones_like(move.where)), y, operator)


@dataclass(frozen=True, kw_only=True)
class ResetLeavesQ(Dense):
    """A reset puts P back to the identity and leaves Q: half of the old curvature stays."""

    def reset_(self, state: DenseMatrices, where: Tensor) -> None:
        eye = torch.eye(state.P.shape[1], dtype=torch.float64, device=state.P.device)
        state.P = torch.where(where.view(-1, 1, 1), eye, state.P)
        state.exists = state.exists & ~where


@dataclass(frozen=True, kw_only=True)
class AdmittedIfAllBlocks(BlockDiagonal):
    """Says that a pair was admitted if all blocks took their part; a part which one took alone stays in it."""

    declares: ClassVar[frozenset[str]] = frozenset({"blocks"})

    def admit_(self, state: Blocks, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        vectors = zip(*(self._split(state, v) for v in (move.s, move.w_bar, move.w_ref, y)), strict=True)
        admitted = move.where
        for index, (block, (s, w_bar, w_ref, part)) in enumerate(zip(state.states, vectors, strict=True)):
            own = Displacement(s, w_bar, w_ref, move.where)
            verdict = self.of.admit_(block, own, part, _BlockOperator(state, index, operator))
            admitted = admitted & verdict.admitted
        return Verdict(admitted, dot(move.s, y), dot(move.s, move.s), dot(y, y))


@dataclass(frozen=True, kw_only=True)
class SolveShiftsItsOwnResult(ShiftedWindow):
    """B v is written over v before delta v is added: the result is (1 + delta) B v."""

    declares: ClassVar[frozenset[str]] = frozenset({"shifted", "invertible"})

    def solve_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        return state.solve_(v, h0).add_(v, alpha=self.delta)


@dataclass(frozen=True, kw_only=True)
class SoftnessOfTheMeanRun(SoftWindow):
    """The softness is in units of the mean s's over the runs."""

    declares: ClassVar[frozenset[str]] = frozenset({"soft secant"})

    def store_(self, state: History, s: Tensor, y: Tensor, verdict: Verdict) -> None:
        typical = verdict.s_s.mean().expand_as(verdict.s_s)
        state.push_(s, y, verdict.admitted, soften=self.softness * typical)


@dataclass(frozen=True, kw_only=True)
class RefusedPairEvicts(AggregatedWindow):
    """A displacement parallel to the newest drops that pair even where its own pair is refused."""

    declares: ClassVar[frozenset[str]] = frozenset({"aggregated"})

    def store_(self, state: History, s: Tensor, y: Tensor, verdict: Verdict) -> None:
        _, s_s, _, exists = state.newest()
        cosine = dot(state.latest(), s).abs() / (s_s * verdict.s_s).sqrt()
        state.pop_(exists & (cosine > self.parallel))
        state.push_(s, y, verdict.admitted)


@dataclass(frozen=True, kw_only=True)
class RepairedDisplacementDropped(Repaired):
    """Hands on the repaired y with the displacement as it came: a repair of s is lost."""

    declares: ClassVar[frozenset[str]] = frozenset({"damped h"})

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        _, repaired = self.by.repair(move.s, y, operator)
        return self.of.admit_(state, move, repaired, operator)


@dataclass(frozen=True, kw_only=True)
class SquaresTheAverage(Window):
    """Refuses displacements that are rounding errors of w; ``double()`` is no copy in float64, and w_bar is squared."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        size = move.w_bar.double().square_().sum(dim=1)
        where = move.where & (dot(move.s, move.s) > 1e-28 * size)
        return super().admit_(state, replace(move, where=where), y, operator)


@dataclass(frozen=True, kw_only=True)
class JudgedBeforeRounding(Window):
    """Rows of bfloat16, but the verdict and its numbers are those of the pair before it was rounded."""

    dtype: torch.dtype | None = field(default=torch.bfloat16)

    declares: ClassVar[frozenset[str]] = frozenset({"rounded pairs"})

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = judge(move, y, self.test)
        self.store_(state, move.s, y, verdict)
        return verdict


@dataclass(frozen=True, kw_only=True)
class StrictTwoLoop(TwoLoop):
    """Right: the two-loop recursion itself, and a stricter test, s'y > 1e-3 |s| |y|."""

    capacity: int = 4
    test: CurvatureTest = CautiousCosine(eps=1e-3)

    declares: ClassVar[frozenset[str]] = frozenset({"fifo", "newest"})


@dataclass(frozen=True, kw_only=True)
class HalfWay(Window):
    """Right: the mean of H0 and the L-BFGS matrix, symmetric positive definite as both; no products with B."""

    capacity: int = 6

    invertible: ClassVar[bool] = False

    def apply_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        far = state.apply_(v.clone(), h0)
        return h0.apply_(v).add_(far).mul_(0.5)

    def solve_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        return MemoryBase.solve_(self, state, v, h0)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.MEMORY: {
        "slot_order_for_time_order": SlotOrder,
        "reciprocals_in_float32": ReciprocalsInSinglePrecision,
        "h0_by_its_first_entry": FirstEntryOfH0,
        "products_age_the_pairs": ProductsAgeThePairs,
        "rank_one_of_any_sign": RankOneOfAnySign,
        "judges_runs_without_a_reference": JudgesRunsWithoutReference,
        "reset_leaves_q": ResetLeavesQ,
        "admitted_only_if_all_blocks_do": AdmittedIfAllBlocks,
        "solve_shifts_its_own_result": SolveShiftsItsOwnResult,
        "softness_by_the_mean_over_runs": SoftnessOfTheMeanRun,
        "refused_pair_evicts_the_newest": RefusedPairEvicts,
        "repaired_displacement_is_dropped": lambda: RepairedDisplacementDropped(by=PowellH()),
        "average_squared_in_float64": SquaresTheAverage,
        "judged_before_rounding": JudgedBeforeRounding,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.MEMORY: {
        "positive_rank_one": RankOne,
        "strict_two_loop": StrictTwoLoop,
        "half_way_to_h0": HalfWay,
    }
}
