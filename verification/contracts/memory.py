"""What a memory admits, evicts and forgets."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import torch

from adaqn_lab import Diagonal
from adaqn_lab import state as part_state
from verification.benches import MEMORY_BENCHES, MemoryBench
from verification.compare import close, holds, same
from verification.law import Factory, Group, Property, Subject, law
from verification.parts import tensor
from verification.references import two_loop
from verification.strategies import Array, ContractCase, contract_cases
from verification.tolerances import TOLERANCES

FIRST_IN_FIRST_OUT = Property(
    "fifo", "The memory holds the last `capacity` admitted pairs as they were given.", fields=("capacity",)
)
NEWEST = Property("newest", "`newest()` of the state answers with the products that the verdict on the pair told.")


Made = Callable[[], MemoryBench]
"""A fresh bench with a fresh part."""


def _in_one_form(check: Callable[[Made, ContractCase], None]) -> Callable[[Factory, ContractCase], None]:
    """The check around one form of H0, which the case's seed chooses."""

    @functools.wraps(check)
    def checked(factory: Factory, case: ContractCase) -> None:
        form = MEMORY_BENCHES[case.seed % len(MEMORY_BENCHES)]
        check(lambda: form(factory(), case), case)

    return checked


@law(
    name="eviction",
    statement="after any number of pairs: the operator of the last `capacity` pairs alone",
    source="Liu & Nocedal 1989: the oldest pair leaves; a ring buffer must not show.",
    group=Group.INVARIANCE,
    subject=Subject.MEMORY,
    tolerance="operator",
    kills=("ring_off_by_one", "evicts_newest", "stale_inner_products"),
    needs=(FIRST_IN_FIRST_OUT,),
    inputs=contract_cases(max_items=13),
)
@_in_one_form
def eviction(made: Made, case: ContractCase) -> None:
    """An evicted pair leaves no trace."""
    full, rebuilt = made(), made()
    S, Y = case.pairs
    everyone = np.ones(case.runs, bool)
    admitted = np.zeros((case.items, case.runs), bool)
    for k in range(case.items):
        admitted[k] = full.admit(S[:, k], Y[:, k], everyone).admitted.numpy()
    later = admitted[::-1].cumsum(axis=0)[::-1]  # how many were admitted from item k on
    for k in range(case.items):
        rebuilt.admit(S[:, k], Y[:, k], admitted[k] & (later[k] <= full.part.capacity))
    got, expected = full.read(), rebuilt.read()
    for run in range(case.runs):
        close(got[run], expected[run], 2 * full.offered_atol(run), f"H v of run {run} after {case.items} pairs")


@law(
    name="unsound-pairs",
    statement="a pair with s'y <= 0, a NaN or an infinity: not admitted, and H keeps every bit",
    source="s'y > 0 is what makes H positive definite; a comparison with NaN is false and must reject.",
    group=Group.CONTRACT,
    subject=Subject.MEMORY,
    kills=(
        "rejects_iff_false",
        "admits_negative_curvature",
        "writes_before_testing",
        "admits_zero",
        "backup_copied_backwards",
    ),
    needs=(FIRST_IN_FIRST_OUT,),
    inputs=contract_cases(max_items=3),
)
@_in_one_form
def unsound_pairs(made: Made, case: ContractCase) -> None:
    """Unsound pairs are skipped, and a skip is no operation."""
    bench = made()
    everyone = np.ones(case.runs, bool)
    bench.feed_all()
    before = bench.read()
    spoilt = case.v.copy()
    spoilt[:, -1] = np.nan
    for name, y in (
        ("-s", -case.v),
        ("0", 0 * case.v),
        ("NaN", spoilt),
        ("inf", np.full_like(case.v, np.inf)),
        ("-inf", np.full_like(case.v, -np.inf)),
    ):
        verdict = bench.admit(case.v, y, everyone)
        holds(not verdict.admitted.any(), f"a pair with y = {name} was admitted, s'y = {verdict.s_y.tolist()}")
        same(bench.read(), before, f"H v after a pair with y = {name}")
    verdict = bench.admit(spoilt, case.v, everyone)
    holds(not verdict.admitted.any(), f"a pair with a NaN in s was admitted, s'y = {verdict.s_y.tolist()}")
    same(bench.read(), before, "H v after a pair with a NaN in s")


