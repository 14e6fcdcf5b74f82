"""y = g(w_bar) - g(w_ref) + shift s on one sample."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adaqn_lab import Displacement, GradientDifference, Sample, Space
from verification.benches import PairBench
from verification.compare import close
from verification.law import Factory, Group, Property, Subject, law
from verification.naming import by_name
from verification.parts import array
from verification.specimen import Specimen
from verification.strategies import Array, ContractCase, contract_cases
from verification.tolerances import TOLERANCES

DIFFERENCE = Property("difference", "y = g(w_bar) - g(w_ref) + shift s on one sample.", fields=("shift",))


def bound_of(case: ContractCase, *vectors: Array) -> Array:
    """Roundoff of dot products and of sums over the items, by run: (R, 1), for these vectors as the magnitude."""
    size = sum(np.abs(v.astype(np.float64)).sum(axis=-1, keepdims=True) for v in vectors)
    return np.asarray(TOLERANCES["products"](case.dtype, m=case.items, n=case.n) * size)


@law(
    name="difference-secant",
    statement="y = A s + shift s on w'Aw / 2, wherever the reference is, also where the last window ended",
    source="Schraudolph, Yu & Guenter 2007; a quadratic's gradient is linear. A skipped pair leaves the reference, and "
    "the next window has a sample of its own: no gradient of the last one is of use.",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=(
        "difference_forgets_reference",
        "shift_has_wrong_sign",
        "difference_of_the_windows_averages",
        "trusts_the_last_average",
    ),
    needs=(DIFFERENCE,),
    inputs=contract_cases(min_items=1),
)
def difference_secant(factory: Factory, case: ContractCase) -> None:
    """Two windows, the second from where the first one ended, each with a Hessian of its own."""
    bench = PairBench(factory(), case)
    A, eye = bench.A.clone(), torch.eye(case.n, dtype=bench.A.dtype)
    bench.A += eye
    bench.pair(case.points[:, 0])
    w_ref = bench.give("w_ref", case.partners)
    for identities, given in ((0, case.v), (1, case.points[:, 0])):
        bench.A.copy_(A + identities * eye)
        s = bench.give("s", given)
        move = Displacement(s, w_ref + s, w_ref, bench.space.mask(True))
        got = array(bench.part.pair_(bench.state, move, bench.oracle))
        H, v = case.hessians.astype(np.float64) + identities * np.eye(case.n), given.astype(np.float64)
        expected = np.einsum("rij,rj->ri", H, v) + bench.part.shift * v
        near = np.linalg.norm(H, axis=(1, 2))[:, None] * (np.abs(v) + 2 * np.abs(array(w_ref)))
        close(got, expected, bound_of(case, near, expected, v), "y against A s + shift s")
        w_ref = move.w_bar.clone()


class DifferenceForgetsReference(GradientDifference):
    """y = g(w_bar): the gradient at the reference is taken for zero."""

    declares: ClassVar[tuple[str, ...]] = ("difference",)

    def pair_(self, state: None, move: Displacement, oracle: Any) -> Tensor:
        y: Tensor = oracle.gradient(move.w_bar, self.sample)
        return y


@dataclass
class _Last:
    g: Tensor
    known: Tensor


@dataclass
class _At(_Last):
    w: Tensor


class DifferenceOfTheWindowsAverages(GradientDifference):
    """The last average's gradient is taken for that at the reference."""

    declares: ClassVar[tuple[str, ...]] = ("difference",)

    def init(self, space: Space) -> Any:
        return _Last(space.zeros(), space.mask(False))

    def pair_(self, state: Any, move: Displacement, oracle: Any) -> Tensor:
        new, old = oracle.gradient(move.w_bar, self.sample), oracle.gradient(move.w_ref, self.sample)
        y: Tensor = new - torch.where(state.known.unsqueeze(1), state.g, old) + self.shift * move.s
        state.g, state.known = new.clone(), move.where.clone()
        return y

    def reset_(self, state: Any, where: Tensor) -> None:
        state.known = state.known & ~where


class TrustsTheLastAverage(DifferenceOfTheWindowsAverages):
    """Where the window starts at the last average, the gradient which that one's sample gave there is taken."""

    def init(self, space: Space) -> Any:
        return _At(space.zeros(), space.mask(False), space.zeros())

    def pair_(self, state: Any, move: Displacement, oracle: Any) -> Tensor:
        state.known = state.known & (state.w == move.w_ref).all(dim=1)
        state.w = move.w_bar.clone()
        return super().pair_(state, move, oracle)


class ShiftHasWrongSign(GradientDifference):
    """y - shift s for y + shift s."""

    declares: ClassVar[tuple[str, ...]] = ("difference",)

    def pair_(self, state: None, move: Displacement, oracle: Any) -> Tensor:
        return super().pair_(state, move, oracle) - 2 * self.shift * move.s


SPECIMEN = Specimen(
    role=Subject.PAIRS,
    kind=GradientDifference,
    variations=(
        GradientDifference,
        partial(GradientDifference, sample=Sample.OVERLAP, shift=0.5),
        partial(GradientDifference, sample=Sample.CURVATURE, shift=-0.125),
    ),
    declares=frozenset({DIFFERENCE}),
    laws=(difference_secant,),
    mutants=by_name(DifferenceForgetsReference, DifferenceOfTheWindowsAverages, TrustsTheLastAverage)
    | by_name(ShiftHasWrongSign, shift=0.5),
)
