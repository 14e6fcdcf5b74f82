"""Memory policies: wrong ones, and unusual ones that are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import CautiousSS, Dense, LevenbergDamping, Repaired, Window
from adaqn_lab.bases import CurvatureBase, MemoryBase
from adaqn_lab.history import History
from adaqn_lab.linalg import dot
from adaqn_lab.memory.admission import judge
from adaqn_lab.memory.dense import DenseMatrices
from adaqn_lab.protocols import Displacement, InitialMatrix, Operator, Verdict
from adaqn_lab.space import Space
from verification.law import Subject

TEST = CautiousSS(eps=1e-6)


@dataclass
class Rows:
    """``s``, ``y`` (R, m, n), the newest pair in the last row; ``held`` (R, m) bool."""

    s: Tensor
    y: Tensor
    held: Tensor

    @classmethod
    def empty(cls, space: Space, m: int) -> Rows:
        """Nothing is held."""
        return cls(space.zeros(m), space.zeros(m), space.scalars(m).bool())

    def push_(self, s: Tensor, y: Tensor, where: Tensor) -> None:
        """The rows of the runs in ``where`` move up by one."""
        for name, new in (("s", s), ("y", y)):
            old = getattr(self, name)
            moved = torch.cat([old[:, 1:], new.unsqueeze(1)], dim=1)
            setattr(self, name, torch.where(where.view(-1, 1, 1), moved, old))
        held = torch.cat([self.held[:, 1:], torch.ones_like(self.held[:, :1])], dim=1)
        self.held = torch.where(where.unsqueeze(1), held, self.held)

    def products(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """s'y, s's, y'y of every row, ones where nothing is held."""
        s, y = self.s.double(), self.y.double()
        values = [torch.where(self.held, (a * b).sum(2), 1.0) for a, b in ((s, y), (s, s), (y, y))]
        return values[0], values[1], values[2], self.held.clone()

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Those of the last row."""
        s_y, s_s, y_y, held = self.products()
        return s_y[:, -1], s_s[:, -1], y_y[:, -1], held[:, -1]


def two_loop(S: Tensor, Y: Tensor, s_y: Tensor, held: Tensor, v: Tensor, h0: InitialMatrix) -> Tensor:
    """H v in float64, rows oldest first."""
    q = v.double()
    rho = torch.where(held, 1.0 / s_y, 0.0)
    alphas = []
    for i in reversed(range(S.shape[1])):
        alphas.append(rho[:, i] * (S[:, i].double() * q).sum(1))
        q = q - alphas[-1].unsqueeze(1) * Y[:, i].double()
    r = h0.apply_(q.to(v.dtype)).double()
    for i in range(S.shape[1]):
        beta = rho[:, i] * (Y[:, i].double() * r).sum(1)
        r = r + (alphas.pop() - beta).unsqueeze(1) * S[:, i].double()
    return r.to(v.dtype)


@dataclass(frozen=True, kw_only=True)
class Listed(MemoryBase):
    """What the memories of rows share."""

    capacity: int = 6
    test: CautiousSS = TEST

    def init(self, space: Space) -> Any:
        """Nothing is held."""
        return Rows.empty(space, self.capacity)

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        """Push what the test admits."""
        verdict = judge(move, y, self.test)
        state.push_(move.s, y, verdict.admitted)
        return verdict

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Two loops."""
        return two_loop(state.s, state.y, state.products()[0], state.held, v, h0)

    def reset_(self, state: Any, where: Tensor) -> None:
        """Nothing is held any more."""
        state.held = state.held & ~where.unsqueeze(1)


@dataclass
class RowsAndGram(Rows):
    """And ``gram`` (R, m, m) = Y H0 Y' where it is ``fresh`` (R,)."""

    gram: Tensor
    fresh: Tensor