@law(
    name="verdict",
    statement="the verdict's scalars are s'y, s's, y'y; nobody outside `where` is admitted",
    source="The events report them and other parts may decide by them.",
    group=Group.REFERENCE,
    subject=Subject.MEMORY,
    tolerance="linear",
    kills=("swaps_ss_and_yy", "admits_outside_mask"),
    needs=(FIRST_IN_FIRST_OUT,),
    inputs=contract_cases(min_items=1),
)
def verdict(factory: Factory, case: ContractCase) -> None:
    """What is reported is what was tried."""
    bench = MemoryBench(factory(), case)
    S, Y = (x[:, 0].astype(np.float64) for x in case.pairs)
    found = bench.admit(case.pairs[0][:, 0], case.pairs[1][:, 0], case.masks[0])
    holds(not found.admitted.numpy()[~case.masks[0]].any(), "a run outside the mask was admitted")
    for name, got, (a, b) in (
        ("s'y", found.s_y, (S, Y)),
        ("s's", found.s_s, (S, S)),
        ("y'y", found.y_y, (Y, Y)),
    ):
        atol = TOLERANCES["linear"](case.dtype, n=case.n) * np.abs(a * b).sum(1)
        close(got, (a * b).sum(1), atol, name)


@law(
    name="newest",
    statement="newest() = (s'y, s's, y'y, True) of the pair admitted last, (.., False) without one",
    source="Scalings of Barzilai-Borwein type read it.",
    group=Group.REFERENCE,
    subject=Subject.MEMORY,
    tolerance="linear",
    kills=("newest_is_oldest", "newest_survives_reset", "newest_of_skipped_pair"),
    needs=(FIRST_IN_FIRST_OUT,),
    inputs=contract_cases(max_items=13),
)
def newest(factory: Factory, case: ContractCase) -> None:
    """The newest pair is known by its inner products."""
    bench = MemoryBench(factory(), case)
    S, Y = case.pairs
    everyone = np.ones(case.runs, bool)
    last = np.full(case.runs, -1)
    for k in range(case.items):
        last[bench.admit(S[:, k], Y[:, k], everyone).admitted.numpy()] = k
    expected_to_exist = (last >= 0) & (bench.part.capacity > 0)
    *found, exists = bench.state.newest()
    same(exists, expected_to_exist, "whether there is a newest pair")
    for run in np.flatnonzero(expected_to_exist):
        s, y = (x[run, last[run]].astype(np.float64) for x in (S, Y))
        for name, got, (a, b) in zip(("s'y", "s's", "y'y"), found, ((s, y), (s, s), (y, y)), strict=True):
            atol = TOLERANCES["linear"](case.dtype, n=case.n) * np.abs(a * b).sum()
            close(got[run], (a * b).sum(), atol, f"newest {name} of run {run}")
    bench.reset(everyone)
    holds(not bench.state.newest()[3].any(), "a pair exists after a reset")


@law(
    name="memory-operator-pure",
    statement="H v and B v write into v alone, not into the state nor into H0, and share no memory with the state",
    source="adaqn_lab.protocols: MemoryPolicy. What a scaling's H0 is made of is the scaling's state.",
    group=Group.CONTRACT,
    subject=Subject.MEMORY,
    kills=("writes_into_h0", "returns_its_state", "accumulates_when_applied"),
    share=0.5,
    inputs=contract_cases(),
)
@_in_one_form
def operator_pure(made: Made, case: ContractCase) -> None:
    """Whatever becomes of v and of the answer: the memory and H0 are as they were."""
    bench = made()
    bench.feed_all()
    before = {k: x.clone() for k, x in part_state.flatten({"memory": bench.state}).items()}
    products = (bench.read, bench.solve) if bench.part.invertible else (bench.read,)
    for product in products:
        first = product()
        for name, now in part_state.flatten({"memory": bench.state}).items():
            same(now, before[name], f"{name} after {product.__name__}()")
        for name, now, was in bench.given:
            same(now, was, f"{name} after {product.__name__}()")
        same(product(), first, f"{product.__name__}() the second time")
    v = tensor(case.v)
    fresh = bench.operator(v)
    same(v, case.v, "v after operator(v), which is fresh")
    same(fresh, bench.read(), "operator(v) against operator.apply_(v)")


