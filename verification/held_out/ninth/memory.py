"""Memories: eight wrong, three unusual but right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import BlockDiagonal, CautiousSS, CautiousYY, PowellB, Window
from adaqn_lab.bases import MemoryBase
from adaqn_lab.history import History
from adaqn_lab.linalg import dot
from adaqn_lab.memory.admission import judge
from adaqn_lab.memory.curvature_tests import CurvatureTest
from adaqn_lab.memory.repairs import Repair
from adaqn_lab.protocols import Displacement, InitialMatrix, MemoryPolicy, Operator, Verdict
from adaqn_lab.space import Space
from verification.law import Subject


@dataclass
class Rows:
    """``s``, ``y`` (R, m, n), the newest last; ``s_y``, ``s_s``, ``y_y`` (R, m) float64; ``held`` (R, m)."""

    s: Tensor
    y: Tensor
    s_y: Tensor
    s_s: Tensor
    y_y: Tensor
    held: Tensor

    @classmethod
    def empty(cls, space: Space, m: int) -> Rows:
        """Nothing is held."""
        s_y, s_s, y_y = (space.scalars(m, fill=1.0) for _ in range(3))
        return cls(space.zeros(m), space.zeros(m), s_y, s_s, y_y, space.scalars(m).bool())

    def push_(self, s: Tensor, y: Tensor, verdict: Verdict) -> None:
        """Store the pair of the runs which the verdict admits; the oldest leaves."""
        where = verdict.admitted
        new = {"s": s, "y": y, "s_y": verdict.s_y, "s_s": verdict.s_s, "y_y": verdict.y_y, "held": where}
        for name, value in new.items():
            old = getattr(self, name)
            moved = torch.cat([old[:, 1:], value.unsqueeze(1)], 1)
            setattr(self, name, torch.where(where.view(-1, *(1,) * (old.dim() - 1)), moved, old))

    def clear_(self, where: Tensor) -> None:
        """Drop the pairs of the runs in ``where``."""
        rows, columns = where.view(-1, 1, 1), where.unsqueeze(1)
        self.s, self.y = torch.where(rows, 0.0, self.s), torch.where(rows, 0.0, self.y)
        for name in ("s_y", "s_s", "y_y"):
            setattr(self, name, torch.where(columns, 1.0, getattr(self, name)))
        self.held = self.held & ~columns

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of the newest pair."""
        return tuple(x[:, -1].clone() for x in (self.s_y, self.s_s, self.y_y, self.held))  # type: ignore[return-value]

    def products(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of all pairs."""
        return tuple(x.clone() for x in (self.s_y, self.s_s, self.y_y, self.held))  # type: ignore[return-value]

    def rho(self) -> Tensor:
        """1 / s'y (R, m), 0 on empty slots."""
        return torch.where(self.held, 1.0 / self.s_y, 0.0)


def two_loop(state: Rows, v: Tensor, h0: InitialMatrix, rho: Tensor, second: list[int] | None = None) -> Tensor:
    """H v by the two-loop recursion in float64; ``second``: the order of the second loop."""
    m = state.s.shape[1]
    S, Y, q = state.s.double(), state.y.double(), v.double()
    alpha: dict[int, Tensor] = {}
    for i in reversed(range(m)):
        alpha[i] = rho[:, i : i + 1] * (S[:, i] * q).sum(1, keepdim=True)
        q = q - alpha[i] * Y[:, i]
    r = h0.apply_(q.to(v.dtype)).double()
    for i in range(m) if second is None else second:
        beta = rho[:, i : i + 1] * (Y[:, i] * r).sum(1, keepdim=True)
        r = r + (alpha[i] - beta) * S[:, i]
    return r.to(v.dtype)


@dataclass(frozen=True, kw_only=True)
class ListWindow(MemoryBase):
    """Right: the last ``capacity`` pairs in a list that is moved along, the textbook's two loops, float64 inside."""

    capacity: int = 6
    test: CurvatureTest = CautiousYY()

    declares: ClassVar[frozenset[str]] = frozenset({"fifo"})

    def init(self, space: Space) -> Any:
        """Nothing is held."""
        return Rows.empty(space, self.capacity)

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        """Judge and store."""
        verdict = judge(move, y, self.test)
        state.push_(move.s, y, verdict)
        return verdict

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Return H v."""
        return two_loop(state, v, h0, state.rho())

    def reset_(self, state: Any, where: Tensor) -> None:
        """Drop the pairs."""
        state.clear_(where)


@dataclass(frozen=True, kw_only=True)
class RefusedToldAsNewest(ListWindow):
    """The verdict on a refused pair tells s'y, s's, y'y of the newest pair that is held."""

    declares: ClassVar[frozenset[str]] = frozenset()

    def admit_(self, state: Rows, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        """Judge, store, tell of what is held now."""
        verdict = super().admit_(state, move, y, operator)
        s_y, s_s, y_y, exists = state.newest()
        pairs = ((s_y, verdict.s_y), (s_s, verdict.s_s), (y_y, verdict.y_y))
        return Verdict(verdict.admitted, *(torch.where(exists, held, own) for held, own in pairs))


@dataclass(frozen=True, kw_only=True)
class SecondLoopBackwards(ListWindow):
    """Both loops run from the newest pair to the oldest: H is not symmetric, H y = s fails for the newest pair."""

    def apply_(self, state: Rows, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Return H v."""
        return two_loop(state, v, h0, state.rho(), second=list(reversed(range(self.capacity))))


@dataclass(frozen=True, kw_only=True)
class AbsoluteFloor(ListWindow):
    """rho = 1 / (s'y + 1e-8): of (t s, t y) with small t almost nothing is left, though it is the same pair."""

    declares: ClassVar[frozenset[str]] = frozenset()

    def apply_(self, state: Rows, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Return H v."""
        return two_loop(state, v, h0, torch.where(state.held, 1.0 / (state.s_y + 1e-8), 0.0))


@dataclass
class Remembered(Rows):
    """Rows, and the products of the pair admitted last."""

    last: Tensor
    some: Tensor

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of the pair admitted last."""
        return (*(x.clone() for x in self.last.unbind(1)), self.some.clone())  # type: ignore[return-value]


@dataclass(frozen=True, kw_only=True)
class NewestOutlivesTheReset(ListWindow):
    """What ``newest`` answers with is kept aside, and ``reset_`` does not know of it."""

    declares: ClassVar[frozenset[str]] = frozenset()

    def init(self, space: Space) -> Remembered:
        """Nothing is held."""
        return Remembered(
            **vars(Rows.empty(space, self.capacity)), last=space.scalars(3, fill=1.0), some=space.mask(False)
        )

    def admit_(self, state: Remembered, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        """Judge, store, remember."""
        verdict = super().admit_(state, move, y, operator)
        told = torch.stack([verdict.s_y, verdict.s_s, verdict.y_y], 1)
        state.last = torch.where(verdict.admitted.unsqueeze(1), told, state.last)
        state.some = state.some | verdict.admitted
        return verdict


@dataclass(frozen=True, kw_only=True)
class UnitWithForeignSquare(Window):
    """The pair is held divided by |s|, but the verdict tells y'y of the pair that came: three products, two units."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        """Judge the unit pair and store it."""
        s, unit = _unit(move.s, y)
        verdict = super().admit_(state, replace(move, s=s), unit, operator)
        return replace(verdict, y_y=dot(y, y))


def _unit(s: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """(s, y) / |s|."""
    length = dot(s, s).sqrt()
    length = torch.where(length > 0, length, 1.0).unsqueeze(1)
    return (s.double() / length).to(s.dtype), (y.double() / length).to(y.dtype)


@dataclass(frozen=True)
class _NoCurvature:
    """An operator whose inverse is I."""

    whole: Operator

    def __call__(self, v: Tensor) -> Tensor:
        return self.whole(v)

    def apply_(self, v: Tensor) -> Tensor:
        """Return H v."""
        return self.whole.apply_(v)

    def inverse(self, v: Tensor) -> Tensor:
        """Return v."""
        return v.clone()


@dataclass(frozen=True, kw_only=True)
class DampedAgainstIdentity:
    """Powell's damping measures s'y against s's and blends y with s: B of the memory is taken to be I."""

    by: Repair = PowellB()
    of: MemoryPolicy = Window(capacity=6, test=CautiousSS(eps=0.0))

    declares: ClassVar[frozenset[str]] = frozenset({"damped b"})

    @property
    def needs(self) -> frozenset[Any]:
        """The inner memory's."""
        return self.of.needs

    @property
    def invertible(self) -> bool:
        """Whether the inner memory is."""
        return self.of.invertible

    def check_recipe(self, recipe: Any) -> None:
        """Ask the memory inside."""
        self.of.check_recipe(recipe)

    def init(self, space: Space) -> Any:
        """The inner memory's state."""
        return self.of.init(space)

    def admit_(self, state: Any, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        """Repair, then let ``of`` judge."""
        s, repaired = self.by.repair(move.s, y, _NoCurvature(operator))
        return self.of.admit_(state, replace(move, s=s), repaired, operator)

    def apply_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Return H v."""
        return self.of.apply_(state, v, h0)

    def solve_(self, state: Any, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Return B v."""
        return self.of.solve_(state, v, h0)

    def reset_(self, state: Any, where: Tensor) -> None:
        """Drop the pairs."""
        self.of.reset_(state, where)


@dataclass(frozen=True, kw_only=True)
class InverseInSlotOrder(Window):
    """``solve_`` takes the slots of the ring for the order in time: wrong once the ring has wrapped."""

    capacity: int = 4

    declares: ClassVar[frozenset[str]] = frozenset({"invertible"})

    def solve_(self, state: History, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Return B v."""
        return replace(state, head=torch.zeros_like(state.head)).solve_(v, h0)


@dataclass(frozen=True, kw_only=True)
class EqualBlocks(BlockDiagonal):
    """As many blocks as tensors, but of equal length: their borders are not those of the tensors."""

    of: MemoryPolicy = Window(capacity=5)

    declares: ClassVar[frozenset[str]] = frozenset({"blocks"})

    def _spaces(self, space: Space) -> list[Space]:
        blocks = max(len(space.shapes), 1)
        ends = [space.size * (i + 1) // blocks for i in range(blocks)]
        sizes = [end - start for start, end in zip([0, *ends], ends, strict=False)]
        return [replace(space, size=size, shapes=((size,),)) for size in sizes]


@dataclass(frozen=True, kw_only=True)
class UnitWindow(Window):
    """Right: every pair is held as (s, y) / |s|, which is the same pair, and all its products are told so."""

    def admit_(self, state: History, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        """Judge the unit pair and store it."""
        s, unit = _unit(move.s, y)
        return super().admit_(state, replace(move, s=s), unit, operator)


@dataclass(frozen=True, kw_only=True)
class LastPair(MemoryBase):
    """Right: memoryless BFGS in closed form, H and B both by their rank-two formulas, float64 inside."""

    test: CurvatureTest = CautiousSS(eps=1e-6)

    invertible: ClassVar[bool] = True

    def init(self, space: Space) -> Rows:
        """Nothing is held."""
        return Rows.empty(space, 1)

    def admit_(self, state: Rows, move: Displacement, y: Tensor, operator: Operator) -> Verdict:
        """Judge and store."""
        verdict = judge(move, y, self.test)
        state.push_(move.s, y, verdict)
        return verdict

    def apply_(self, state: Rows, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Return (I - rho s y') H0 (I - rho y s') v + rho s (s'v)."""
        s, y, u = state.s[:, 0].double(), state.y[:, 0].double(), v.double()
        along = state.rho() * (s * u).sum(1, keepdim=True)
        p = h0.apply_((u - along * y).to(v.dtype)).double()
        return (p + (along - state.rho() * (y * p).sum(1, keepdim=True)) * s).to(v.dtype)

    def solve_(self, state: Rows, v: Tensor, h0: InitialMatrix) -> Tensor:
        """Return B0 v - B0 s (s'B0 v) / (s'B0 s) + rho y (y'v)."""
        s, y, u, some = state.s[:, 0].double(), state.y[:, 0].double(), v.double(), state.held
        size = torch.where(some, state.s_s.sqrt(), 1.0)
        unit = s / size
        b_s = h0.solve_(unit.to(v.dtype, copy=True)).double()
        b_v = h0.solve_(v.clone()).double()
        s_b_s = torch.where(some, (unit * b_s).sum(1, keepdim=True), 1.0)
        lost = torch.where(some, (b_s * u).sum(1, keepdim=True) / s_b_s, 0.0)
        return (b_v - lost * b_s + state.rho() * (y * u).sum(1, keepdim=True) * y).to(v.dtype)

    def reset_(self, state: Rows, where: Tensor) -> None:
        """Drop the pair."""
        state.clear_(where)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.MEMORY: {
        "refused_pair_told_as_the_newest_held": RefusedToldAsNewest,
        "second_loop_from_the_newest": SecondLoopBackwards,
        "absolute_floor_in_rho": AbsoluteFloor,
        "newest_outlives_the_reset": NewestOutlivesTheReset,
        "verdict_in_two_units": UnitWithForeignSquare,
        "powell_damping_against_the_identity": DampedAgainstIdentity,
        "inverse_in_slot_order": InverseInSlotOrder,
        "blocks_of_equal_length": EqualBlocks,
    }
}
HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.MEMORY: {
        "moved_list_with_two_loops": ListWindow,
        "pairs_of_unit_displacement": UnitWindow,
        "memoryless_in_closed_form": LastPair,
    }
}
