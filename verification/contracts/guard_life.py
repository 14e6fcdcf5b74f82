"""What every guard does over a dozen windows, whatever its rule.

A guard may be stricter than adaQN's monitor (a sufficient decrease), laxer (only what is not finite goes back),
patient, or compare with something else than the last reference: ``guard-bound``, ``guard-keeps-equal-losses`` and
``guard-bound-for-life`` are for those who declare its bound. What holds for all: lower is never worse, a great decrease
is kept, what is told is true, and the rest of the protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from verification.compare import holds, same
from verification.contracts.guards import ASKS, MONITOR_BOUND, asks
from verification.guard_lives import (
    WINDOWS,
    Anywhere,
    GuardLife,
    GuardLifeCase,
    Judged,
    Vectors,
    bound,
    guard_life_cases,
)
from verification.law import Group, Subject, law
from verification.strategies import Array

Factory = Callable[[], Any]


def _judged(factory: Factory, case: GuardLifeCase) -> list[Judged]:
    life = GuardLife(factory(), case)
    return [life.judge(window) for window in range(WINDOWS)]


def _alike(one: Judged, other: Judged, what: str) -> None:
    """The same answer, and the same told of finite averages."""
    same(one.keep[one.whole], other.keep[other.whole], f"keep of {what}")
    for name in ("told_loss", "told_reference"):
        same(getattr(one, name)[one.whole], getattr(other, name)[other.whole], f"{name.replace('_', ' ')} of {what}")


@law(
    name="guard-tells-what-is-true",
    statement="state.loss = f(w_bar), NaN if the guard asks for none, state.reference = f(w_ref) or NaN, (R,) float64; "
    "keep (R,) bool; 8 losses asked",
    source="adaqn_lab.Event: loss and reference are those at the average and at the reference, for whatever is kept.",
    group=Group.CONTRACT,
    subject=Subject.GUARD,
    kills=(
        *(
            "tells_the_last_loss_as_reference",
            "tells_the_best_as_reference",
            "tells_an_average_loss",
            "writes_into_move",
        ),
        *("answers_in_a_column", "loss_in_float32", "asks_twenty_times", "asks_for_the_wrong_point"),
        *("stale_loss_of_short_moves", "fills_in_an_unknown_reference"),
    ),
    inputs=guard_life_cases(),
    share=0.5,
)
def tells_what_is_true(factory: Factory, case: GuardLifeCase) -> None:
    """A rule's own bound belongs in another field of the state."""
    silent = not asks(factory())
    for window, judged in enumerate(_judged(factory, case), start=1):
        whole, known = judged.whole, judged.known & ~np.isnan(judged.told_reference)
        if silent:
            whole = whole & ~np.isnan(judged.told_loss)
        same(judged.told_loss[whole], judged.loss[whole], f"state.loss after window {window}")
        same(judged.told_reference[known], judged.reference[known], f"state.reference after window {window}")


@law(
    name="guard-refuses-for-life",
    statement="a NaN or infinite loss is not kept, at any window, with or without a reference",
    source="Every comparison with NaN is false: keep iff a comparison is true.",
    group=Group.CONTRACT,
    subject=Subject.GUARD,
    kills=("patience_with_infinity", "minus_infinity_is_low", "nan_before_a_reference"),
    needs=(ASKS,),
    inputs=guard_life_cases(),
    share=0.5,
)
def refuses_for_life(factory: Factory, case: GuardLifeCase) -> None:
    """What is no number is no improvement."""
    for window, judged in enumerate(_judged(factory, case), start=1):
        wrong = judged.keep & judged.whole & ~np.isfinite(judged.loss)
        holds(not wrong.any(), f"window {window} with losses {judged.loss.tolist()} was kept: {judged.keep.tolist()}")


@law(
    name="guard-lower-is-never-worse",
    statement="a < b, b kept: a kept; and f(w_bar) far below every loss so far is kept",
    source="Decrease and sufficient decrease, at once or of the last few: each asks for a loss that is low enough.",
    group=Group.MATHEMATICS,
    subject=Subject.GUARD,
    kills=(
        "keeps_increases",
        "band_around_the_reference",
        "asks_at_the_displacement",
        "never_again_after_nine",
        "keeps_nothing",
        "patience_turned",
    ),
    needs=(ASKS,),
    inputs=guard_life_cases(),
    share=0.5,
)
def lower_is_never_worse(factory: Factory, case: GuardLifeCase) -> None:
    """From the same state, at each window; what a first loss that is no number leaves behind is the rule's affair."""
    life = GuardLife(factory(), case)
    for window in range(WINDOWS):
        ladder = _ladder(life, window)
        kept = [life.fork(window, losses) for losses in ladder]
        whole = ~case.lost[window] & np.isfinite(case.bases)
        for low, high, a, b in zip(kept, kept[1:], ladder, ladder[1:], strict=False):
            wrong = high & ~low & whole
            text = f"losses {b.tolist()} were kept: {high.tolist()}, lower ones {a.tolist()}: {low.tolist()}"
            holds(not wrong.any(), f"window {window + 1}: {text}")
        text = f"losses {ladder[0].tolist()}, far below all before, were kept: {kept[0].tolist()}"
        holds(kept[0][whole].all(), f"window {window + 1}: {text}")
        life.judge(window)


def _ladder(life: GuardLife, window: int) -> list[Array]:
    """Ever higher losses for each run, from far below all that it saw to far above its reference."""
    seen = np.array(life.monitor.table)
    reference = np.nan_to_num(life.monitor.at(life.w_ref), nan=0.0, posinf=0.0, neginf=0.0)
    lowest = np.where(np.isfinite(seen), seen, reference).min(axis=0)
    far = 1e6 * (1 + np.abs(reference) + np.abs(lowest))
    limit = bound(life.part, reference)
    middle = (np.minimum(lowest, reference), reference, (reference + limit) / 2, limit + np.abs(limit) / 8)
    return [lowest - far, *np.sort(np.array(middle), axis=0), reference + far]