@law(
    name="memory-h0-forms",
    statement="H v around diag(gamma / sqrt(weight G + eps)) = H v around its entries, each run's own",
    source="H depends on what H0 is, not on how it is written: the direction applies a Diagonal inside its blocks.",
    group=Group.INVARIANCE,
    subject=Subject.MEMORY,
    tolerance="operator",
    kills=("gamma_of_the_first_run", "forgets_the_weight", "forgets_eps"),
    share=0.5,
    inputs=contract_cases(),
)
def h0_forms(factory: Factory, case: ContractCase) -> None:
    """G = (gamma^2 / h0^2 - eps) / weight; gamma and weight are powers of two: h0 errs by a few u, as by_diagonal's."""
    bench = MemoryBench(factory(), case)
    bench.feed_all()
    exponents = torch.arange(case.runs, dtype=torch.float64)
    gamma, weight, eps = 2.0**exponents, 4.0 ** (1 - exponents), 2.0**-6
    squares = ((gamma.unsqueeze(1) / tensor(case.h0).double()).square() - eps) / weight.unsqueeze(1)
    h0 = Diagonal(gamma=gamma, squares=squares.to(bench.space.dtype), weight=weight, eps=eps)
    got, expected = bench.part.apply_(bench.state, tensor(case.v), h0), bench.read()
    for run in range(case.runs):
        close(got[run], expected[run], 2 * np.asarray(bench.atol(run)), f"H v of run {run} around the Diagonal")


@law(
    name="memory-equals-two-loop",
    statement="H v = the two-loop recursion over the last `capacity` pairs admitted since the reset",
    source="Nocedal & Wright 2006, Algorithm 7.4; Liu & Nocedal 1989.",
    group=Group.REFERENCE,
    subject=Subject.MEMORY,
    tolerance="operator",
    kills=("ring_off_by_one", "evicts_newest", "stale_inner_products", "float32_small_matrices"),
    needs=(FIRST_IN_FIRST_OUT,),
    inputs=contract_cases(max_items=13),
)
@_in_one_form
def equals_two_loop(made: Made, case: ContractCase) -> None:
    """The ring of each run is a list of its pairs."""
    bench = made()
    S, Y = case.pairs
    held: list[list[int]] = [[] for _ in range(case.runs)]
    for k in range(case.items):
        for admitted in np.flatnonzero(bench.admit(S[:, k], Y[:, k], case.masks[k]).admitted.numpy()):
            held[int(admitted)].append(k)
    got = bench.read()
    for run in range(case.runs):
        kept = held[run][max(0, len(held[run]) - bench.part.capacity) :]
        expected = two_loop.direction(S[run, kept], Y[run, kept], case.h0[run], case.v[run])
        close(got[run], expected, 2 * bench.offered_atol(run, np.array(kept, int)), f"H v of run {run}, pairs {kept}")


@law(
    name="newest-is-the-verdict",
    statement="newest() = the verdict's s'y, s's, y'y on the pair that each run admitted last, (.., False) without one",
    source="Scalings of Barzilai-Borwein type read it, whatever the memory is.",
    group=Group.CONTRACT,
    subject=Subject.MEMORY,
    tolerance="linear",
    kills=("newest_of_skipped_pair", "newest_survives_reset", "newest_is_oldest", "h0_of_the_undamped_pair"),
    needs=(NEWEST,),
    inputs=contract_cases(),
)
def newest_is_the_verdict(factory: Factory, case: ContractCase) -> None:
    """What was reported and what is remembered are the same, run by run, through masks and resets."""
    bench, exists = MemoryBench(factory(), case), np.zeros(case.runs, bool)
    room, expected = getattr(bench.part, "capacity", 1) > 0, np.ones((3, case.runs))
    for k in range(case.items):
        S, Y = case.pairs
        verdict = bench.admit(S[:, k], Y[:, k], case.masks[k])
        admitted = verdict.admitted.numpy() & room
        told = np.stack([x.numpy() for x in (verdict.s_y, verdict.s_s, verdict.y_y)])
        expected, exists = np.where(admitted, told, expected), exists | admitted
        _newest_is(bench, expected, exists)
    gone = np.arange(case.runs) % 2 == 0
    bench.reset(gone)
    _newest_is(bench, expected, exists & ~gone)


def _newest_is(bench: MemoryBench, expected: Array, exists: Array) -> None:
    *found, known = bench.state.newest()
    same(known, exists, "whether there is a newest pair")
    for name, got, value in zip(("s'y", "s's", "y'y"), found, expected, strict=True):
        atol = TOLERANCES["linear"](bench.case.dtype, n=bench.case.n) * np.abs(expected).max(axis=0)  # s'y <= |s||y|
        close(got.numpy()[exists], value[exists], atol[exists], f"newest {name}")
        holds(got.isfinite().all(), f"newest {name} where there is none: {got.tolist()}")


LAWS = (newest_is_the_verdict, equals_two_loop, eviction, unsound_pairs, verdict, newest, operator_pure, h0_forms)
