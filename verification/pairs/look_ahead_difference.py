"""Pairs between an iterate and the point that momentum would reach."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np

from adaqn_lab import Displacement, LookAheadDifference, Pair, Sample
from verification.benches import PairBench
from verification.compare import close
from verification.law import Factory, Group, Property, Subject, law
from verification.naming import by_name
from verification.pairs.making import STEPS, bound_of, made, norms, times
from verification.specimen import Specimen
from verification.strategies import ContractCase

LOOK_AHEAD = Property(
    "look-ahead difference",
    "s = w_{k+1} - (w_k + mu v_k), y its change of gradient + shift s.",
    fields=(
        "momentum",
        "shift",
    ),
)


@law(
    name="look-ahead-difference",
    statement="s = w_{k+1} - (w_k + mu v_k), y = A s + shift s, the parameters being at w_k + mu v_k",
    source="NAQ, Ninomiya 2017; a step which was skipped leaves w and v.",
    group=Group.REFERENCE,
    subject=Subject.PAIRS,
    tolerance="products",
    kills=("pairs_look_ahead_points", "look_ahead_shift_has_wrong_sign"),
    needs=(LOOK_AHEAD,),
    inputs=STEPS,
)
def look_ahead_difference(factory: Factory, case: ContractCase) -> None:
    """The iterate is found from the look-ahead points alone."""
    bench = PairBench(factory(), case)
    mu, shift = bench.part.momentum, bench.part.shift
    points = case.points.astype(np.float64)
    w, v = case.v.astype(np.float64), np.zeros((case.runs, case.n))
    size = 2 * (norms(case.v) + norms(points) * case.items)  # |w| and |v| of every step
    for k in range(case.items):
        theta, where = w + mu * v, case.masks[k]
        bench.observe(theta.astype(case.dtype), case.rows[:, k], where)
        v = np.where(where[:, None], points[:, k], v)
        w = np.where(where[:, None], w + v, w)
        _, s, y = made(bench, (w + mu * v).astype(case.dtype), theta.astype(case.dtype))
        atol = bound_of(case, case.items) * size
        close(s[:, 0], w - theta, atol[:, 0], f"s of step {k + 1}")
        expected = times(case.hessians, s) + shift * s
        close(y, expected, atol * (abs(shift) + norms(case.hessians)), f"y of step {k + 1} against A s + shift s")


class WrongLookAhead(LookAheadDifference):
    """What the wrong look-ahead pairs share."""

    declares: ClassVar[tuple[str, ...]] = ("look-ahead difference",)


class PairsLookAheadPoints(WrongLookAhead):
    """s from one look-ahead point to the next, as plain oBFGS under momentum would."""

    def pair_(self, state: Any, move: Displacement, oracle: Any) -> Pair:
        y = oracle.gradient(move.w_bar, Sample.BATCH) - oracle.gradient(move.w_ref, Sample.BATCH)
        return Pair(move.s, y + self.shift * move.s)


class LookAheadShiftHasWrongSign(WrongLookAhead):
    """y - shift s for y + shift s."""

    def pair_(self, state: Any, move: Displacement, oracle: Any) -> Pair:
        pair = super().pair_(state, move, oracle)
        return replace(pair, y=pair.y - 2 * self.shift * pair.s)


SPECIMEN = Specimen(
    role=Subject.PAIRS,
    kind=LookAheadDifference,
    variations=(
        LookAheadDifference,
        partial(LookAheadDifference, momentum=0.5, shift=0.25),
    ),
    declares=frozenset({LOOK_AHEAD}),
    laws=(look_ahead_difference,),
    mutants=by_name(PairsLookAheadPoints, LookAheadShiftHasWrongSign, shift=0.25),
)
