"""The schedule: what a window averages, when it makes a pair, what a roll-back and a bad number do."""

from __future__ import annotations

import numpy as np
import torch

from adaqn_lab import EventKind
from verification.compare import close, holds, same
from verification.contracts.guards import MONITOR_BOUND
from verification.law import Group, Subject, law
from verification.methods import Method, Script, expected_kinds, perform, scripts, window_iterates
from verification.strategies import BAD_KINDS
from verification.tolerances import TOLERANCES

SOURCE = "Keskar & Berahas 2016 as its implementations agree. "


@law(
    name="window-clock",
    statement="one window event at L, 2L, 3L, ..., whatever the windows came to",
    source=SOURCE + "minSQN's roll-back skipped the counter, and the next window had one iterate.",
    group=Group.CONTRACT,
    subject=Subject.RECIPE,
    kills=("roll_back_skips_the_clock", "bad_steps_are_not_counted"),
    inputs=scripts(),
)
def window_clock(method: Method, script: Script) -> None:
    """The counter advances at every step."""
    got = [e.step for e in perform(method, script).windows]
    expected = list(range(script.every, len(script.kinds) + 1, script.every))
    holds(got == expected, f"windows closed at {got}, expected at {expected}")


@law(
    name="window-average",
    statement="w_bar = (1/L) sum of exactly the L iterates of its window, s = w_bar - w_ref",
    source=SOURCE + "stochQN kept the sum over a roll-back.",
    group=Group.CONTRACT,
    subject=Subject.RECIPE,
    tolerance="linear",
    kills=("sum_kept_over_roll_back", "roll_back_skips_the_clock", "averages_the_wrong_iterates"),
    inputs=scripts(),
)
def window_average(method: Method, script: Script) -> None:
    """Windows average their own iterates, also after a roll-back."""
    trace = perform(method, script)
    windows = len(script.kinds) // script.every
    holds(len(trace.moves) <= windows, f"{len(trace.moves)} windows closed, {windows} expected")
    for window, move in enumerate(trace.moves):
        w = window_iterates(method, script, trace, window)
        atol = TOLERANCES["linear"](n=script.every) * (1 + np.abs(w).sum(axis=0))
        close(move.w_bar[0], w.mean(axis=0), atol, f"the average of window {window}")
        s = move.w_bar[0] - move.w_ref[0]
        close(move.s[0], s, 2 * atol, f"s of window {window} against w_bar - w_ref")


@law(
    name="schedule",
    statement="first pair at 2L (at L with from_start); rolled back iff f(w_bar) > bound or not finite",
    source=SOURCE + "Equal losses never reject; a comparison with NaN rejects; losses may be negative.",
    group=Group.REFERENCE,
    subject=Subject.RECIPE,
    kills=("first_pair_too_early", "nan_loss_accepted", "reference_loss_of_rejected_window", "negative_bound"),
    needs=(MONITOR_BOUND,),
    inputs=scripts(),
)
def schedule(method: Method, script: Script) -> None:
    """Every window comes to what the rules say."""
    trace = perform(method, script)
    got, expected = [e.kind for e in trace.windows], expected_kinds(method, script, trace)
    names = [k.name for k in got], [k.name for k in expected]
    holds(got == expected, f"windows came to {names[0]}, expected {names[1]}; losses {trace.losses}")


@law(
    name="roll-back",
    statement="after a roll-back w = w_ref bit for bit, and later steps leave w_ref alone",
    source=SOURCE + "climin's port aliased the two.",
    group=Group.CONTRACT,
    subject=Subject.RECIPE,
    kills=("roll_back_aliases", "roll_back_to_average", "roll_back_does_nothing"),
    inputs=scripts(),
)
def roll_back(method: Method, script: Script) -> None:
    """Back means back, and the reference is a copy."""
    trace = perform(method, script)
    for event in trace.windows:
        if event.kind is EventKind.ROLLED_BACK:
            same(trace.w[event.step], trace.reference[event.step - 1], f"w after the roll-back at step {event.step}")
    for k in range(2, len(trace.w)):
        if k % script.every:
            same(trace.reference[k], trace.reference[k - 1], f"w_ref after step {k}, inside a window")


