"""What the methods of the showcase came to: one row each, sorted by gap."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from statistics import fmean, median

from studies.convex.study import MethodResult
from studies.convex.training import Trial

CLOSE = 1e-3


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
    def runs(self) -> int:
        """Number of runs."""
        return len(self.gaps)

    @property
    def kept(self) -> list[float]:
        """The gaps of the runs that did not diverge, ascending."""
        return sorted(gap for gap in self.gaps if gap is not None)

    @property
    def diverged(self) -> int:
        """Number of runs that diverged."""
        return self.runs - len(self.kept)

    @property
    def median(self) -> float:
        """Median gap with a diverged run as infinite; infinite without runs."""
        return median(inf if gap is None else gap for gap in self.gaps) if self.gaps else inf

    @property
    def close(self) -> bool:
        """Whether the median gap is at most 1e-3."""
        return self.median <= CLOSE


def summarise(results: Sequence[MethodResult]) -> list[Row]:
    """Return one row per method, the smallest gap first."""
    return sorted(map(_row, results), key=lambda row: (row.median, row.name))


def _row(result: MethodResult) -> Row:
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
