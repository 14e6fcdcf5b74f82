"""What laws of pairs by oracle share."""

from __future__ import annotations

import numpy as np

from adaqn_lab import Displacement, Pair
from verification.benches import PairBench
from verification.parts import array
from verification.strategies import Array, ContractCase, contract_cases
from verification.tolerances import TOLERANCES

STEPS = contract_cases(min_items=2)


def made(bench: PairBench, w_bar: Array, w_ref: Array) -> tuple[Pair, Array, Array]:
    """The generator's pairs for one displacement, (R, q, n), as they are and in float64."""
    new, old = bench.give("w_bar", w_bar), bench.give("w_ref", w_ref)
    move = Displacement(new - old, new, old, bench.space.mask(True))
    pair = bench.own(bench.part.pair_(bench.state, move, bench.oracle), move.s)
    return pair, array(pair.s).astype(np.float64), array(pair.y).astype(np.float64)


def times(A: Array, s: Array) -> Array:
    """A s of each run, (R, n, n), (R, q, n), in float64."""
    return np.asarray(np.einsum("rij,rqj->rqi", A.astype(np.float64), s))


def norms(x: Array) -> Array:
    """|x| of each run, broadcast over (R, q, n)."""
    return np.asarray(np.linalg.norm(x.astype(np.float64).reshape(len(x), -1), axis=1)[:, None, None])


def bound_of(case: ContractCase, steps: int = 1) -> float:
    """How far rounding moves one product of an oracle, per unit of what it is made of."""
    return TOLERANCES["products"](case.dtype, m=steps, n=case.n)
