"""The monitor loss may rise by a share of its size."""

from __future__ import annotations

from functools import partial

from adaqn_lab import MonitorIncrease
from verification.contracts.guards import MONITOR_BOUND
from verification.law import Subject
from verification.specimen import Specimen

SPECIMEN = Specimen(
    role=Subject.GUARD,
    kind=MonitorIncrease,
    variations=(
        MonitorIncrease,
        partial(MonitorIncrease, at_most=1.5, slack=0.5, reevaluate=True, clear_store=False),
    ),
    declares=frozenset({MONITOR_BOUND}),
)
