"""y = F s with the accumulated empirical Fisher matrix, its gradients exact or rounded to bfloat16."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Displacement, EmpiricalFisher, MeanTimesBatch, Space, Step, Sum
from adaqn_lab import ring as rings
from adaqn_lab.linalg import combine
from adaqn_lab.pairs.empirical_fisher import FisherStore
from adaqn_lab.protocols import OracleLike
from verification.benches import PairBench
from verification.compare import close, holds, same
from verification.contracts.linear_pairs import LINEAR_PAIRS, SOURCE, atol_of, driven_by, factor_of, y_for
from verification.contracts.mutants_of_pairs import Fisher
from verification.law import Factory, Group, Property, Subject, law
from verification.naming import by_name
from verification.references import empirical_fisher
from verification.specimen import Specimen
from verification.strategies import Array, ContractCase, contract_cases

FISHER = Property(
    "fisher",
    "y = factor(|F|) sum g (g's) over the last `window` gradients.",
    fields=(
        "window",
        "normalisation",
    ),
)
ROUNDED_FISHER = Property(
    "rounded",
    "As `fisher`, with every gradient rounded to bfloat16 when it is stored.",
    fields=(
        "window",
        "normalisation",
    ),
)


def _held(part: Any, case: ContractCase, run: int) -> Array:
    """The last ``window`` gradients of one run, float64."""
    result: Array = case.rows[run, max(0, case.items - part.window) :].astype(np.float64)
    return result


@law(
    name="fisher-identity",
    statement="s'y = factor sum_i (g_i's)^2 and y'y <= factor sum_i |g_i|^2 s'y",
    source=SOURCE + "s'y is a sum of squares; y'y <= lambda_max s'y and the trace bounds lambda_max.",
    group=Group.MATHEMATICS,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("missing_mean", "stale_normaliser", "window_off_by_one"),
    needs=(FISHER,),
    inputs=contract_cases(),
)
def fisher_identity(factory: Factory, case: ContractCase) -> None:
    """The curvature along s is the mean squared slope along s."""
    bench = driven_by(factory, case)
    y = y_for(bench, case.v)
    for run in range(case.runs):
        F, s = _held(bench.part, case, run), case.v[run].astype(np.float64)
        factor = factor_of(bench.part, len(F))
        atol = atol_of(bench, run) * float(np.linalg.norm(s))
        close(s @ y[run], factor * ((F @ s) ** 2).sum(), atol, f"s'y of run {run} against sum (g's)^2")
        bound = factor * float((F**2).sum()) * float(s @ y[run])
        got, slack = float(y[run] @ y[run]), atol * (1 + factor * float((F**2).sum()))
        holds(got <= bound + slack, f"y'y of run {run}: got {got:.6g}, at most {bound:.6g} expected")


@law(
    name="fisher-span",
    statement="y lies in the span of the stored gradients; y = 0 without any",
    source=SOURCE,
    group=Group.MATHEMATICS,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("adds_damping_to_y", "window_off_by_one", "y_aliases_s"),
    needs=(FISHER,),
    inputs=contract_cases(min_size=4),  # in fewer dimensions a few gradients span everything
)
def fisher_span(factory: Factory, case: ContractCase) -> None:
    """Nothing but the held gradients makes up y."""
    bench = driven_by(factory, case)
    y = y_for(bench, case.v)
    for run in range(case.runs):
        Q, _ = np.linalg.qr(_held(bench.part, case, run).T)
        # The projection is float64: its own error is nothing beside the part's for well-separated gradients.
        close(y[run] - Q @ (Q.T @ y[run]), np.zeros(case.n), atol_of(bench, run), f"y off the span, run {run}")


@law(
    name="fisher-gradient-scale",
    statement="g -> 4g: y -> 16 y, bit for bit",
    source="Fisher curvature goes with the square of the loss, a Hessian with the loss itself: adaQN is not "
    "equivariant under scaling of the loss, by design.",
    group=Group.INVARIANCE,
    subject=Subject.PAIRS,
    kills=("adds_damping_to_y", "absolute_threshold_on_gradients"),
    needs=(FISHER,),
    inputs=contract_cases(),
)
def fisher_gradient_scale(factory: Factory, case: ContractCase) -> None:
    """Four times the loss, sixteen times the Fisher curvature."""
    small, large = PairBench(factory(), case), PairBench(factory(), case)
    for k in range(case.items):
        for bench, scale in ((small, 1), (large, 4)):
            step = bench.step(scale * case.rows[:, k], np.ones(case.runs, bool))
            bench.part.observe_(bench.state, step)
    same(y_for(large, case.v), 16 * y_for(small, case.v), "y from gradients 4g against 16 y")


@law(
    name="fisher-equals-list",
    statement="y = factor(|F|) sum g (g's), F the last `window` gradients observed since the reset",
    source=SOURCE,
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=(
        *("missing_mean", "stale_normaliser", "window_off_by_one", "stores_one_gradient_only", "forgets_mask"),
        *("zero_gradient_leaves_the_mean", "the_same_gradient_once"),
    ),
    needs=(FISHER,),
    inputs=contract_cases(max_items=8, still=True),
)
def fisher_equals_list(factory: Factory, case: ContractCase) -> None:
    """The ring is the list of the last gradients, whichever runs were masked."""
    bench = PairBench(factory(), case)
    bench.feed_all()
    y = y_for(bench, case.v)
    for run in range(case.runs):
        seen = list(case.rows[run][case.masks[:, run]])
        held = empirical_fisher.held(seen, bench.part.window)
        factor = factor_of(bench.part, len(held))
        expected = empirical_fisher.product(seen, case.v[run], bench.part.window, factor)
        close(y[run], expected, atol_of(bench, run) * max(factor, 1.0), f"y of run {run}, {len(held)} held")


@law(
    name="fisher-order",
    statement="the order in which the held gradients came does not matter",
    source=SOURCE + "A sum has no order; a decaying mean would.",
    group=Group.INVARIANCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("newest_counts_twice", "stores_one_gradient_only"),
    needs=(FISHER,),
    inputs=contract_cases(),
)
def fisher_order(factory: Factory, case: ContractCase) -> None:
    """Forwards and backwards: the same matrix."""
    forwards, backwards = PairBench(factory(), case), PairBench(factory(), case)
    everyone = np.ones(case.runs, bool)
    held = range(max(0, case.items - forwards.part.window), case.items)
    for bench, order in ((forwards, held), (backwards, reversed(held))):
        for k in order:
            bench.feed(k, everyone)
    y, expected = y_for(forwards, case.v), y_for(backwards, case.v)
    for run in range(case.runs):
        factor = factor_of(forwards.part, len(held))
        close(
            y[run], expected[run], atol_of(forwards, run) * max(factor, 1.0), f"y of run {run}, {len(held)} gradients"
        )


@law(
    name="fisher-single",
    statement="one gradient held: y = factor(1) g (g's)",
    source=SOURCE,
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("stale_normaliser", "y_aliases_s"),
    needs=(FISHER,),
    inputs=contract_cases(min_items=1),
)
def fisher_single(factory: Factory, case: ContractCase) -> None:
    """Right after a roll-back the store holds little, and the normaliser counts what it holds."""
    bench = PairBench(factory(), case)
    bench.feed(0, np.ones(case.runs, bool))
    y, factor = y_for(bench, case.v), factor_of(bench.part, 1)
    for run in range(case.runs):
        g, s = case.rows[run, 0].astype(np.float64), case.v[run].astype(np.float64)
        close(
            y[run], factor * g * (g @ s), atol_of(bench, run) * max(factor, 1.0), f"y of run {run}, one gradient held"
        )


def bfloat16(x: Array) -> Array:
    """The nearest numbers with 8 bits of mantissa, ties to even, in x's dtype."""
    bits = x.astype(np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return rounded.astype(np.uint32).view(np.float32).astype(x.dtype)


@law(
    name="fisher-rounded",
    statement="y = factor(|F|) sum r (r's), r the last `window` gradients rounded to bfloat16, the products in full",
    source=SOURCE + "Half the memory: each entry is off by at most 2^-8 of itself.",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("keeps_every_digit", "rounds_toward_zero", "rounds_y_too"),
    needs=(ROUNDED_FISHER,),
    inputs=contract_cases(max_items=8),
)
def fisher_rounded(factory: Factory, case: ContractCase) -> None:
    """Only what is stored is rounded."""
    bench = PairBench(factory(), case)
    bench.feed_all()
    y, stored = y_for(bench, case.v), bfloat16(case.rows)
    for run in range(case.runs):
        seen = list(stored[run][case.masks[:, run]])
        factor = factor_of(bench.part, len(empirical_fisher.held(seen, bench.part.window)))
        expected = empirical_fisher.product(seen, case.v[run], bench.part.window, factor)
        atol = 2 * atol_of(bench, run) * max(factor, 1.0)  # a rounded gradient may be a little longer
        close(y[run], expected, atol, f"y of run {run} against that of the rounded gradients")


class MissingMean(Fisher):
    """sum g (g's) without 1/|F|, whatever the field says (minSQN)."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        return combine(self.products(state, move.s), state.gradients)


class StaleNormaliser(Fisher):
    """Divides by the window's length, not by the number of gradients held."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        full = torch.full_like(state.count, self.window)
        factor = self.normalisation.factor(full).unsqueeze(1)
        return combine(self.products(state, move.s) * factor, state.gradients)


class WindowOffByOne(Fisher):
    """Holds one gradient too many."""

    def init(self, space: Space) -> FisherStore:
        return FisherStore.empty(space, self.window + 1, space.dtype)

    def observe_(self, state: FisherStore, step: Step) -> None:
        longer = EmpiricalFisher(window=self.window + 1, normalisation=self.normalisation)
        longer.observe_(state, step)

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        longer = EmpiricalFisher(window=self.window + 1, normalisation=self.normalisation)
        return longer.pair_(state, move, oracle)


class StoresOneGradientOnly(Fisher):
    """The slot to write next never moves."""

    def observe_(self, state: FisherStore, step: Step) -> None:
        state.head = torch.where(step.where, 0, state.head)
        super().observe_(state, step)


class YAliasesS(Fisher):
    """Returns the displacement itself."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        return move.s


class AddsDampingToY(Fisher):
    """y + s / 8, unasked."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        return super().pair_(state, move, oracle) + move.s / 8


class AbsoluteThresholdOnGradients(Fisher):
    """Does not store gradients shorter than 2: a threshold in units of the loss."""

    def observe_(self, state: FisherStore, step: Step) -> None:
        super().observe_(state, replace(step, where=step.where & (step.g.norm(dim=1) > 2.0)))


class NewestCountsTwice(Fisher):
    """Weights the newest gradient by two: the beginning of a decaying mean."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        slots = self.window + 1
        newest = rings.age(state.head, slots) == slots - 1
        products = torch.where(newest, 2.0, 1.0) * self.products(state, move.s)
        factor = self.normalisation.factor(state.count.clamp(min=1)).unsqueeze(1)
        return combine(products * factor, state.gradients)


class ZeroGradientLeavesTheMean(Fisher):
    """A gradient of zeros is not stored: the mean is one of fewer."""

    def observe_(self, state: FisherStore, step: Step) -> None:
        state.push_(step.g, step.where & (step.g.abs().amax(dim=1) > 0))


class TheSameGradientOnce(Fisher):
    """A gradient which equals the one before is taken for the same step, seen twice."""

    def observe_(self, state: FisherStore, step: Step) -> None:
        equal = (state.gradients == step.g.unsqueeze(1)).all(dim=2) & state.held()
        state.push_(step.g, step.where & ~equal.any(dim=1))


class ShiftedRows(Fisher):
    """y is off by one parameter."""

    def pair_(self, state: FisherStore, move: Displacement, oracle: OracleLike) -> Tensor:
        return super().pair_(state, move, oracle).roll(1, dims=1)


class KeepsEveryDigit(EmpiricalFisher):
    """Nothing is rounded."""

    declares: ClassVar[tuple[str, ...]] = ("linear pairs", "rounded")


class RoundsTowardZero(KeepsEveryDigit):
    """Cuts the mantissa off: every gradient is shorter."""

    def observe_(self, state: Any, step: Step) -> None:
        cut = (step.g.float().view(torch.int32) & -0x10000).view(torch.float32).to(step.g.dtype)
        super().observe_(state, replace(step, g=cut))


class RoundsYToo(KeepsEveryDigit):
    """The products are rounded as well."""

    def observe_(self, state: Any, step: Step) -> None:
        super().observe_(state, replace(step, g=step.g.bfloat16().to(step.g.dtype)))

    def pair_(self, state: Any, move: Displacement, oracle: Any) -> Tensor:
        y = super().pair_(state, move, oracle)
        return y.bfloat16().to(y.dtype)


def declares(part: Any) -> frozenset[Property]:
    """What a Fisher matrix declares: every gradient as it was, or rounded."""
    return frozenset({LINEAR_PAIRS, FISHER if part.dtype is None else ROUNDED_FISHER})


SPECIMEN = Specimen(
    role=Subject.PAIRS,
    kind=EmpiricalFisher,
    variations=(
        EmpiricalFisher,
        partial(EmpiricalFisher, window=3, normalisation=Sum()),
        partial(EmpiricalFisher, window=1),
        partial(EmpiricalFisher, window=2, normalisation=MeanTimesBatch(batch_size=5)),
        partial(EmpiricalFisher, window=3, dtype=torch.bfloat16),
    ),
    declares=declares,
    laws=(
        fisher_identity,
        fisher_span,
        fisher_gradient_scale,
        fisher_equals_list,
        fisher_order,
        fisher_single,
        fisher_rounded,
    ),
    mutants=by_name(
        MissingMean,
        StaleNormaliser,
        WindowOffByOne,
        StoresOneGradientOnly,
        YAliasesS,
        AddsDampingToY,
        AbsoluteThresholdOnGradients,
        NewestCountsTwice,
        ZeroGradientLeavesTheMean,
        TheSameGradientOnce,
        ShiftedRows,
        KeepsEveryDigit,
        RoundsTowardZero,
        RoundsYToo,
        window=3,
    ),
)
