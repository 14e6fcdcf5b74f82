"""Pair generators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from adaqn_lab.bases import PairGeneratorBase
from adaqn_lab.linalg import dot
from adaqn_lab.pairs import EmpiricalFisher, GradientDifference, HessianDifference
from adaqn_lab.pairs.empirical_fisher import FisherStore
from adaqn_lab.protocols import Displacement, Need, OracleLike, Pair, Sample, Step
from adaqn_lab.space import Space
from verification.law import Subject


@dataclass(frozen=True, kw_only=True)
class UnitProbe(PairGeneratorBase):
    """Normalises the displacement in place: the memory gets s / |s| with the y of s."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        length = torch.linalg.vector_norm(move.s, dim=1, keepdim=True)
        probe = move.s.div_(torch.where(length > 0, length, 1.0))
        return oracle.hessian_vector(move.w_bar, probe) * length


@dataclass
class Products:
    """``gradients`` (R, w, n), newest last; ``products`` (R, w) with s; ``count`` held, ``fresh`` since a pair (R,)."""

    gradients: Tensor
    products: Tensor
    count: Tensor
    fresh: Tensor


@dataclass(frozen=True, kw_only=True)
class FisherByProducts(PairGeneratorBase):
    """Multiplies only the gradients since the last pair with s: the older products are those with an earlier s."""

    window: int = 50

    declares: ClassVar[frozenset[str]] = frozenset({"linear pairs"})

    def init(self, space: Space) -> Products:
        return Products(space.zeros(self.window), space.scalars(self.window), space.counts(), space.counts())

    def observe_(self, state: Products, step: Step) -> None:
        where = step.where
        rows = torch.cat([state.gradients[:, 1:], step.g.unsqueeze(1)], 1)
        products = torch.cat([state.products[:, 1:], torch.zeros_like(state.products[:, :1])], 1)
        state.gradients = torch.where(where.view(-1, 1, 1), rows, state.gradients)
        state.products = torch.where(where.unsqueeze(1), products, state.products)
        state.count = (state.count + where.long()).clamp(max=self.window)
        state.fresh = (state.fresh + where.long()).clamp(max=self.window)

    def pair_(self, state: Products, move: Displacement, oracle: OracleLike) -> Tensor:
        row = torch.arange(self.window, device=state.count.device)
        new = row >= self.window - state.fresh.unsqueeze(1)
        now = torch.bmm(state.gradients.double(), move.s.double().unsqueeze(2)).squeeze(2)
        state.products = torch.where(new, now, state.products)
        state.fresh = torch.zeros_like(state.fresh)
        held = row >= self.window - state.count.unsqueeze(1)
        weights = torch.where(held, state.products, 0.0) / state.count.clamp(min=1).unsqueeze(1)
        return torch.bmm(weights.unsqueeze(1), state.gradients.double()).squeeze(1).to(move.s.dtype)

    def reset_(self, state: Products, where: Tensor) -> None:
        state.count = state.count.masked_fill(where, 0)
        state.fresh = state.fresh.masked_fill(where, 0)


@dataclass
class FirstGradient:
    """``g`` (R, n): the gradient of the window's first step."""

    g: Tensor


@dataclass(frozen=True, kw_only=True)
class ThriftyDifference(GradientDifference):
    """Takes the first gradient of the window's steps, with its weight decay and at its point, for that at w_ref."""

    declares: ClassVar[frozenset[str]] = frozenset({"difference"})

    def init(self, space: Space) -> FirstGradient:
        return FirstGradient(space.zeros())

    def observe_(self, state: FirstGradient, step: Step) -> None:
        if step.place == 0:
            state.g = torch.where(step.where.unsqueeze(1), step.g, state.g)

    def pair_(self, state: FirstGradient, move: Displacement, oracle: OracleLike) -> Tensor:
        y = oracle.gradient(move.w_bar, self.sample) - state.g
        return y.add_(move.s, alpha=self.shift) if self.shift else y


