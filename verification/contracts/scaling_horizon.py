"""Scalings far beyond the first steps, for more runs and pairs than usual, and parameters without a gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import AdaGrad, Diagonal, RMSProp, Step
from adaqn_lab import state as part_state
from adaqn_lab.bases import ScalingBase
from adaqn_lab.diagonal import Entries
from adaqn_lab.protocols import Curvature
from adaqn_lab.space import Space
from verification.benches import ScalingBench, is_diagonal
from verification.compare import close, holds, same
from verification.law import Group, Law, Property, Subject, law
from verification.references import scalings
from verification.scaling.adagrad import ADAGRAD
from verification.scaling.rmsprop import RMSPROP
from verification.strategies import Array, ContractCase, contract_cases
from verification.tolerances import TOLERANCES

Factory = Callable[[], Any]
LINEAR = TOLERANCES["linear"]
LONG = contract_cases(runs=5, min_items=9, max_items=24)


def _gradients(case: ContractCase) -> Array:
    """Those of the case; one parameter never has any, and another only at the last step."""
    rows = case.rows.copy()
    rows[:, :, 0] = 0.0
    if case.n > 1:
        rows[:, :-1, 1] = 0.0
    return rows


def _feed(bench: ScalingBench, start: int, stop: int) -> None:
    rows = _gradients(bench.case)
    for k in range(start, stop):
        bench.observe(rows[:, k], bench.case.masks[k])


def definite(H0: Array, dtype: str, what: str) -> None:
    """Raise AssertionError unless every (n, n) of H0 is finite, symmetric and positive definite."""
    holds(bool(np.isfinite(H0).all()), f"H0 {what} is not finite: {H0.tolist()}")
    atol = LINEAR(dtype, n=H0.shape[-1]) * np.abs(H0).max(axis=(1, 2), keepdims=True)
    close(H0, H0.transpose(0, 2, 1), atol, f"H0 {what} against its transpose")
    least = np.linalg.eigvalsh((H0 + H0.transpose(0, 2, 1)) / 2)[:, 0]
    # What is not diagonal has rounding errors of the largest entry's size in every other.
    lost = np.array([0.0 if is_diagonal(x) else a.item() for x, a in zip(H0, atol, strict=True)])
    run = int((least + lost).argmin())
    holds(least[run] > -lost[run], f"lambda_min(H0) of run {run} {what}: got {least[run]:.6g}, more than 0 expected")


@law(
    name="scaling-horizon",
    statement="after 9 to 24 steps and with as many pairs, up to 5 runs, parameters without a gradient: H0 is "
    "symmetric, positive definite, linear, each run's as alone, resumed bit for bit",
    source="Nocedal & Wright 2006, section 6.1; adaqn_lab.protocols.",
    group=Group.MATHEMATICS,
    subject=Subject.SCALING,
    tolerance="linear",
    kills=(
        *("fifth_run_of_the_first", "negative_for_nine_pairs", "forgets_its_count", "infinite_without_a_gradient"),
        *("slopes_of_any_sign", "parameters_as_curvature"),
    ),
    share=0.6,
    inputs=LONG,
)
def horizon(factory: Factory, case: ContractCase) -> None:
    """One drive of all runs, one of the last alone, one which is interrupted."""
    bench, resumed = ScalingBench(factory(), case), ScalingBench(factory(), case)
    _feed(bench, 0, case.items // 2)
    part_state.load_({"state": resumed.state}, part_state.flatten({"state": bench.state}))
    resumed.follow(bench)
    for driven in (bench, resumed):
        _feed(driven, case.items // 2, case.items)
    got, H0 = bench.read(), bench.matrices()
    same(resumed.read(), got, f"H0 v after {case.items} gradients, resumed after half of them")
    definite(H0, case.dtype, f"after {case.items} gradients")
    size = np.abs(H0).max(axis=(1, 2))[:, None] * np.linalg.norm(case.v, axis=1, keepdims=True)
    product = np.einsum("rij,rj->ri", H0, case.v.astype(np.float64))
    close(got, product, LINEAR(case.dtype, n=case.n) * size, "H0 v against its columns times v")
    last = ScalingBench(factory(), case, (case.runs - 1,))
    _feed(last, 0, case.items)
    atol = LINEAR(case.dtype, n=case.n) * size[-1]
    close(got[-1], last.read()[0], atol, f"H0 v of run {case.runs - 1} after {case.items} gradients, against it alone")


def _adagrad(part: Any, G: Array) -> Array:
    return scalings.adagrad(G, part.eps)


def _rmsprop(part: Any, G: Array) -> Array:
    return scalings.rmsprop(G, part.eps, part.decay)


def _textbook(needed: Property, diagonal: Callable[[Any, Array], Array], kills: tuple[str, ...]) -> Law:
    @law(
        name=f"{needed.word}-horizon",
        statement="H0 is the textbook's after 1, 9, 10 and up to 24 steps, for parameters with and without gradients",
        source="Duchi, Hazan & Singer 2011; minSQN, mode 'RMS'.",
        group=Group.REFERENCE,
        subject=Subject.SCALING,
        tolerance="linear",
        kills=kills,
        needs=frozenset({needed}),
        inputs=LONG,
    )
    def check(factory: Factory, case: ContractCase) -> None:
        bench, rows, start = ScalingBench(factory(), case), _gradients(case), 0
        for count in sorted({1, 9, min(10, case.items), case.items}):
            _feed(bench, start, count)
            start, got = count, bench.read()
            for run in range(case.runs):
                G = rows[run, :count][case.masks[:count, run]]
                expected = diagonal(bench.part, G) * case.v[run].astype(np.float64)
                rtol = LINEAR(case.dtype, n=case.n + count)
                close(got[run], expected, rtol * np.abs(expected), f"H0 v of run {run} after {count} steps")

    return check


LAWS = (
    horizon,
    _textbook(ADAGRAD, _adagrad, ("adagrad_starts_anew_at_nine", "adagrad_divides_at_ten")),
    _textbook(RMSPROP, _rmsprop, ("rmsprop_keeps_the_first_eight", "rmsprop_sees_no_late_parameter")),
)


class _FifthOfTheFirst(AdaGrad):
    def h0(self, state: Any, curvature: Curvature) -> Diagonal:
        total = state.total
        return Diagonal(squares=torch.cat([total[:4], total[:1].expand_as(total[4:])]), eps=self.eps)


class _NegativeForNine(ScalingBase):
    """The mean of s'y / y'y, less what nine pairs or more are too many."""

    def h0(self, state: None, curvature: Curvature) -> Diagonal:
        s_y, _, y_y, held = curvature.products()
        count = held.sum(1)
        mean = torch.where(held, s_y / y_y, 0.0).sum(1) / count.clamp(min=1)
        return Diagonal(gamma=torch.where(count == 0, 1.0, torch.where(count > 8, -mean, mean)))


class _ForgetsItsCount(AdaGrad):
    """The mean of the squares, by a count of steps that nobody saves."""

    def observe_(self, state: Any, step: Step) -> None:
        super().observe_(state, step)
        object.__setattr__(self, "steps", getattr(self, "steps", 0) + 1)

    def h0(self, state: Any, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.total / max(getattr(self, "steps", 0), 1), eps=self.eps)


class _InfiniteWithoutAGradient(AdaGrad):
    """Without eps once there was a gradient."""

    def h0(self, state: Any, curvature: Curvature) -> Diagonal:
        seen = state.total.sum(1, keepdim=True) > 0
        return Diagonal(squares=torch.where(seen, state.total, 1.0), eps=0.0)


@dataclass
class _Counted:
    total: Tensor
    count: Tensor


class _CountedAdaGrad(AdaGrad):
    """AdaGrad which counts its steps."""

    declares: ClassVar[frozenset[Property]] = frozenset({ADAGRAD})

    def init(self, space: Space) -> _Counted:  # type: ignore[override]
        return _Counted(space.zeros(), space.counts())

    def observe_(self, state: _Counted, step: Step) -> None:  # type: ignore[override]
        state.count = state.count + step.where.long()
        state.total = state.total + step.g * step.g

    def h0(self, state: _Counted, curvature: Curvature) -> Diagonal:  # type: ignore[override]
        return Diagonal(squares=state.total, eps=self.eps)


class _StartsAnew(_CountedAdaGrad):
    def observe_(self, state: _Counted, step: Step) -> None:  # type: ignore[override]
        state.total = torch.where((state.count == 8).unsqueeze(1), 0.0, state.total)
        super().observe_(state, step)


class _DividesAtTen(_CountedAdaGrad):
    def h0(self, state: _Counted, curvature: Curvature) -> Diagonal:  # type: ignore[override]
        weight = torch.where(state.count > 9, 1.0 / state.count, 1.0)
        return Diagonal(squares=state.total, weight=weight.double(), eps=self.eps)


class _BySlopes(ScalingBase):
    """1 / (dg / dw) of the last step, entry by entry, without a look at its sign."""

    sign: float = 1.0

    def init(self, space: Space) -> _Counted:
        return _Counted(space.zeros(), space.zeros())

    def slope(self, state: _Counted, step: Step) -> Tensor:
        """What 1 / H0 is."""
        return step.g / step.w()

    def observe_(self, state: _Counted, step: Step) -> None:
        new = self.slope(state, step)
        state.total = torch.where(step.where.unsqueeze(1) & new.isfinite() & (new != 0), new, state.total)

    def h0(self, state: _Counted, curvature: Curvature) -> Entries:
        return Entries(inverse=torch.where(state.total == 0, 1.0, state.total))


class _ByDistance(_BySlopes):
    """w of the last step itself, which is positive in no model."""

    def slope(self, state: _Counted, step: Step) -> Tensor:
        return step.w() * (step.g != 0)


class _KeepsTheFirstEight(RMSProp):
    declares: ClassVar[frozenset[Property]] = frozenset({RMSPROP})

    def observe_(self, state: Any, step: Step) -> None:
        if step.k <= 8:
            super().observe_(state, step)


class _SeesNoLateParameter(RMSProp):
    """Where eight steps brought no gradient none is expected any more."""

    declares: ClassVar[frozenset[Property]] = frozenset({RMSPROP})

    def observe_(self, state: Any, step: Step) -> None:
        dead = (state.mean == 0) if step.k > 8 else torch.zeros_like(state.mean, dtype=torch.bool)
        super().observe_(state, step)
        state.mean = state.mean.masked_fill(dead, 0.0)


MUTANTS: dict[Subject, dict[str, Callable[[], Any]]] = {
    Subject.SCALING: {
        "fifth_run_of_the_first": _FifthOfTheFirst,
        "negative_for_nine_pairs": _NegativeForNine,
        "forgets_its_count": _ForgetsItsCount,
        "infinite_without_a_gradient": _InfiniteWithoutAGradient,
        "slopes_of_any_sign": _BySlopes,
        "parameters_as_curvature": _ByDistance,
        "adagrad_starts_anew_at_nine": _StartsAnew,
        "adagrad_divides_at_ten": _DividesAtTen,
        "rmsprop_keeps_the_first_eight": _KeepsTheFirstEight,
        "rmsprop_sees_no_late_parameter": _SeesNoLateParameter,
    }
}
