"""Pair generators: eight wrong ones and two unusual right ones."""

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
from adaqn_lab.pairs import AveragedDifference, EmpiricalFisher, HessianDifference, Mean, Normalisation
from adaqn_lab.pairs.averaged_difference import Averages
from adaqn_lab.pairs.empirical_fisher import FisherStore
from adaqn_lab.protocols import Displacement, Need, OracleLike, Pair, Sample, Step
from adaqn_lab.space import Space
from verification.law import Subject

if TYPE_CHECKING:
    from adaqn_lab.recipe import Recipe


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


@dataclass(frozen=True, kw_only=True)
class AveragesOutliveReset(AveragedDifference):
    """A reset forgets the averages of a window ago, not the running ones: the next pair reaches over the roll-back."""

    def check_recipe(self, recipe: Recipe) -> None:
        """Any cadence: where a window begins ``step.place`` tells."""

    def reset_(self, state: Averages, where: Tensor) -> None:
        state.has_old = state.has_old & ~where


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


@dataclass
class Rows:
    """``rows`` (R, W, n), ``head`` the slot to write next, ``count`` held."""

    rows: Tensor
    head: Tensor
    count: Tensor


class _Stored(PairGeneratorBase):
    """The last ``window`` gradients in a ring of as many slots."""

    window: int
    normalisation: Normalisation

    def init(self, space: Space) -> Rows:
        return Rows(space.zeros(self.window), space.counts(), space.counts())

    def observe_(self, state: Rows, step: Step) -> None:
        self.push_(state, step.g, step.where)

    def push_(self, state: Rows, g: Tensor, where: Tensor) -> None:
        write_row_(state.rows, g, state.head, where)
        state.head, state.count = ring.advanced(state.head, state.count, self.window, where)

    def pair_(self, state: Rows, move: Displacement, oracle: OracleLike) -> Tensor:
        held = ring.held(state.head, state.count, self.window)
        products = torch.where(held, rows_dot(state.rows, move.s), 0.0)
        factor = self.normalisation.factor(state.count.clamp(min=1))
        return combine(products * factor.unsqueeze(1), state.rows, move.s.dtype)

    def reset_(self, state: Rows, where: Tensor) -> None:
        state.head, state.count = ring.cleared(state.head, state.count, where)


@dataclass(frozen=True, kw_only=True)
class ZeroMeansSkipped(_Stored):
    """Takes a gradient of zeros for one of a skipped step: it does not count in the mean and evicts nothing."""

    window: int = 10
    normalisation: Normalisation = Mean()

    declares: ClassVar[frozenset[str]] = frozenset({"fisher"})

    def observe_(self, state: Rows, step: Step) -> None:
        self.push_(state, step.g, (step.g != 0).any(dim=1))


@dataclass(frozen=True, kw_only=True)
class UnitInPlace(HessianDifference):
    """Makes a unit vector of the displacement in place: the memory is handed s / |s| with the y of s."""

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        length = dot(move.s, move.s).sqrt().to(move.s.dtype).unsqueeze(1)
        unit = move.s.div_(torch.where(length > 0, length, 1.0))
        up = oracle.gradient(move.w_bar + self.radius * unit, Sample.CURVATURE)
        down = oracle.gradient(move.w_bar - self.radius * unit, Sample.CURVATURE)
        return (up - down) * (length / (2.0 * self.radius))


@dataclass(frozen=True, kw_only=True)
class AsManyRowsAsHeld(_Stored):
    """Reads on the host how many gradients are held, so as to multiply by no more rows: right numbers, but a stop."""

    window: int = 40
    normalisation: Normalisation = Mean()

    def pair_(self, state: Rows, move: Displacement, oracle: OracleLike) -> Tensor:
        most = int(state.count.max())
        if most == 0:
            return torch.zeros_like(move.s)
        held = ring.held(state.head, state.count, self.window)[:, :most]
        rows = state.rows[:, :most]
        products = torch.where(held, rows_dot(rows, move.s), 0.0)
        factor = self.normalisation.factor(state.count.clamp(min=1))
        return combine(products * factor.unsqueeze(1), rows, move.s.dtype)


@dataclass
class WindowMeans:
    """This window's sums ``w``, ``g`` (R, n) of ``count`` (R,) steps; the last one's means, where ``known`` (R,)."""

    w: Tensor
    g: Tensor
    count: Tensor
    w_old: Tensor
    g_old: Tensor
    known: Tensor


@dataclass(frozen=True)
class OneTensorForTwoSums(PairGeneratorBase):
    """Both sums begin as one tensor and are added to in place: s and y are both the change of w + g."""

    def init(self, space: Space) -> WindowMeans:
        zero = space.zeros()
        return WindowMeans(zero, zero, space.counts(), space.zeros(), space.zeros(), space.mask(False))

    def observe_(self, state: WindowMeans, step: Step) -> None:
        if step.place == 0:
            state.w.zero_()
            state.g.zero_()
            state.count = torch.zeros_like(state.count)
        where = step.where.unsqueeze(1)
        state.w.add_(torch.where(where, step.w(), 0.0))
        state.g.add_(torch.where(where, step.g, 0.0))
        state.count = state.count + step.where.long()

    def pair_(self, state: WindowMeans, move: Displacement, oracle: OracleLike) -> Pair:
        some = state.count > 0
        share = state.count.clamp(min=1).to(state.w.dtype).unsqueeze(1)
        w, g = state.w / share, state.g / share
        known = (some & state.known).unsqueeze(1)
        made = Pair(torch.where(known, w - state.w_old, 0.0), torch.where(known, g - state.g_old, 0.0))
        state.w_old = torch.where(some.unsqueeze(1), w, state.w_old)
        state.g_old = torch.where(some.unsqueeze(1), g, state.g_old)
        state.known = state.known | some
        return made

    def reset_(self, state: WindowMeans, where: Tensor) -> None:
        state.count = state.count.masked_fill(where, 0)
        state.known = state.known & ~where
        for name in ("w", "g"):
            getattr(state, name).masked_fill_(where.unsqueeze(1), 0.0)


# -- right ones --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class NewerWeighMore(_Stored):
    """Right: y = sum a_i g_i (g_i's), weights a_i > 0 which fall with age and sum to 1: symmetric, semi-definite."""

    window: int = 16
    keep: float = 0.8

    declares: ClassVar[frozenset[str]] = frozenset({"linear pairs"})

    def pair_(self, state: Rows, move: Displacement, oracle: OracleLike) -> Tensor:
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
        "running_averages_outlive_reset": AveragesOutliveReset,
        "signs_from_the_global_generator": CoinFlips,
        "zero_gradients_taken_for_skipped": ZeroMeansSkipped,
        "displacement_normalised_in_place": UnitInPlace,
        "host_read_of_the_count": AsManyRowsAsHeld,
        "two_sums_share_one_tensor": OneTensorForTwoSums,
    }
}

HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {
        "newer_gradients_weigh_more": NewerWeighMore,
        "a_probe_before_the_displacement": ProbeFirst,
    }
}