@dataclass
class Made:
    """``made`` (R,): the pairs so far."""

    made: Tensor


@dataclass(frozen=True, kw_only=True)
class AnnealedProduct(PairGeneratorBase):
    """y = A s + (shift / t) s at the t-th pair; counts before it asks the oracle: a second try is pair t + 1."""

    shift: float = 1.0

    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})

    def init(self, space: Space) -> Made:
        return Made(space.counts())

    def pair_(self, state: Made, move: Displacement, oracle: OracleLike) -> Tensor:
        state.made = state.made + move.where.long()
        weight = self.shift / state.made.clamp(min=1).double()
        y = oracle.hessian_vector(move.w_bar, move.s)
        return y + weight.to(y.dtype).unsqueeze(1) * move.s

    def reset_(self, state: Made, where: Tensor) -> None:
        state.made = state.made.masked_fill(where, 0)


@dataclass(frozen=True, kw_only=True)
class CommonRadius(HessianDifference):
    """|s| is that of all runs together: a run's points of the difference depend on its neighbours."""

    declares: ClassVar[frozenset[str]] = frozenset({"hessian difference"})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        length = dot(move.s, move.s).sum().sqrt().to(move.s.dtype)
        moved = length > 0
        offset = move.s * torch.where(moved, self.radius / length, 0.0)
        up = oracle.gradient(move.w_bar + offset, Sample.CURVATURE)
        down = oracle.gradient(move.w_bar - offset, Sample.CURVATURE)
        return (up - down) * torch.where(moved, length / (2.0 * self.radius), 0.0)


@dataclass(frozen=True, kw_only=True)
class HalfFisher(EmpiricalFisher):
    """Stores the gradients in float16 without a scale: small entries vanish, large ones are cut at 65504."""

    declares: ClassVar[frozenset[str]] = frozenset({"fisher"})

    def init(self, space: Space) -> FisherStore:
        return FisherStore.empty(space, self.window, torch.float16)


@dataclass
class WindowSums:
    """Sums of w and g over the window under way, means over the last one, (R, n); ``seen``, ``known`` (R,)."""

    w: Tensor
    g: Tensor
    w_old: Tensor
    g_old: Tensor
    seen: Tensor
    known: Tensor
    length: Tensor


@dataclass(frozen=True, kw_only=True)
class WindowMeans(PairGeneratorBase):
    """s and y between means over windows; a skipped step adds nothing to the sums but is counted in their length."""

    def init(self, space: Space) -> WindowSums:
        vectors = (space.zeros() for _ in range(4))
        return WindowSums(*vectors, space.mask(False), space.mask(False), space.scalars(fill=1.0))

    def observe_(self, state: WindowSums, step: Step) -> None:
        if step.place == 0:
            state.w_old, state.g_old = self._means(state)
            state.known = state.seen
            state.w, state.g = torch.zeros_like(state.w), torch.zeros_like(state.g)
            state.seen = torch.zeros_like(state.seen)
        where = step.where.unsqueeze(1)
        state.w = torch.where(where, state.w + step.w(), state.w)
        state.g = torch.where(where, state.g + step.g, state.g)
        state.seen = state.seen | step.where
        state.length = torch.full_like(state.length, step.place + 1.0)

    def _means(self, state: WindowSums) -> tuple[Tensor, Tensor]:
        share = state.length.reciprocal().to(state.w.dtype).unsqueeze(1)
        return state.w * share, state.g * share

    def pair_(self, state: WindowSums, move: Displacement, oracle: OracleLike) -> Pair:
        known = (state.known & state.seen).unsqueeze(1)
        w, g = self._means(state)
        return Pair(torch.where(known, w - state.w_old, 0.0), torch.where(known, g - state.g_old, 0.0))

    def reset_(self, state: WindowSums, where: Tensor) -> None:
        state.seen, state.known = state.seen & ~where, state.known & ~where
        for name in ("w", "g"):
            setattr(state, name, torch.where(where.unsqueeze(1), 0.0, getattr(state, name)))