@law(
    name="guard-judges-again",
    statement="judge_ asked again with the same move, after an oracle that raised or a trouble later on: as if once",
    source="adaqn_lab.protocols: if a callable raises nothing is decided, and the guard is asked once more.",
    group=Group.CONTRACT,
    subject=Subject.GUARD,
    kills=("counts_its_calls", "room_shrinks_with_every_call", "forgets_before_it_asks"),
    inputs=guard_life_cases(),
    share=0.5,
)
def judges_again(factory: Factory, case: GuardLifeCase) -> None:
    """Twelve windows, each with trouble."""
    calm, troubled = GuardLife(factory(), case), GuardLife(factory(), case, trouble=True)
    for window in range(WINDOWS):
        _alike(troubled.judge(window), calm.judge(window), f"window {window + 1} judged again after trouble")


@law(
    name="guard-life-of-runs",
    statement="R runs together = each run alone, over twelve windows",
    source="Runs never influence each other.",
    group=Group.INVARIANCE,
    subject=Subject.GUARD,
    kills=("best_of_all_runs", "fourth_run_as_the_first", "advances_when_any_does"),
    inputs=guard_life_cases(min_runs=2),
    share=0.5,
)
def life_of_runs(factory: Factory, case: GuardLifeCase) -> None:
    """Each run has its own losses, references and advances."""
    together = _judged(factory, case)
    for run in range(case.runs):
        alone = GuardLife(factory(), case, (run,))
        for window, judged in enumerate(together):
            own = Judged(**{name: x[run : run + 1] for name, x in vars(judged).items()})
            _alike(alone.judge(window), own, f"window {window + 1}, run {run} of {case.runs} alone")


@law(
    name="guard-life-resumes",
    statement="saved after any window and read by a fresh part, beside another state of the part: the same answers",
    source="adaqn_lab.protocols: parts hold hyper-parameters only; the state is what init returned.",
    group=Group.INVARIANCE,
    subject=Subject.GUARD,
    kills=("reference_on_the_part", "counter_beside_the_fields", "patience_on_the_part"),
    inputs=guard_life_cases(),
    share=0.5,
)
def life_resumes(factory: Factory, case: GuardLifeCase) -> None:
    """A job that was stopped goes on, beside another one."""
    stop = int(case.rng(4).integers(1, WINDOWS))
    part = factory()
    straight, beside = GuardLife(part, case), GuardLife(part, replace(case, seed=case.seed + 1))
    alone, resumed = GuardLife(factory(), case), None
    for window in range(WINDOWS):
        if window == stop:
            resumed = straight.resumed(factory())
        judged = straight.judge(window)
        beside.judge(window)
        _alike(judged, alone.judge(window), f"window {window + 1} beside another state of the part")
        if resumed is not None:
            _alike(resumed.judge(window), judged, f"window {window + 1}, resumed after window {stop}")


@law(
    name="guard-copies",
    statement="w_bar, w_ref and s in the optimizer's own vectors, which the next window overwrites: the same answers",
    source="adaqn_lab.protocols: vectors belong to the caller; what a part keeps it copies.",
    group=Group.CONTRACT,
    subject=Subject.GUARD,
    kills=("keeps_the_last_displacement", "keeps_the_last_average"),
    inputs=guard_life_cases(),
    share=0.5,
)
def guard_copies(factory: Factory, case: GuardLifeCase) -> None:
    """Twelve windows, against vectors that nobody overwrites; their displacements point anywhere."""
    wide = Anywhere(**vars(case))
    own, overwritten = (GuardLife(factory(), wide, vectors=x) for x in (Vectors.KEPT, Vectors.REUSED))
    for window in range(WINDOWS):
        _alike(overwritten.judge(window), own.judge(window), f"window {window + 1} in vectors that are used again")


@law(
    name="guard-bound-for-life",
    statement="keep iff f(w_bar) <= f(w_ref) + (at_most - 1)|f(w_ref)| + slack; if f(w_ref) is finite",
    source="Keskar & Berahas 2016 (factor 1.01); losses 1e-9 inside and outside the bound, twelve windows.",
    group=Group.REFERENCE,
    subject=Subject.GUARD,
    kills=(
        *("reference_is_the_best", "reference_is_the_mean", "reference_is_the_first", "bound_in_float32"),
        *("patience_of_four", "stricter_with_time", "absolute_room_too", "forgets_the_bound_of_tiny_losses"),
        "needs_a_finite_reference",
    ),
    needs=frozenset({MONITOR_BOUND}),
    inputs=guard_life_cases(),
)
def bound_for_life(factory: Factory, case: GuardLifeCase) -> None:
    """The last reference, the first, the lowest and the mean of all have different bounds here."""
    part = factory()
    for window, judged in enumerate(_judged(factory, case), start=1):
        known = judged.known & np.isfinite(judged.reference)
        limit = bound(part, judged.reference)
        expected = np.isfinite(judged.loss) & (~known | (judged.loss <= limit))
        wrong = (judged.keep != expected) & judged.whole
        for run in np.flatnonzero(wrong):
            text = f"loss {judged.loss[run]:.17g}, bound {limit[run]:.17g}, reference {judged.reference[run]:.17g}"
            holds(False, f"run {run}, window {window}: {text}, kept: {judged.keep[run]}, expected {expected[run]}")


LAWS = (
    tells_what_is_true,
    refuses_for_life,
    lower_is_never_worse,
    judges_again,
    life_of_runs,
    life_resumes,
    guard_copies,
    bound_for_life,
)
