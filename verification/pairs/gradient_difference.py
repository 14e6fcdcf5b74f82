"""y = g(w_bar) - g(w_ref) + shift s on one sample."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from adaqn_lab import Displacement, GradientDifference, Sample
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
    number=11,
    statement="y = A s + shift s on w'Aw / 2, wherever the reference is",
    source="Schraudolph, Yu & Guenter 2007; a quadratic's gradient is linear.",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("difference_forgets_reference", "shift_has_wrong_sign"),
    needs=(DIFFERENCE,),
    inputs=contract_cases(min_items=1),
)
def difference_secant(factory: Factory, case: ContractCase) -> None:
    """Differences are products with the Hessian."""
    bench = PairBench(factory(), case)
    s, w_ref = bench.give("s", case.v), bench.give("w_ref", case.partners)
    move = Displacement(s, w_ref + s, w_ref, bench.space.mask(True))
    got = array(bench.part.pair_(bench.state, move, bench.oracle))
    A, v = case.hessians.astype(np.float64), case.v.astype(np.float64)
    expected = np.einsum("rij,rj->ri", A, v) + bench.part.shift * v
    near = np.linalg.norm(A, axis=(1, 2))[:, None] * (np.abs(v) + 2 * np.abs(case.partners))
    close(got, expected, bound_of(case, near, expected, v), "y against A s + shift s")


class DifferenceForgetsReference(GradientDifference):
    """y = g(w_bar): the gradient at the reference is taken for zero."""

    declares: ClassVar[tuple[str, ...]] = ("difference",)

    def pair_(self, state: None, move: Displacement, oracle: Any) -> Tensor:
        y: Tensor = oracle.gradient(move.w_bar, self.sample)
        return y


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
    mutants=by_name(DifferenceForgetsReference) | by_name(ShiftHasWrongSign, shift=0.5),
)
