"""What must not depend on how a study went: every run's losses and steps, its seconds aside."""

from dataclasses import replace
from typing import Any

from studies.execution.store import Store
from studies.training.outcome import Outcome


def timeless(outcome: Outcome) -> Outcome:
    return replace(outcome, seconds=0.0, curve=tuple(replace(point, seconds=0.0) for point in outcome.curve))


def losses(store: Store) -> dict[str, Any]:
    """The outcome of every finished run by its key, and that there is one of each."""
    records = store.records()
    found = {record.cell.key: timeless(record.outcome) for record in records}
    assert len(found) == len(records)
    return found