@dataclass
class Rows:
    """``gradients`` (R, w, n), newest first; ``count`` (R,)."""

    gradients: Tensor
    count: Tensor


@dataclass(frozen=True, kw_only=True)
class ShiftedRowsFisher(PairGeneratorBase):
    """Right: the mean Fisher product, its rows shifted instead of a ring, its sums in float64 throughout."""

    window: int = 30

    declares: ClassVar[frozenset[str]] = frozenset({"linear pairs"})

    def init(self, space: Space) -> Rows:
        return Rows(space.zeros(self.window), space.counts())

    def observe_(self, state: Rows, step: Step) -> None:
        rows = torch.cat([step.g.unsqueeze(1), state.gradients[:, :-1]], 1)
        state.gradients = torch.where(step.where.view(-1, 1, 1), rows, state.gradients)
        state.count = (state.count + step.where.long()).clamp(max=self.window)

    def pair_(self, state: Rows, move: Displacement, oracle: OracleLike) -> Tensor:
        held = torch.arange(self.window, device=state.count.device) < state.count.unsqueeze(1)
        rows = torch.where(held.unsqueeze(2), state.gradients, 0.0).double()
        weights = (rows * move.s.double().unsqueeze(1)).sum(2) / state.count.clamp(min=1).unsqueeze(1)
        return (rows * weights.unsqueeze(2)).sum(1).to(move.s.dtype)

    def reset_(self, state: Rows, where: Tensor) -> None:
        state.count = torch.where(where, 0, state.count)


@dataclass(frozen=True, kw_only=True)
class ProductAlongUnit(PairGeneratorBase):
    """Right: |s| times the Hessian's product with s / |s|, which is A s; zero where s is."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})
    declares: ClassVar[frozenset[str]] = frozenset({"hessian"})

    def pair_(self, state: None, move: Displacement, oracle: OracleLike) -> Tensor:
        s = move.s.double()
        length = torch.linalg.vector_norm(s, dim=1, keepdim=True)
        unit = (s / torch.where(length > 0, length, 1.0)).to(move.s.dtype)
        return (oracle.hessian_vector(move.w_bar, unit).double() * length).to(move.s.dtype)


@dataclass
class MeanGradient:
    """``mean`` (R, n): the decaying mean of gradients."""

    mean: Tensor


@dataclass(frozen=True, kw_only=True)
class AlongMeanGradient(PairGeneratorBase):
    """Right: curvature along the mean gradient, a displacement of its own, taken at w_bar."""

    needs: ClassVar[frozenset[Need]] = frozenset({Need.HESSIAN_VECTOR_PRODUCT})

    def init(self, space: Space) -> MeanGradient:
        return MeanGradient(space.zeros())

    def observe_(self, state: MeanGradient, step: Step) -> None:
        state.mean = torch.where(step.where.unsqueeze(1), torch.lerp(state.mean, step.g, 0.25), state.mean)

    def pair_(self, state: MeanGradient, move: Displacement, oracle: OracleLike) -> Pair:
        s = state.mean.clone()
        return Pair(s, oracle.hessian_vector(move.w_bar, s))

    def reset_(self, state: MeanGradient, where: Tensor) -> None:
        state.mean = torch.where(where.unsqueeze(1), 0.0, state.mean)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {
        "displacement_normalised_in_place": UnitProbe,
        "products_with_an_earlier_displacement_kept": FisherByProducts,
        "step_gradient_taken_for_that_at_the_reference": ThriftyDifference,
        "counted_before_the_oracle_answers": AnnealedProduct,
        "radius_common_to_all_runs": CommonRadius,
        "half_precision_store_without_scale": HalfFisher,
        "skipped_steps_counted_in_the_mean": WindowMeans,
    }
}
HONEST: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.PAIRS: {
        "fisher_by_shifted_rows": ShiftedRowsFisher,
        "hessian_along_the_unit_vector": ProductAlongUnit,
        "curvature_along_the_mean_gradient": AlongMeanGradient,
    }
}
