"""Pair generators: four wrong ones and two unusual right ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab import ring
from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.checks import require_int
from adaqn_lab.linalg import combine, dot, rows_dot, write_row_
from adaqn_lab.pairs import EmpiricalFisher, HessianDifference
from adaqn_lab.pairs.empirical_fisher import FisherStore
from adaqn_lab.protocols import Displacement, Need, OracleLike, Pair, Sample, Step
from adaqn_lab.space import Space
from verification.held_out.seen.pairs import RingRows, _Stored
from verification.law import Subject

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class HessianAtTheReference(PairGeneratorBase):
    """The Hessian is that at w_ref, where the displacement starts, not that at w_bar; the same for quadratics."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})
    declares: ClassVar[frozenset[str]] = frozenset({"hessian"})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        return oracle.hessian_vector(move.w_ref, move.s)


@dataclass(frozen=True, kw_only=True)
class OneMoreOnceFull(EmpiricalFisher):
    """The spare slot counts as held once the ring is full: window + 1 gradients, zero ones of skipped steps too."""

    declares: ClassVar[frozenset[str]] = frozenset({"fisher"})

    def observe_(self, state: FisherStore, step: Step) -> None:
        write_row_(state.gradients, step.g, state.head)
        slots = state.gradients.shape[1]
        state.head, state.count = ring.advanced(state.head, state.count, slots, step.where)


@dataclass
class Signed:
    """``rows`` (R, q, n): sums of all gradients, with a sign for each row; ``count`` (R,)."""

    rows: Tensor
    count: Tensor


@dataclass(frozen=True, kw_only=True)
class CoinFlips(PairGeneratorBase):
    """The signs come from torch's global generator: the user's seed moves on, and no checkpoint has its state."""

    rows: int = 8

    def __post_init__(self) -> None:
        require_int("CoinFlips", "rows", self.rows, at_least=1)

    def init(self, space: Space) -> Signed:
        return Signed(space.zeros(self.rows), space.counts())

    def observe_(self, state: Signed, step: Step) -> None:
        signs = 2 * torch.randint(0, 2, (self.rows,), device="cpu") - 1
        added = signs.to(step.g).view(1, -1, 1) * step.g.unsqueeze(1)
        state.rows = torch.where(step.where.view(-1, 1, 1), state.rows + added, state.rows)
        state.count = state.count + step.where.long()

    def pair_(self, state: Signed, move: Displacement, oracle: OracleLike) -> Tensor:
        factor = 1.0 / (self.rows * state.count.clamp(min=1).double())
        return combine(rows_dot(state.rows, move.s) * factor.unsqueeze(1), state.rows)

    def reset_(self, state: Signed, where: Tensor) -> None:
        state.rows = torch.where(where.view(-1, 1, 1), 0.0, state.rows)
        state.count = state.count.masked_fill(where, 0)


@dataclass(frozen=True, kw_only=True)
class UnitInPlace(HessianDifference):
    """Makes a unit vector of the displacement in place: the memory is handed s / |s| with the y of s."""

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        length = dot(move.s, move.s).sqrt().to(move.s.dtype).unsqueeze(1)
        unit = move.s.div_(torch.where(length > 0, length, 1.0))
        up = oracle.gradient(move.w_bar + self.radius * unit, Sample.CURVATURE)
        down = oracle.gradient(move.w_bar - self.radius * unit, Sample.CURVATURE)
        return (up - down) * (length / (2.0 * self.radius))


# -- right ones --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class NewerWeighMore(_Stored):
    """Right: y = sum a_i g_i (g_i's), weights a_i > 0 which fall with age and sum to 1: symmetric, semi-definite."""

    window: int = 16
    keep: float = 0.8

    declares: ClassVar[frozenset[str]] = frozenset({"linear pairs"})

    def pair_(self, state: RingRows, move: Displacement, oracle: OracleLike) -> Tensor:
        held = ring.held(state.head, state.count, self.window)
        back = self.window - 1 - ring.age(state.head, self.window)
        weights = torch.where(held, torch.pow(torch.full_like(back, 1, dtype=torch.float64) * self.keep, back), 0.0)
        weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-300)
        products = torch.where(held, rows_dot(state.rows, move.s), 0.0)
        return combine(products * weights, state.rows, move.s.dtype)


@dataclass(frozen=True, kw_only=True)
class ProbeFirst(PairGeneratorBase):
    """Right: two pairs a window, a fixed pattern of signs as long as s and then s itself, y the Hessian times each."""

    seed: int = 3

    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Pair:
        n = move.s.shape[1]
        generator = torch.Generator().manual_seed(self.seed)
        signs = 2 * torch.randint(0, 2, (n,), generator=generator, device="cpu") - 1
        length = (dot(move.s, move.s) / n).sqrt().to(move.s.dtype).unsqueeze(1)
        probe = signs.to(move.s) * length
        products = [oracle.hessian_vector(move.w_bar, v) for v in (probe, move.s)]
        return Pair(torch.stack([probe, move.s], dim=1), torch.stack(products, dim=1))


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {
        "hessian_at_the_reference": HessianAtTheReference,
        "one_gradient_more_once_full": lambda: OneMoreOnceFull(window=6),
        "signs_from_the_global_generator": CoinFlips,
        "displacement_normalised_in_place": UnitInPlace,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {
        "newer_gradients_weigh_more": NewerWeighMore,
        "a_probe_before_the_displacement": ProbeFirst,
    }
}
