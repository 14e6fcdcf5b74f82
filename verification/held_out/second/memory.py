"""Memories: nine wrong ones and four unusual right ones; and two unusual right operators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adaqn_lab import ring
from adaqn_lab.bases import MemoryBase
from adaqn_lab.history import History
from adaqn_lab.linalg import dot, write_row_
from adaqn_lab.memory import CautiousSS, CautiousYY, SoftWindow, Window
from adaqn_lab.memory.admission import judge
from adaqn_lab.memory.curvature_tests import CurvatureTest
from adaqn_lab.protocols import Displacement, InitialMatrix, Operator, Verdict
from adaqn_lab.space import Space
from verification.law import Subject

NAMES = ("s_y", "s_s", "y_y")


@dataclass
class Held:
    """Pairs (R, m, n) in a ring, their products ``numbers`` (R, m, 3); ``head``, ``count`` (R,)."""

    s: Tensor
    y: Tensor
    numbers: Tensor
    head: Tensor
    count: Tensor

    def in_time(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """S, Y (R, m, n), s'y and whether held (R, m), oldest first; zeros and ones where nothing is held."""
        m = self.s.shape[1]
        order = ring.age(self.head, m).argsort(dim=1)
        held = ring.held(self.head, self.count, m).take_along_dim(order, 1)
        s, y = (
            torch.where(held.unsqueeze(2), rows.take_along_dim(order.unsqueeze(2), 1), 0.0) for rows in (self.s, self.y)
        )
        return s, y, torch.where(held, self.numbers[:, :, 0].take_along_dim(order, 1), 1.0), held

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        exists = self.count > 0
        slot = torch.remainder(self.head - 1, self.s.shape[1]).view(-1, 1, 1).expand(-1, 1, 3)
        s_y, s_s, y_y = (torch.where(exists, x, 1.0) for x in self.numbers.gather(1, slot).squeeze(1).unbind(1))
        return s_y, s_s, y_y, exists

    def products(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        held = ring.held(self.head, self.count, self.s.shape[1])
        s_y, s_s, y_y = (torch.where(held, x, 1.0) for x in self.numbers.unbind(2))
        return s_y, s_s, y_y, held


@dataclass(frozen=True, kw_only=True)
class Recursion(MemoryBase):
    """The two-loop recursion over pairs in a ring."""

    capacity: int = 4
    test: CurvatureTest = CautiousSS(eps=1e-6)

    def init(self, space: Space) -> Any:
        m = self.capacity
        return Held(space.zeros(m), space.zeros(m), space.scalars(m, 3, fill=1.0), space.counts(), space.counts())

    def judged(self, move: Displacement, y: Tensor) -> Verdict:
        """What is said of the pair."""
        return judge(move, y, self.test)

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = self.judged(move, y)
        self.write_(state, move.s, y, verdict)
        state.head, state.count = self.advanced(state, verdict.admitted)
        return verdict

    def write_(self, state: Held, s: Tensor, y: Tensor, verdict: Verdict) -> None:
        """Put the pair into the slots at the heads."""
        where = verdict.admitted
        write_row_(state.s, s, state.head, where)
        write_row_(state.y, y, state.head, where)
        here = (torch.arange(self.capacity, device=where.device) == state.head.unsqueeze(1)) & where.unsqueeze(1)
        new = torch.stack([getattr(verdict, name) for name in NAMES], dim=1).unsqueeze(1)
        state.numbers = torch.where(here.unsqueeze(2), new, state.numbers)

    def advanced(self, state: Held, where: Tensor) -> tuple[Tensor, Tensor]:
        """The heads and counts after that."""
        return ring.advanced(state.head, state.count, self.capacity, where)

    def back(self) -> list[int]:
        """The order of the second loop."""
        return list(range(self.capacity))

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        s, y, s_y, held = state.in_time()
        S, Y = ([row.contiguous() for row in rows.unbind(1)] for rows in (s, y))
        alphas = [torch.zeros_like(x) for x in s_y.unbind(1)]
        for i in reversed(range(self.capacity)):
            alphas[i] = torch.where(held[:, i], dot(S[i], v) / s_y[:, i], 0.0)
            v = v - alphas[i].to(v.dtype).unsqueeze(1) * Y[i]
        v = h0.apply_(v)
        for i in self.back():
            beta = torch.where(held[:, i], dot(Y[i], v) / s_y[:, i], 0.0)
            v = v + (alphas[i] - beta).to(v.dtype).unsqueeze(1) * S[i]
        return v

    def reset_(self, state: Any, where: Tensor) -> None:
        state.head, state.count = ring.cleared(state.head, state.count, where)


@dataclass
class HeldAndTried(Held):
    """And the products ``last`` (R, 3) of the pair last tried."""

    last: Tensor

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        exists = self.count > 0
        s_y, s_s, y_y = (torch.where(exists, x, 1.0) for x in self.last.unbind(1))
        return s_y, s_s, y_y, exists


@dataclass(frozen=True, kw_only=True)
class NewestTried(Recursion):
    """``newest`` answers with the pair last tried, a refused one too: the length of H0 may become negative."""

    def init(self, space: Space) -> HeldAndTried:
        held = super().init(space)
        return HeldAndTried(held.s, held.y, held.numbers, held.head, held.count, space.scalars(3, fill=1.0))

    def admit_(self, state: HeldAndTried, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        verdict = super().admit_(state, move, y, operator)
        tried = torch.stack([getattr(verdict, name) for name in NAMES], dim=1)
        state.last = torch.where(move.where.unsqueeze(1), tried, state.last)
        return verdict


@dataclass(frozen=True, kw_only=True)
class FewIterations(Window):
    """B v by five steps of conjugate gradients on H x = v: right while few pairs lie around a multiple of I."""

    iterations: int = 5

    declares: ClassVar[frozenset[str]] = frozenset({"invertible"})

    def solve_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        x, r = torch.zeros_like(v), v.clone()
        p, r_r = r.clone(), dot(r, r)
        for _ in range(self.iterations):
            h_p = self.apply_(state, p.clone(), h0)
            p_h_p = dot(p, h_p)
            alpha = torch.where(p_h_p > 0, r_r / p_h_p, 0.0).to(v.dtype).unsqueeze(1)
            x, r = x + alpha * p, r - alpha * h_p
            following = dot(r, r)
            p = r + torch.where(r_r > 0, following / r_r, 0.0).to(v.dtype).unsqueeze(1) * p
            r_r = following
        return x


@dataclass(frozen=True, kw_only=True)
class BothLoopsNewestFirst(Recursion):
    """The second loop goes from the newest pair to the oldest as the first does: right for one pair."""

    def back(self) -> list[int]:
        return list(reversed(range(self.capacity)))


@dataclass(frozen=True, kw_only=True)
class HeadsMoveTogether(Recursion):
    """All heads move where any run admits a pair: the others' last slots are then not those that were written."""

    def advanced(self, state: Held, where: Tensor) -> tuple[Tensor, Tensor]:
        head = torch.remainder(state.head + where.any().long(), self.capacity)
        return head, (state.count + where).clamp(max=self.capacity)


@dataclass(frozen=True, kw_only=True)
class ClippedProduct(Window):
    """No product is longer than ``most`` times the vector: H is not linear."""

    most: float = 10.0

    def apply_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        allowed = self.most * dot(v, v).sqrt()
        product = super().apply_(state, v, h0)
        length = dot(product, product).sqrt()
        shrink = torch.where(length > allowed, allowed / length, 1.0)
        return product.mul_(shrink.to(v.dtype).unsqueeze(1))


@dataclass(frozen=True, kw_only=True)
class DividesByTheLength(Window):
    """Brings v to length one for the products and back: H 0 is NaN, and a gradient of zeros costs the pairs."""

    def apply_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        length = dot(v, v).sqrt().to(v.dtype).unsqueeze(1)
        return super().apply_(state, v.div_(length), h0).mul_(length)


@dataclass(frozen=True, kw_only=True)
class SoftAndInvertible(SoftWindow):
    """Says that it has products with B and makes them from the compact form of hard pairs, for the soft ones it has."""

    softness: float = 0.05

    invertible: ClassVar[bool] = True

    def solve_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        return state.solve_(v, h0)


@dataclass(frozen=True, kw_only=True)
class ToldButNotStored(Window):
    """Does not store a displacement parallel to the newest, and says that the pair was admitted."""

    parallel: float = 0.99

    declares: ClassVar[frozenset[str]] = frozenset({"newest"})

    def store_(self, state: History, s: Tensor, y: Tensor, verdict: Verdict) -> None:
        _, s_s, _, exists = state.newest()
        cosine = dot(state.latest(), s).abs() / (s_s * verdict.s_s).sqrt()
        new = ~(exists & (cosine > self.parallel))
        super().store_(state, s, y, replace(verdict, admitted=verdict.admitted & new))


@dataclass(frozen=True, kw_only=True)
class SinglePrecisionProducts(Recursion):
    """s'y, s's, y'y are float32 sums turned to float64: tiny pairs underflow and are refused, digits are lost."""

    declares: ClassVar[frozenset[str]] = frozenset({"cautious ss"})

    def judged(self, move: Displacement, y: Tensor) -> Verdict:
        s_y, s_s, y_y = ((a.float() * b.float()).sum(1).double() for a, b in ((move.s, y), (move.s, move.s), (y, y)))
        sound = torch.isfinite(s_y) & torch.isfinite(s_s) & torch.isfinite(y_y) & (s_y > 0)
        return Verdict(move.where & sound & self.test.accept(s_y, s_s, y_y), s_y, s_s, y_y)


# -- right ones --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class CompactInDouble(Recursion):
    """Right: the same H by the compact form of Byrd, Nocedal & Schnabel with Y'H0Y, float64, for any H0."""

    test: CurvatureTest = CautiousYY(eps=1e-4)

    declares: ClassVar[frozenset[str]] = frozenset({"fifo", "newest"})

    def apply_(self, state: Held, v: Tensor, h0: InitialMatrix) -> Tensor:
        s, y, s_y, held = state.in_time()
        h_y = torch.stack([h0.apply_(row.clone()) for row in y.unbind(1)], dim=1).double()
        h_v = h0.apply_(v.clone()).double().unsqueeze(2)
        s, y, u = s.double(), y.double(), v.double().unsqueeze(2)
        R = (s @ y.mT).triu(1) + torch.diag_embed(s_y)
        a = torch.linalg.solve_triangular(R, s @ u, upper=True)
        inner = (torch.diag_embed(torch.where(held, s_y, 0.0)) + y @ h_y.mT) @ a - y @ h_v
        c = torch.linalg.solve_triangular(R.mT, inner, upper=False)
        product: Tensor = (h_v + s.mT @ c - h_y.mT @ a).squeeze(2).to(v.dtype)
        return product


@dataclass
class Fading:
    """A history and the pairs refused in a row, ``refusals`` (R,)."""

    history: History
    refusals: Tensor

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.history.newest()

    def products(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.history.products()


@dataclass(frozen=True, kw_only=True)
class RefusalsFade(MemoryBase):
    """Right: L-BFGS whose oldest pair also leaves at every third refusal in a row, each run by itself."""

    capacity: int = 6
    refusals: int = 3
    test: CurvatureTest = CautiousSS(eps=1e-5)

    invertible: ClassVar[bool] = True

    def init(self, space: Space) -> Fading:
        return Fading(History.empty(space, self.capacity), space.counts())

    def admit_(self, state: Fading, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        own, verdict = state.history, judge(move, y, self.test)
        own.push_(move.s, y, verdict.admitted)
        refused = move.where & ~verdict.admitted
        in_a_row = torch.where(verdict.admitted, 0, state.refusals + refused.long())
        leaves = refused & (in_a_row == self.refusals)
        own.count = (own.count - leaves.long()).clamp(min=0)
        own.held = ring.held(own.head, own.count, self.capacity)
        state.refusals = in_a_row.masked_fill(leaves, 0)
        return verdict

    def apply_(self, state: Fading, v: Tensor, h0: InitialMatrix) -> Tensor:
        return state.history.apply_(v, h0)

    def solve_(self, state: Fading, v: Tensor, h0: InitialMatrix) -> Tensor:
        return state.history.solve_(v, h0)

    def reset_(self, state: Fading, where: Tensor) -> None:
        state.history.clear_(where)
        state.refusals = state.refusals.masked_fill(where, 0)


@dataclass(frozen=True, kw_only=True)
class DavidonFletcherPowell(Recursion):
    """Right: H <- H - H y y'H / y'Hy + s s' / s'y from H0 on, over the pairs held: DFP in limited memory, float64."""

    capacity: int = 3

    def apply_(self, state: Held, v: Tensor, h0: InitialMatrix) -> Tensor:
        s, y, s_y, held = state.in_time()
        Y = [row.contiguous() for row in y.unbind(1)]
        s, y = s.double(), y.double()
        h = torch.stack([h0.apply_(row.clone()) for row in (*Y, v.clone())], dim=1).double()
        u = torch.cat([y, v.double().unsqueeze(1)], dim=1)
        for i in range(self.capacity):  # the rows of h from i on are H y_i, ..., H v of the H before pair i
            h_y, where = h[:, i : i + 1], held[:, i].view(-1, 1, 1)
            y_h_y = torch.where(where, (h_y * y[:, i : i + 1]).sum(2, keepdim=True), 1.0)
            off = (u @ h_y.mT) / y_h_y * h_y
            on = (u @ s[:, i : i + 1].mT) / s_y[:, i].view(-1, 1, 1) * s[:, i : i + 1]
            h = torch.where(where, h - off + on, h)
        return h[:, -1].to(v.dtype)


@dataclass(frozen=True, kw_only=True)
class UnitDisplacements(Window):
    """Right: holds and judges (s, y) / |s|: H and s'y / y'y are those of (s, y); the verdict is on the pair held."""

    test: CurvatureTest = CautiousSS(eps=1e-4)

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        length = dot(move.s, move.s).sqrt()
        length = torch.where(length > 0, length, 1.0).to(y.dtype).unsqueeze(1)
        return super().admit_(state, replace(move, s=move.s / length), y / length, operator)


# -- operators ---------------------------------------------------------------------------------------------------

Array = NDArray[np.float64]


def hessian_solved(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """Right: B by BFGS's own update from diag(1 / h0), and B d = g solved: no inverse update anywhere."""
    B = np.diag(1.0 / h0)
    for s, y in zip(S, Y, strict=True):
        b_s = B @ s
        B = B - np.outer(b_s, b_s) / (s @ b_s) + np.outer(y, y) / (s @ y)
    return np.asarray(np.linalg.solve((B + B.T) / 2, g))


def in_coefficients(S: Array, Y: Array, h0: Array, g: Array) -> Array:
    """Right: the two-loop recursion on the coefficients of s_i, H0 y_i and H0 g; vectors meet in dot products only."""
    m = len(S)
    s_y, s_g, y_h_y, y_h_g = S @ Y.T, S @ g, (Y * h0) @ Y.T, (Y * h0) @ g
    alpha, c = np.zeros(m), np.zeros(m)
    for i in reversed(range(m)):
        alpha[i] = (s_g[i] - s_y[i, i + 1 :] @ alpha[i + 1 :]) / s_y[i, i]
    for i in range(m):
        beta = (y_h_g[i] - y_h_y[i] @ alpha + c[:i] @ s_y[:i, i]) / s_y[i, i]
        c[i] = alpha[i] - beta
    return np.asarray(h0 * (g - alpha @ Y) + c @ S)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.MEMORY: {
        "newest_is_the_last_tried": NewestTried,
        "inverse_by_a_few_iterations": FewIterations,
        "both_loops_newest_first": BothLoopsNewestFirst,
        "heads_move_together": HeadsMoveTogether,
        "product_is_clipped": ClippedProduct,
        "zero_vector_divides_by_its_length": DividesByTheLength,
        "hard_inverse_of_soft_pairs": SoftAndInvertible,
        "admitted_but_not_stored": ToldButNotStored,
        "products_summed_in_float32": SinglePrecisionProducts,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.MEMORY: {
        "compact_form_in_double": CompactInDouble,
        "refusals_fade_the_oldest": RefusalsFade,
        "davidon_fletcher_powell": DavidonFletcherPowell,
        "unit_displacements": UnitDisplacements,
    },
    Subject.OPERATOR: {
        "hessian_form_solved": lambda: hessian_solved,
        "recursion_in_coefficients": lambda: in_coefficients,
    },
}
