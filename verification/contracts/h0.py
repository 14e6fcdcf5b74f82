"""H0 as a value: asked for without side effects, and its two products undo each other."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from adaqn_lab import AdaGrad, BarzilaiBorwein, Diagonal
from adaqn_lab import state as part_state
from adaqn_lab.diagonal import Entries
from adaqn_lab.protocols import Curvature
from verification.benches import ScalingBench
from verification.compare import close, same
from verification.law import Group, Subject, law
from verification.matrices import Product
from verification.naming import by_name
from verification.parts import tensor
from verification.strategies import ContractCase, contract_cases
from verification.tolerances import TOLERANCES

LINEAR = TOLERANCES["linear"]
SIZES = (1.0, 2.0**40, 2.0**-40, 1000.0, 0.001)
"""Of gradients: a bound of the entries, which those of order 1 do not reach, holds for products and for quotients."""


@law(
    name="h0-as-value",
    statement="gradients of any size: h0() leaves the state; solve_(apply_(v)) = v = apply_(solve_(v)); one value "
    "answers twice alike",
    source="adaqn_lab.protocols.InitialMatrix: H0 is asked for at every product, and writes into nothing but v.",
    group=Group.CONTRACT,
    subject=Subject.SCALING,
    tolerance="linear",
    kills=(
        *("solve_of_another_eps", "solves_in_float64", "solve_forgets_gamma", "h0_writes_into_state", "h0_used_up"),
        *("floor_in_apply_only", "ceiling_in_apply_only"),
    ),
    inputs=st.tuples(contract_cases(), st.sampled_from(SIZES)),
)
def h0_as_value(factory: Callable[[], Any], drawn: tuple[ContractCase, float]) -> None:
    """Whoever asks for H0, and however often, nothing changes: also where the gradients reach a bound of it."""
    case, size = drawn
    bench = ScalingBench(factory(), case)
    for g, where in zip(np.moveaxis(case.rows, 1, 0), case.masks, strict=True):
        bench.observe((size * g).astype(case.dtype), where)
    before = {name: x.clone() for name, x in part_state.flatten({"state": bench.state}).items()}
    h0 = bench.h0()
    there = bench.owned(h0.apply_(tensor(case.v)))
    back = bench.owned(h0.solve_(there.clone()))
    other = bench.owned(h0.apply_(bench.owned(h0.solve_(tensor(case.v)))))
    atol = LINEAR(case.dtype, n=case.n) * bench.condition() * np.abs(case.v).max(axis=1, keepdims=True)
    close(back, case.v, atol, "solve_(apply_(v)) against v")
    close(other, case.v, atol, "apply_(solve_(v)) against v")
    same(h0.apply_(tensor(case.v)), there, "apply_(v) the second time")
    for name, now in part_state.flatten({"state": bench.state}).items():
        same(now, before[name], f"{name} after h0() and its products")


class SolveOfAnotherEps(AdaGrad):
    """solve_ has sqrt(G + 1) for sqrt(G + eps)."""

    def h0(self, state: Any, curvature: Curvature) -> Any:
        right = super().h0(state, curvature)
        return Product(right.apply_, replace(right, eps=1.0))


class SolvesInFloat64(AdaGrad):
    """solve_ answers in another type than apply_."""

    def h0(self, state: Any, curvature: Curvature) -> Any:
        return _Wide(super().h0(state, curvature))


class SolveForgetsGamma(BarzilaiBorwein):
    """solve_ is that of the identity."""

    def h0(self, state: Any, curvature: Curvature) -> Any:
        return Product(super().h0(state, curvature).apply_, Diagonal())


@dataclass(frozen=True)
class _Wide:
    """``of``, solved in float64."""

    of: Any

    def apply_(self, v: Tensor) -> Tensor:
        """Return H0 v."""
        applied: Tensor = self.of.apply_(v)
        return applied

    def solve_(self, v: Tensor) -> Tensor:
        """Return H0^-1 v, whatever the type of v, in float64."""
        solved: Tensor = self.of.solve_(v.double())
        return solved


class H0WritesIntoState(AdaGrad):
    """eps is added to the accumulator itself, at every asking."""

    def h0(self, state: Any, curvature: Curvature) -> Diagonal:
        return Diagonal(squares=state.total.add_(self.eps))


class _Once:
    """H0 by its entries, which the first product writes over."""

    def __init__(self, entries: Tensor) -> None:
        self.entries = entries

    def apply_(self, v: Tensor) -> Tensor:
        """Return H0 v, in the entries."""
        return self.entries.mul_(v)

    def solve_(self, v: Tensor) -> Tensor:
        """Return H0^-1 v."""
        return v.div_(self.entries)


class H0UsedUp(AdaGrad):
    """The first product writes over the entries."""

    def h0(self, state: Any, curvature: Curvature) -> Any:
        return _Once(torch.rsqrt(state.total + self.eps))


@dataclass(frozen=True, kw_only=True)
class _Bounded(AdaGrad):
    """The entries lie in ``least`` to ``most`` when H0 is applied, not when it is solved."""

    least: float = 0.0
    most: float = math.inf

    def h0(self, state: Any, curvature: Curvature) -> Any:
        entries = torch.rsqrt(state.total + self.eps)
        return Product(Entries(entries=entries.clamp(self.least, self.most)).apply_, Entries(entries=entries))


LAWS = (h0_as_value,)
"""Contract of ``ScalingInitializer.h0``."""
MUTANTS = {
    Subject.SCALING: by_name(SolveOfAnotherEps, SolvesInFloat64, SolveForgetsGamma, H0WritesIntoState, H0UsedUp)
    | {
        "floor_in_apply_only": lambda: _Bounded(eps=1e-6, least=1e-5),
        "ceiling_in_apply_only": lambda: _Bounded(eps=1e-12, most=1e4),
    }
}
