"""Memories: wrong ones, and right ones that look odd."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab.bases import MemoryBase
from adaqn_lab.history import History
from adaqn_lab.linalg import dot, write_row_
from adaqn_lab.memory import (
    AggregatedWindow,
    BlockDiagonal,
    CautiousSS,
    CurvatureTest,
    Dense,
    LevenbergDamping,
    Repair,
    Repaired,
    SoftWindow,
    Window,
)
from adaqn_lab.memory.admission import judge
from adaqn_lab.memory.dense import DenseMatrices
from adaqn_lab.memory.wrapping import Wrapping
from adaqn_lab.protocols import Displacement, InitialMatrix, MemoryPolicy, Operator, Verdict
from adaqn_lab.space import Space
from verification.law import Subject


@dataclass
class Slots:
    """Pairs in slots, their products, which are held, the slot to write next."""

    s: Tensor
    y: Tensor
    s_y: Tensor
    s_s: Tensor
    y_y: Tensor
    held: Tensor
    head: Tensor

    @classmethod
    def empty(cls, space: Space, m: int, dtype: torch.dtype | None = None) -> Slots:
        """Nothing is held."""
        ones = [space.scalars(m, fill=1.0) for _ in range(3)]
        rows = [space.zeros(m, dtype=dtype) for _ in range(2)]
        return cls(*rows, *ones, space.scalars(m).bool(), space.counts())

    def age(self) -> Tensor:
        """0 for the slot written next, m - 1 for the one written last."""
        m = self.s.shape[1]
        return torch.remainder(torch.arange(m, device=self.head.device) - self.head.unsqueeze(1), m)

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of the newest pair held."""
        slot = torch.where(self.held, self.age(), -1).argmax(1, keepdim=True)
        exists = self.held.any(1)
        return (
            *(torch.where(exists, x.gather(1, slot).squeeze(1), 1.0) for x in (self.s_y, self.s_s, self.y_y)),
            exists,
        )

    def products(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of all pairs held."""
        return (*(torch.where(self.held, x, 1.0) for x in (self.s_y, self.s_s, self.y_y)), self.held)

    def write_(self, s: Tensor, y: Tensor, verdict: Verdict) -> Tensor:
        """Write an admitted pair into its slot; return the slot of every run, (R, m)."""
        here = torch.arange(self.s.shape[1], device=self.head.device) == self.head.unsqueeze(1)
        new = here & verdict.admitted.unsqueeze(1)
        write_row_(self.s, s, self.head, verdict.admitted)
        write_row_(self.y, y, self.head, verdict.admitted)
        for name in ("s_y", "s_s", "y_y"):
            setattr(self, name, torch.where(new, getattr(verdict, name).unsqueeze(1), getattr(self, name)))
        return here

    def two_loops(self, v: Tensor, h0: InitialMatrix) -> Tensor:
        """H v by the two loops, in float64 but for H0."""
        order = self.age().argsort(dim=1)
        index = order.unsqueeze(2)
        S, Y = (x.take_along_dim(index, 1).double() for x in (self.s, self.y))
        held, s_y = self.held.take_along_dim(order, 1), self.s_y.take_along_dim(order, 1)
        q, alphas = v.double(), []
        for i in reversed(range(S.shape[1])):
            alpha = torch.where(held[:, i], (S[:, i] * q).sum(1) / s_y[:, i], 0.0).unsqueeze(1)
            alphas.append(alpha)
            q = q - torch.where(held[:, i : i + 1], alpha * Y[:, i], 0.0)
        r = h0.apply_(q.to(v.dtype)).double()
        for i, alpha in enumerate(reversed(alphas)):
            beta = ((Y[:, i] * r).sum(1) / s_y[:, i]).unsqueeze(1)
            r = r + torch.where(held[:, i : i + 1], (alpha - beta) * S[:, i], 0.0)
        return r.to(v.dtype)


@dataclass(frozen=True, kw_only=True)
class OneHeadForAllRuns(MemoryBase):
    """All runs write to the same slot next: a run which refuses a pair that another admits loses its oldest."""

    capacity: int = 4
    test: CurvatureTest = CautiousSS(eps=1e-4)

    def init(self, space: Space) -> Slots:
        return Slots.empty(space, self.capacity)

    def admit_(self, state: Slots, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = judge(move, y, self.test)
        some = verdict.admitted.any()
        here = state.write_(move.s, y, verdict)
        state.held = torch.where(here & some, verdict.admitted.unsqueeze(1), state.held)
        state.head = torch.remainder(state.head + some, self.capacity)
        return verdict

    def apply_(self, state: Slots, v: Tensor, h0: InitialMatrix) -> Tensor:
        return state.two_loops(v, h0)

    def reset_(self, state: Slots, where: Tensor) -> None:
        state.held = state.held & ~where.unsqueeze(1)


@dataclass
class Counted(Slots):
    """Slots in use are the first ``count``."""

    count: Tensor


@dataclass(frozen=True, kw_only=True)
class HeadStaysAtAReset(MemoryBase):
    """The slots in use are the first ``count``, and a reset leaves the head: the pair of before it comes back."""

    capacity: int = 5
    test: CurvatureTest = CautiousSS(eps=1e-4)
    declares: ClassVar[frozenset[str]] = frozenset({"fifo"})

    def init(self, space: Space) -> Counted:
        return Counted(**vars(Slots.empty(space, self.capacity)), count=space.counts())

    def _hold_(self, state: Counted, count: Tensor) -> None:
        state.count = count
        state.held = torch.arange(self.capacity, device=count.device) < count.unsqueeze(1)

    def admit_(self, state: Counted, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = judge(move, y, self.test)
        state.write_(move.s, y, verdict)
        state.head = torch.remainder(state.head + verdict.admitted, self.capacity)
        self._hold_(state, (state.count + verdict.admitted).clamp(max=self.capacity))
        return verdict

    def apply_(self, state: Counted, v: Tensor, h0: InitialMatrix) -> Tensor:
        return state.two_loops(v, h0)

    def reset_(self, state: Counted, where: Tensor) -> None:
        self._hold_(state, torch.where(where, 0, state.count))


@dataclass(frozen=True, kw_only=True)
class DisplacementOfTheWindow(Window):
    """It stores w_bar - w_ref for s, whatever displacement the pair generator made."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        return super().admit_(state, replace(move, s=move.w_bar - move.w_ref), y, operator)


@dataclass(frozen=True, kw_only=True)
class ParallelLeavesThoughTheNewIsRefused(AggregatedWindow):
    """The newest pair leaves for a parallel displacement whether or not that is admitted."""

    declares: ClassVar[frozenset[str]] = frozenset({"aggregated"})

    def store_(self, state: History, s: Tensor, y: Tensor, verdict: Verdict) -> None:
        _, s_s, _, exists = state.newest()
        cosine = dot(state.latest(), s).abs() / (s_s.sqrt() * verdict.s_s.sqrt())
        state.pop_(exists & (cosine > self.parallel))
        state.push_(s, y, verdict.admitted)


@dataclass(frozen=True, kw_only=True)
class VerdictOnTheRawPair(Repaired):
    """The pair is damped, judged and stored; the verdict tells the products that it had before."""

    by: Repair = LevenbergDamping(mu=0.2)
    of: MemoryPolicy = Window(test=CautiousSS(eps=0.0))
    declares: ClassVar[frozenset[str]] = frozenset({"damped ss", "newest"})

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        admitted = super().admit_(state, move, y, operator).admitted
        return Verdict(admitted, dot(move.s, y), dot(move.s, move.s), dot(y, y))


@dataclass(frozen=True, kw_only=True)
class SoftWhereCurvatureIsSmall(Window):
    """Pairs of small curvature are softened in H, and B stays that of the pairs as they are."""

    least: float = 0.5

    def store_(self, state: History, s: Tensor, y: Tensor, verdict: Verdict) -> None:
        lacking = (self.least * verdict.s_s - verdict.s_y).clamp(min=0.0)
        state.push_(s, y, verdict.admitted, soften=lacking)


@dataclass
class Cached(DenseMatrices):
    """With H itself, as it was when it was asked for first."""

    H: Tensor
    stale: Tensor


@dataclass(frozen=True, kw_only=True)
class MatrixOfTheFirstProduct(Dense):
    """The product with H keeps the matrix until the next pair, though H0 changes at every step."""

    def init(self, space: Space) -> Cached:
        return Cached(**vars(super().init(space)), H=space.scalars(space.size, space.size), stale=space.mask(True))

    def admit_(self, state: Cached, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        state.stale = state.stale | verdict.admitted
        return verdict

    def apply_(self, state: Cached, v: Tensor, h0: InitialMatrix) -> Tensor:
        n = v.shape[1]
        eye = torch.eye(n, dtype=v.dtype, device=v.device).unsqueeze(1).expand(n, *v.shape)
        H0 = torch.stack([h0.apply_(e.clone()) for e in eye], dim=2).double()
        made = state.P @ H0 @ state.P.mT + state.Q
        state.H = torch.where(state.stale.view(-1, 1, 1), made, state.H)
        state.stale = torch.zeros_like(state.stale)
        return (state.H @ v.double().unsqueeze(2)).squeeze(2).to(v.dtype)

    def reset_(self, state: Cached, where: Tensor) -> None:
        super().reset_(state, where)
        state.stale = state.stale | where


@dataclass(frozen=True, kw_only=True)
class ProductByPolarisation(Window):
    """s'y = (|s + y|^2 - |s|^2 - |y|^2) / 2: it is lost where one is far longer than the other."""

    test: CurvatureTest = CautiousSS(eps=1e-4)
    declares: ClassVar[frozenset[str]] = frozenset({"cautious ss"})

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        both, s_s, y_y = (dot(v, v) for v in (move.s + y, move.s, y))
        s_y = (both - s_s - y_y) / 2
        finite = torch.isfinite(s_y) & (s_s > 0) & (y_y > 0)
        verdict = Verdict(move.where & finite & (s_y > 0) & self.test.accept(s_y, s_s, y_y), s_y, s_s, y_y)
        self.store_(state, move.s, y, verdict)
        return verdict


@dataclass(frozen=True, kw_only=True)
class JudgedBeforeItIsRounded(Window):
    """The pair is judged as it came and stored in bfloat16, where s'y may have another sign."""

    dtype: torch.dtype | None = torch.bfloat16
    declares: ClassVar[frozenset[str]] = frozenset({"rounded pairs"})

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = judge(move, y, self.test)
        self.store_(state, move.s, y, verdict)
        return verdict


@dataclass(frozen=True, kw_only=True)
class AdmittedIfByAllBlocks(BlockDiagonal):
    """The verdict says admitted only if every block could take its part, while those that can have taken it."""

    of: MemoryPolicy = Window(test=CautiousSS(eps=0.0))

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        parts = zip(self._split(state, move.s), self._split(state, y), strict=True)
        every = torch.stack([dot(s, part) > 0 for s, part in parts]).all(0)
        return replace(verdict, admitted=verdict.admitted & every)


@dataclass(frozen=True, kw_only=True)
class InvertibleAroundWhatIsNot(Wrapping):
    """It says invertible, and the memory inside has no products with B."""

    of: MemoryPolicy = SoftWindow()
    invertible: ClassVar[bool] = True

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        far = dot(move.s, move.s) > 1e-14 * dot(move.w_ref, move.w_ref)
        return self.of.admit_(state, replace(move, where=move.where & far), y, operator)


@dataclass(frozen=True, kw_only=True)
class TheRefusedIsTheNewest(Dense):
    """A refused pair leaves the matrices alone, but it becomes the newest for the scaling once there is one."""

    def admit_(self, state: DenseMatrices, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        for name in ("s_y", "s_s", "y_y"):
            setattr(state, name, torch.where(move.where, getattr(verdict, name), getattr(state, name)))
        return verdict


@dataclass(frozen=True, kw_only=True)
class EvictedBeforeItIsJudged(Window):
    """A full window makes room before the pair is judged: after a refusal it holds one pair fewer."""

    capacity: int = 4
    declares: ClassVar[frozenset[str]] = frozenset({"fifo"})

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        full = move.where & (state.count == self.capacity)
        slots = torch.arange(self.capacity, device=state.head.device)
        oldest = (slots == state.head.unsqueeze(1)) & full.unsqueeze(1)
        state.held = state.held & ~oldest
        state.count = state.count - full.long()
        return super().admit_(state, move, y, operator)


@dataclass(frozen=True, kw_only=True)
class TwoLoopsInFloat64(MemoryBase):
    """Right: the two loops, all in float64 but for H0, with a ring for each run; no products with B."""

    capacity: int = 6
    test: CurvatureTest = CautiousSS(eps=1e-4)

    def init(self, space: Space) -> Slots:
        return Slots.empty(space, self.capacity, torch.float64)

    def admit_(self, state: Slots, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = judge(move, y, self.test)
        here = state.write_(move.s, y, verdict)
        state.held = state.held | (here & verdict.admitted.unsqueeze(1))
        state.head = torch.remainder(state.head + verdict.admitted, self.capacity)
        return verdict

    def apply_(self, state: Slots, v: Tensor, h0: InitialMatrix) -> Tensor:
        return state.two_loops(v, h0)

    def reset_(self, state: Slots, where: Tensor) -> None:
        state.held = state.held & ~where.unsqueeze(1)


@dataclass(frozen=True, kw_only=True)
class PairsOfLengthOne(Window):
    """Right: the pair held is (s, y) / |s|, of which H is the same; it is judged as it came."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = judge(move, y, self.test)
        length = verdict.s_s.sqrt().unsqueeze(1)
        s, change = ((x.double() / length).to(x.dtype) for x in (move.s, y))
        self.store_(state, s, change, verdict)
        return verdict


@dataclass(frozen=True, kw_only=True)
class StricterThanItsWindow(Window):
    """Right: a pair must have s'y > 0 by a margin on both sides, eps s's and eps y'y."""

    eps: float = 1e-3

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        s_y, s_s, y_y = dot(move.s, y), dot(move.s, move.s), dot(y, y)
        allowed = (s_y > self.eps * s_s) & (s_y > self.eps * y_y)
        return super().admit_(state, replace(move, where=move.where & allowed), y, operator)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.MEMORY: {
        "one_head_for_the_rings_of_all_runs": OneHeadForAllRuns,
        "reset_leaves_the_head_and_the_old_pair_comes_back": HeadStaysAtAReset,
        "stores_the_displacement_of_the_window_for_that_of_the_pair": DisplacementOfTheWindow,
        "parallel_pair_leaves_though_the_new_one_is_refused": ParallelLeavesThoughTheNewIsRefused,
        "verdict_tells_the_pair_before_its_repair": VerdictOnTheRawPair,
        "inverse_knows_nothing_of_the_softness_of_some_pairs": SoftWhereCurvatureIsSmall,
        "product_keeps_the_matrix_around_an_old_h0": MatrixOfTheFirstProduct,
        "product_of_short_and_long_by_polarisation": ProductByPolarisation,
        "judged_before_it_is_rounded": JudgedBeforeItIsRounded,
        "refused_by_one_block_and_stored_in_the_others": AdmittedIfByAllBlocks,
        "says_invertible_around_a_memory_that_is_not": InvertibleAroundWhatIsNot,
        "refused_pair_becomes_the_newest": TheRefusedIsTheNewest,
        "full_window_evicts_for_a_pair_that_it_refuses": EvictedBeforeItIsJudged,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.MEMORY: {
        "two_loops_in_float64": TwoLoopsInFloat64,
        "pairs_of_length_one": PairsOfLengthOne,
        "margins_on_both_sides": StricterThanItsWindow,
    }
}
