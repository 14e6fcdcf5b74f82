"""A finished run of an ablation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from studies.planning.plan import Run
from studies.planning.study import Result
from studies.training.outcome import Outcome


@dataclass(frozen=True, kw_only=True)
class Record:
    """A finished run: its outcome, the method that ran as a `repr`, and the environment it ran in."""

    cell: Run
    outcome: Outcome
    method: str
    environment: Mapping[str, Any]


def record_of(result: Result) -> Record:
    """Return the run that a finished cell of an ablation holds."""
    return Record(
        cell=Run.of(result.cell.parameters),
        outcome=Outcome.from_json(result.values["outcome"]),
        method=result.values["method"],
        environment=result.environment,
    )
