"""What a quasi-Newton optimizer did in a run: pairs, roll-backs, evaluations beside the gradients of its steps."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer

from adaqn_lab import Event, EventKind, Need, QuasiNewton

KEPT = (EventKind.ADMITTED, EventKind.SKIPPED, EventKind.ROLLED_BACK)
"""The kinds of events whose steps are kept; skipped steps are counted only, there may be one at every step."""


def events_by_run(optimizer: Optimizer) -> dict[int, list[Event]]:
    """Return what a quasi-Newton optimizer decided, by run; the device is read once for all runs."""
    found: dict[int, list[Event]] = {}
    for event in optimizer.events if isinstance(optimizer, QuasiNewton) else ():
        found.setdefault(event.run, []).append(event)
    return found


def optimizer_stats(optimizer: Optimizer, events: Sequence[Event], steps: int) -> dict[str, Any]:
    """Return the fields of `Outcome` that tell it, for the run of these events up to ``steps``; of others ``calls``.

    ``calls`` counts evaluations of the callables by kind; of runs side by side each call serves all.
    """
    if not isinstance(optimizer, QuasiNewton):
        asked: dict[Need, int] = getattr(optimizer, "oracle_calls_by_need", {})  # second-order baselines have it
        return {"calls": {need.value: count for need, count in asked.items()}} if asked else {}
    events = [event for event in events if event.step <= steps]
    counts = Counter(event.kind for event in events)
    return {
        "admitted": counts[EventKind.ADMITTED],
        "skipped": counts[EventKind.SKIPPED],
        "rollbacks": counts[EventKind.ROLLED_BACK],
        "steps_skipped": counts[EventKind.STEP_SKIPPED],
        "events": tuple((event.step, event.kind.name) for event in events if event.kind in KEPT),
        "calls": {need.value: count for need, count in optimizer.oracle_calls_by_need.items()},
    }