@dataclass(frozen=True, kw_only=True)
class CompactWithOldGram(Listed):
    """The compact form keeps Y H0 Y' until the next pair, while H0 moves at every step."""

    declares: ClassVar[frozenset[str]] = frozenset({"fifo"})

    def init(self, space: Space) -> RowsAndGram:
        rows = Rows.empty(space, self.capacity)
        gram = space.scalars(self.capacity, self.capacity)
        return RowsAndGram(rows.s, rows.y, rows.held, gram, space.mask(False))

    def admit_(self, state: RowsAndGram, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        state.fresh = state.fresh & ~verdict.admitted
        return verdict

    def apply_(self, state: RowsAndGram, v: Tensor, h0: InitialMatrix) -> Tensor:
        held = state.held.unsqueeze(2)
        S, Y = (torch.where(held, rows, 0.0).double() for rows in (state.s, state.y))
        H0Y = torch.stack([h0.apply_(row.to(v.dtype)).double() for row in Y.clone().unbind(1)], dim=1)
        state.gram = torch.where(state.fresh.view(-1, 1, 1), state.gram, Y @ H0Y.mT)
        state.fresh = torch.ones_like(state.fresh)
        SY = S @ Y.mT
        R = SY.triu() + torch.diag_embed((~state.held).double())
        D = torch.diag_embed(SY.diagonal(dim1=1, dim2=2))
        u = v.double().unsqueeze(2)
        p = torch.linalg.solve_triangular(R, S @ u, upper=True)
        middle = (D + state.gram) @ p - H0Y @ u
        top = torch.linalg.solve_triangular(R.mT, middle, upper=False)
        product = S.mT @ top - H0Y.mT @ p
        return (h0.apply_(v).double() + product.squeeze(2)).to(v.dtype)

    def reset_(self, state: RowsAndGram, where: Tensor) -> None:
        super().reset_(state, where)
        state.fresh = state.fresh & ~where


@dataclass(frozen=True, kw_only=True)
class EachByItsLength(Listed):
    """Against overflow s is divided by |s| and y by |y|, which is another pair unless the two are equal."""

    declares: ClassVar[frozenset[str]] = frozenset({"fifo"})

    def admit_(self, state: Rows, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = judge(move, y, self.test)
        s, y = (x / torch.linalg.vector_norm(x, dim=1, keepdim=True) for x in (move.s, y))
        state.push_(s, y, verdict.admitted)
        return verdict


class UpdateOfB(Dense):
    """The roles of s and y are exchanged: the BFGS formula of H with V = I - rho y s' and rho y y', H+ s = y."""

    declares: ClassVar[frozenset[str]] = frozenset({"dense"})

    def admit_(self, state: DenseMatrices, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, replace(move, s=y), move.s, operator)
        s_s, y_y = verdict.y_y, verdict.s_s
        state.s_s = torch.where(verdict.admitted, s_s, state.s_s)
        state.y_y = torch.where(verdict.admitted, y_y, state.y_y)
        return Verdict(verdict.admitted, verdict.s_y, s_s, y_y)


@dataclass
class RowsAndProducts:
    """Rows, the newest last, and s'y, s's, y'y of each, (R, m)."""

    s: Tensor
    y: Tensor
    s_y: Tensor
    s_s: Tensor
    y_y: Tensor
    held: Tensor

    def products(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As they were stored, ones where nothing is held."""
        values = [torch.where(self.held, x, 1.0) for x in (self.s_y, self.s_s, self.y_y)]
        return values[0], values[1], values[2], self.held.clone()

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Those of the last row."""
        s_y, s_s, y_y, held = self.products()
        return s_y[:, -1], s_s[:, -1], y_y[:, -1], held[:, -1]


@dataclass(frozen=True, kw_only=True)
class ReplacesParallel(Listed):
    """A pair along the newest one takes its rows, and s'y, s's, y'y stay those of the pair that left."""

    parallel: float = 0.95

    def init(self, space: Space) -> RowsAndProducts:
        rows = Rows.empty(space, self.capacity)
        s_y, s_s, y_y = (space.scalars(self.capacity, fill=1.0) for _ in range(3))
        return RowsAndProducts(rows.s, rows.y, s_y, s_s, y_y, rows.held)

    def admit_(self, state: RowsAndProducts, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = judge(move, y, self.test)
        newest = state.s[:, -1].contiguous()
        cosine = dot(newest, move.s).abs() / (dot(newest, newest) * verdict.s_s).sqrt()
        along = verdict.admitted & state.held[:, -1] & (cosine > self.parallel)
        pushed = verdict.admitted & ~along
        for name, new in (("s", move.s), ("y", y)):
            old = getattr(state, name)
            replaced = torch.cat([old[:, :-1], new.unsqueeze(1)], dim=1)
            moved = torch.cat([old[:, 1:], new.unsqueeze(1)], dim=1)
            old = torch.where(along.view(-1, 1, 1), replaced, old)
            setattr(state, name, torch.where(pushed.view(-1, 1, 1), moved, old))
        for name, value in (("s_y", verdict.s_y), ("s_s", verdict.s_s), ("y_y", verdict.y_y)):
            old = getattr(state, name)
            moved = torch.cat([old[:, 1:], value.unsqueeze(1)], dim=1)
            setattr(state, name, torch.where(pushed.unsqueeze(1), moved, old))
        held = torch.cat([state.held[:, 1:], torch.ones_like(state.held[:, :1])], dim=1)
        state.held = torch.where(pushed.unsqueeze(1), held, state.held)
        return verdict


class ToldBeforeRounding(Window):
    """The rows are bfloat16, and the pair is judged, and its verdict told, as it was before it was rounded."""

    declares: ClassVar[frozenset[str]] = frozenset({"rounded pairs"})

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = judge(move, y, self.test)
        state.push_(move.s, y, verdict.admitted)
        return verdict


class JudgedBeforeRepair(Repaired):
    """A pair of negative curvature is refused before the damping that was to repair it."""

    declares: ClassVar[frozenset[str]] = frozenset({"damped ss"})

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        where = move.where & (dot(move.s, y) > 0)
        return super().admit_(state, replace(move, where=where), y, operator)


@dataclass
class Circle(Rows):
    """Rows in a circle; ``following`` (R,): the row to write next."""

    following: Tensor

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Those of the newest row."""
        slot = ((self.following - 1) % self.s.shape[1]).unsqueeze(1)
        s_y, s_s, y_y, held = (x.gather(1, slot).squeeze(1) for x in self.products())
        return s_y, s_s, y_y, held


@dataclass(frozen=True, kw_only=True)
class WritesBeforeItJudges(Listed):
    """A pair is written into the next row, then judged: a refused one has destroyed the oldest of a full list."""

    def init(self, space: Space) -> Circle:
        rows = Rows.empty(space, self.capacity)
        return Circle(rows.s, rows.y, rows.held, space.counts())

    def admit_(self, state: Circle, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = judge(move, y, self.test)
        slots = torch.arange(self.capacity, device=y.device)
        here = (slots == state.following.unsqueeze(1)) & move.where.unsqueeze(1)
        state.s = torch.where(here.unsqueeze(2), move.s.unsqueeze(1), state.s)
        state.y = torch.where(here.unsqueeze(2), y.unsqueeze(1), state.y)
        state.held = state.held | (here & verdict.admitted.unsqueeze(1))
        state.following = (state.following + verdict.admitted.long()) % self.capacity
        return verdict

    def _in_time(self, state: Circle) -> Rows:
        order = (state.following.unsqueeze(1) + torch.arange(self.capacity, device=state.s.device)) % self.capacity
        index = order.unsqueeze(2).expand_as(state.s)
        return Rows(state.s.gather(1, index), state.y.gather(1, index), state.held.gather(1, order))

    def apply_(self, state: Circle, v: Tensor, h0: InitialMatrix) -> Tensor:
        return super().apply_(self._in_time(state), v, h0)

    def reset_(self, state: Circle, where: Tensor) -> None:
        super().reset_(state, where)
        state.following = state.following.masked_fill(where, 0)


@dataclass(frozen=True, kw_only=True)
class InverseByFewIterations(Listed):
    """B v by capacity + 1 conjugate gradients with H: enough for one rank-one term a pair around gamma I."""

    capacity: int = 3

    declares: ClassVar[frozenset[str]] = frozenset({"invertible"})
    invertible: ClassVar[bool] = True

    def solve_(self, state: Rows, v: Tensor, h0: InitialMatrix) -> Tensor:
        x, r = torch.zeros_like(v, dtype=torch.float64), v.double()
        p, square = r.clone(), r.square().sum(1)
        for _ in range(self.capacity + 1):
            product = self.apply_(state, p.to(v.dtype), h0).double()
            curvature = (p * product).sum(1)
            step = torch.where(curvature > 0, square / curvature, 0.0)
            x = x + step.unsqueeze(1) * p
            r = r - step.unsqueeze(1) * product
            new = r.square().sum(1)
            p = r + torch.where(square > 0, new / square, 0.0).unsqueeze(1) * p
            square = new
        return x.to(v.dtype)


@dataclass(frozen=True, kw_only=True)
class RowsThatMoveUp(Listed):
    """Right: the rows move up at a push instead of an index, and the two loops run in float64."""

    declares: ClassVar[frozenset[str]] = frozenset({"fifo", "newest"})


@dataclass(frozen=True, kw_only=True)
class Unrolled(Listed):
    """Right: H v by recursion on the pairs, B v by the unrolled formula with the vectors B_i s_i."""

    capacity: int = 4

    declares: ClassVar[frozenset[str]] = frozenset({"fifo", "newest", "invertible"})
    invertible: ClassVar[bool] = True

    def apply_(self, state: Rows, v: Tensor, h0: InitialMatrix) -> Tensor:
        S, Y, rho = state.s.double(), state.y.double(), torch.where(state.held, 1.0 / state.products()[0], 0.0)

        def H(pairs: int, u: Tensor) -> Tensor:
            """The matrix of the oldest ``pairs`` rows times u."""
            if pairs == 0:
                return h0.apply_(u.to(v.dtype).clone()).double()
            s, y, r = S[:, pairs - 1], Y[:, pairs - 1], rho[:, pairs - 1].unsqueeze(1)
            along = r * (s * u).sum(1, keepdim=True)
            inner = H(pairs - 1, u - along * y)
            return inner - r * (y * inner).sum(1, keepdim=True) * s + along * s

        return H(self.capacity, v.double()).to(v.dtype)

    def solve_(self, state: Rows, v: Tensor, h0: InitialMatrix) -> Tensor:
        S, Y, s_y = state.s.double(), state.y.double(), state.products()[0]
        terms: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []

        def B(u: Tensor) -> Tensor:
            """The matrix of the terms so far times u."""
            total = h0.solve_(u.to(v.dtype).clone()).double()
            for a, a_s, y, rho in terms:
                total = total + rho * (y * u).sum(1, keepdim=True) * y - a_s * (a * u).sum(1, keepdim=True) * a
            return total

        for i in range(self.capacity):
            held = state.held[:, i].unsqueeze(1)
            a = B(S[:, i])
            a_s = torch.where(held, 1.0 / (a * S[:, i]).sum(1, keepdim=True), 0.0)
            terms.append((a, a_s, Y[:, i], torch.where(held, 1.0 / s_y[:, i].unsqueeze(1), 0.0)))
        return B(v.double()).to(v.dtype)


@dataclass
class OnePair(CurvatureBase):
    """``s``, ``y`` (R, n) of the newest pair and whether it ``exists`` (R,)."""

    s: Tensor
    y: Tensor
    exists: Tensor

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Its s'y, s's, y'y."""
        values = (dot(self.s, self.y), dot(self.s, self.s), dot(self.y, self.y))
        s_y, s_s, y_y = (torch.where(self.exists, x, 1.0) for x in values)
        return s_y, s_s, y_y, self.exists.clone()


@dataclass(frozen=True, kw_only=True)
class MemorylessDFP(MemoryBase):
    """Right: DFP from H0 with the newest pair alone, H = H0 - H0 y y'H0 / y'H0 y + s s' / s'y: H y = s, positive."""

    test: CautiousSS = TEST

    def init(self, space: Space) -> OnePair:
        return OnePair(space.zeros(), space.zeros(), space.mask(False))

    def admit_(self, state: OnePair, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = judge(move, y, self.test)
        where = verdict.admitted.unsqueeze(1)
        state.s, state.y = torch.where(where, move.s, state.s), torch.where(where, y, state.y)
        state.exists = state.exists | verdict.admitted
        return verdict

    def apply_(self, state: OnePair, v: Tensor, h0: InitialMatrix) -> Tensor:
        s, u = state.s.double(), v.double().clone()
        y = state.y.double()
        unit = y / torch.where(state.exists, torch.linalg.vector_norm(y, dim=1), 1.0).unsqueeze(1)
        h0_y = h0.apply_(unit.to(v.dtype, copy=True)).double()
        along = (h0_y * u).sum(1) / (unit * h0_y).sum(1)
        change = s * ((s * u).sum(1) / (s * y).sum(1)).unsqueeze(1) - h0_y * along.unsqueeze(1)
        change = torch.where(state.exists.unsqueeze(1), change, 0.0)
        return (h0.apply_(v).double() + change).to(v.dtype)

    def reset_(self, state: OnePair, where: Tensor) -> None:
        state.exists = state.exists & ~where


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.MEMORY: {
        "gram_of_an_older_h0": CompactWithOldGram,
        "s_and_y_each_by_its_length": EachByItsLength,
        "update_of_b_taken_for_h": lambda: UpdateOfB(limit=4000),
        "products_of_the_pair_that_left": ReplacesParallel,
        "verdict_of_the_unrounded_pair": lambda: ToldBeforeRounding(capacity=6, dtype=torch.bfloat16),
        "judged_before_it_is_repaired": lambda: JudgedBeforeRepair(by=LevenbergDamping(), of=Window(capacity=5)),
        "refused_pair_destroys_the_oldest": WritesBeforeItJudges,
        "inverse_by_too_few_iterations": InverseByFewIterations,
    }
}
HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.MEMORY: {"rows_that_move_up": RowsThatMoveUp, "unrolled": Unrolled, "memoryless_dfp": MemorylessDFP}
}
