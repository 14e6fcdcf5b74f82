"""A memory whose pairs are stored in bfloat16."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from verification.benches import MEMORY_BENCHES
from verification.compare import close
from verification.conditioning import Conditioning
from verification.law import Group, Property, Subject, law
from verification.laws.reference.stores import bfloat16
from verification.references import two_loop
from verification.strategies import ContractCase, contract_cases
from verification.tolerances import TOLERANCES


@law(
    name="pairs-rounded",
    number=5,
    statement="H is the two-loop matrix of the last `capacity` pairs rounded to bfloat16, R and D those of the rounded",
    source="An L-BFGS matrix of the rounded pairs is symmetric and positive definite; rows rounded around an R of the "
    "unrounded ones give neither.",
    group=Group.REFERENCE,
    subject=Subject.MEMORY,
    tolerance="operator",
    kills=("keeps_every_digit_of_pairs", "rounds_the_rows_only"),
    needs=frozenset({Property.ROUNDED_PAIRS}),
    inputs=contract_cases(),
)
def pairs_rounded(factory: Callable[[], Any], case: ContractCase) -> None:
    """Cosines of drawn pairs are at least 0.3, so that no rounded pair fails a test."""
    benches = [form(factory(), case) for form in MEMORY_BENCHES]
    for bench in benches:
        bench.feed_all()
    for bench, run in product(benches, range(case.runs)):
        got = bench.read().numpy()
        S, Y = (bfloat16(x[run][case.masks[:, run]])[-bench.part.capacity :] for x in case.pairs)
        h0, v = case.h0[run], case.v[run]
        known = Conditioning.of(S, Y, h0)
        bound = TOLERANCES["operator"](case.dtype, m=known.m, n=known.n, c_min=known.c_min)
        atol = bound * known.magnitude * np.linalg.norm(v)
        close(got[run], two_loop.direction(S, Y, h0, v), atol, f"H v of run {run} against that of the rounded pairs")


LAWS = (pairs_rounded,)
"""Laws of rounded pairs."""
