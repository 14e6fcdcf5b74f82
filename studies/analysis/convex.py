"""Rows of the showcase's table, sorted by gap, as cells and as numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from studies.convex.study import MethodResult as Result
from studies.convex.training import Trial

CLOSE = 1e-3
MISSING = "–"
HEADINGS = (
    "method",
    "best lr",
    "gap",
    "range over seeds",
    "gradients",
    "products",
    "losses",
    "passes",
    "seconds",
    "admitted / skipped",
    "roll-backs",
    "diverged",
)


@dataclass(frozen=True)
class Row:
    """A method over its evaluation runs: gaps with ``None`` for those that diverged, means of the counts."""

    name: str
    lr: float | None
    at_edge: bool
    gaps: tuple[float | None, ...]
    gradients: float | None
    products: float | None
    losses: float | None
    passes: float | None
    seconds: float | None
    admitted: float | None
    skipped: float | None
    rollbacks: float | None

    @property
    def diverged(self) -> int:
        """Number of runs that diverged."""
        return sum(gap is None for gap in self.gaps)

    @property
    def median(self) -> float:
        """Median gap with a diverged run as infinite; infinite without runs."""
        return median(float("inf") if gap is None else gap for gap in self.gaps) if self.gaps else float("inf")

    @property
    def close(self) -> bool:
        """Whether the median gap is at most 1e-3."""
        return self.median <= CLOSE

    def numbers(self) -> dict[str, Any]:
        """Return the row as JSON values; ``None`` for what is not finite or does not exist."""
        kept = [gap for gap in self.gaps if gap is not None]
        found = {key: value for key, value in vars(self).items() if key != "gaps"}
        return {
            "method": found.pop("name"),
            "gap_median": self.median if self.median < float("inf") else None,
            "gap_low": min(kept, default=None),
            "gap_high": max(kept, default=None),
            "within_1e-3": self.close,
            **found,
            "runs": len(self.gaps),
            "diverged": self.diverged,
        }

    def cells(self) -> tuple[str, ...]:
        """Return the row's cells under `HEADINGS`."""
        kept = [gap for gap in self.gaps if gap is not None]
        return (
            self.name,
            MISSING if self.lr is None else f"{self.lr:g}" + ("*" if self.at_edge else ""),
            f"{self.median:.1e}" + ("" if self.close else " >") if self.median < float("inf") else "diverged >",
            f"{min(kept):.1e} to {max(kept):.1e}" if kept else MISSING,
            *(
                MISSING if value is None else f"{value:.0f}"
                for value in (self.gradients, self.products, self.losses, self.passes)
            ),
            MISSING if self.seconds is None else f"{self.seconds:.2f}",
            MISSING if self.admitted is None else f"{self.admitted:.0f} / {self.skipped:.0f}",
            MISSING if self.rollbacks is None else f"{self.rollbacks:.1f}",
            f"{self.diverged}/{len(self.gaps)}",
        )


def summarise(results: Sequence[Result]) -> list[Row]:
    """Return one row per method, the smallest gap first."""
    return sorted(map(_row, results), key=lambda row: (row.median, row.name))


def _row(result: Result) -> Row:
    trials = result.evaluation

    def mean(values: list[float | int | None]) -> float | None:
        there = [value for value in values if value is not None]
        return fmean(there) if there else None

    def last(trial: Trial, field: str) -> float:
        return float(getattr(trial.curve[-1], field))

    return Row(
        name=result.name,
        lr=result.lr,
        at_edge=result.at_edge,
        gaps=tuple(trial.gap for trial in trials),
        passes=mean([last(trial, "passes") for trial in trials]),
        seconds=mean([last(trial, "seconds") for trial in trials]),
        **{
            field: mean([getattr(trial, field) for trial in trials])
            for field in ("gradients", "products", "losses", "admitted", "skipped", "rollbacks")
        },
    )
