"""What a quasi-Newton optimizer did in a run: pairs, roll-backs, evaluations beside the gradients of its steps."""

from collections import Counter
from typing import Any

from torch.optim import Optimizer

from adaqn_lab import EventKind, Need, QuasiNewton

KEPT = (EventKind.ADMITTED, EventKind.SKIPPED, EventKind.ROLLED_BACK)
"""The kinds of events whose steps are kept; skipped steps are counted only, there may be one at every step."""


def optimizer_stats(optimizer: Optimizer, run: int = 0, steps: int | None = None) -> dict[str, Any]:
    """Return the fields of `Outcome` that tell it, for one run up to ``steps``; of other optimizers ``calls`` at most.

    ``calls`` counts evaluations of the callables by kind; of runs side by side each call serves all.
    """
    if not isinstance(optimizer, QuasiNewton):
        asked: dict[Need, int] = getattr(optimizer, "oracle_calls_by_need", {})  # second-order baselines have it
        return {"calls": {need.value: count for need, count in asked.items()}} if asked else {}
    events = [event for event in optimizer.events if event.run == run and (steps is None or event.step <= steps)]
    counts = Counter(event.kind for event in events)
    return {
        "admitted": counts[EventKind.ADMITTED],
        "skipped": counts[EventKind.SKIPPED],
        "rollbacks": counts[EventKind.ROLLED_BACK],
        "steps_skipped": counts[EventKind.STEP_SKIPPED],
        "events": tuple((event.step, event.kind.name) for event in events if event.kind in KEPT),
        "calls": {need.value: count for need, count in optimizer.oracle_calls_by_need.items()},
    }