@law(
    name="reference-moves",
    statement="w_ref = w_bar after an admitted pair, unchanged after a skip or a roll-back",
    source=SOURCE + "SQN always advances; adaQN keeps the reference when it skips the pair.",
    group=Group.CONTRACT,
    subject=Subject.RECIPE,
    kills=("skip_moves_the_reference", "roll_back_moves_the_reference", "reference_stays"),
    inputs=scripts(),
)
def reference_moves(method: Method, script: Script) -> None:
    """The reference moves with the pairs."""
    trace = perform(method, script)
    advancing = {EventKind.ADMITTED, EventKind.REFERENCE}
    if method.recipe.cadence.always_advance:
        advancing.add(EventKind.SKIPPED)
    for event, move in zip(trace.windows, trace.moves, strict=True):
        expected = move.w_bar[0] if event.kind in advancing else trace.reference[event.step - 1]
        same(trace.reference[event.step], expected, f"w_ref after {event.kind.name} at step {event.step}")


@law(
    name="roll-back-clears",
    statement="after a roll-back H = H0 as without pairs, H0 itself untouched",
    source=SOURCE + "The accumulator of H0 is never reset, in any of them.",
    group=Group.INVARIANCE,
    subject=Subject.RECIPE,
    kills=("pairs_survive_roll_back", "roll_back_resets_scaling"),
    inputs=scripts(),
)
def roll_back_clears(method: Method, script: Script) -> None:
    """Pairs are dropped, the scaling survives."""
    # Dictated gradients: H0 of a twin which never makes a pair, and never goes back, must have seen the same.
    trace, bare = perform(method, script), perform(method.but(guard=None), script, pairs=False)
    for event in trace.windows:
        if event.kind is EventKind.ROLLED_BACK:
            k = event.step
            same(trace.probe[k], bare.probe[k], f"H v after the roll-back at step {k} against H0 v")


@law(
    name="bad-gradient",
    statement="a NaN, infinite or overflowing gradient: w and every state as before, one STEP_SKIPPED",
    source="stochQN: one NaN entry poisoned the accumulator for good.",
    group=Group.CONTRACT,
    subject=Subject.RECIPE,
    kills=("nan_gradient_enters", "nan_gradient_moves_w"),
    inputs=scripts(),
)
def bad_gradient(method: Method, script: Script) -> None:
    """A gradient that is not finite costs its step and nothing else."""
    trace = perform(method, script)
    skipped = [e.step for e in trace.events if e.kind is EventKind.STEP_SKIPPED]
    bad = [k for k, kind in enumerate(script.kinds, start=1) if kind in BAD_KINDS]
    holds(skipped == bad, f"skipped the steps {skipped}, expected {bad}")
    for k in bad:
        if k == 1 or k % script.every == 0:
            continue
        same(trace.w[k], trace.w[k - 1], f"w after the bad gradient of step {k}")
        for name, value in trace.state[k].items():
            if name not in ("clock.total", "clock.marks"):
                same(value, trace.state[k - 1][name], f"{name} after the bad gradient of step {k}")


@law(
    name="finite",
    statement="w, w_ref, H v and every state but the monitor's losses are finite after every step",
    source="A bad number costs one step or window.",
    group=Group.CONTRACT,
    subject=Subject.RECIPE,
    kills=("nan_gradient_enters", "entries_are_finite_not_squares"),
    inputs=scripts(),
)
def finite(method: Method, script: Script) -> None:
    """Nothing that is not finite survives."""
    trace = perform(method, script)
    for k in range(1, len(trace.w)):
        values = {"w": trace.w[k], "H v": trace.probe[k], **trace.state[k]}
        for name, value in values.items():
            if not name.startswith("guard."):
                holds(torch.isfinite(value).all(), f"{name} after step {k} is {value.tolist()}")


LAWS = (
    window_clock,
    window_average,
    schedule,
    roll_back,
    reference_moves,
    roll_back_clears,
    bad_gradient,
    finite,
)
