"""What the figures of an ablation share: a look for each variant, and its losses."""

from collections.abc import Mapping
from typing import Any

from studies.analysis.row import Row, by_seed
from studies.analysis.summary import Summary
from studies.reports.figures.drawing import Key
from studies.reports.figures.style import colour, dashes, line


def keys(summary: Summary) -> tuple[Key, ...]:
    """Return the legend: the variants in the order of the tables, baselines dashed."""
    return tuple(
        Key(place=place, name=row.variant, colour=colour(place), dashes=dashes(place, row.is_baseline))
        for place, row in enumerate(summary.rows)
    )


def look(summary: Summary, row: Row) -> dict[str, Any]:
    """Return how matplotlib draws the variant's lines."""
    return line(place(summary, row), row.is_baseline)


def place(summary: Summary, row: Row) -> int:
    """Return the variant's number in the tables."""
    return next(number for number, other in enumerate(summary.rows) if other is row)


def differences(summary: Summary, row: Row) -> Mapping[int, float]:
    """Return the variant's test loss less the reference's, by seed."""
    own, other = (by_seed(summary.runs(name), "test_loss") for name in (row.variant, summary.reference))
    return {seed: own[seed] - other[seed] for seed in sorted(own.keys() & other.keys())}
