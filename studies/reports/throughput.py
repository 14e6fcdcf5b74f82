"""What was measured of runs side by side: a table and a picture."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from studies.execution.throughput import Rate
from studies.reports.columns import Column, Table, at, fixed
from studies.reports.figures.style import SIZE, style

SHARES = ("data", "gradients", "optimizer", "launches")


def _share(name: str) -> Column[Rate]:
    return Column(
        name,
        lambda rate: f"{rate.shares[name]:.0%}" if rate.shares else None,
        {f"share_{name}": lambda rate: rate.shares.get(name)},
    )


COLUMNS: tuple[Column[Rate], ...] = (
    Column("", lambda rate: rate.way, at("way", "runs"), left=True),
    Column("runs per minute", lambda rate: fixed(rate.per_minute, ".1f"), at("per_minute")),
    Column("ratio", lambda rate: fixed(rate.times, ".2f"), at("times")),
    Column("MiB", lambda rate: None if rate.memory is None else str(rate.memory >> 20), at("memory")),
    Column("ms a step", lambda rate: fixed(rate.seconds and 1e3 * rate.seconds, ".2f"), at("seconds")),
    *map(_share, SHARES),
    Column("limited by", lambda rate: rate.limit, at("limit")),
)


def table(rates: Sequence[Rate]) -> Table[Rate]:
    """Return the ways to run as a table."""
    return Table(COLUMNS, rates)


def draw(title: str, rates: Sequence[Rate], path: Path) -> None:
    """Draw the runs per minute over R as PNG, and the ways that have no R as lines."""
    with style("throughput"):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.add_subplot()
        for place in ("GPU", ""):
            found = [
                (rate.runs, rate.per_minute)
                for rate in rates
                if rate.per_minute and rate.way.startswith("R = ") and ("GPU" in rate.way) == bool(place)
            ]
            if found:
                axes.plot(*zip(*found, strict=True), marker="o", label=place or "cores")
        lines = [(rate.way, rate.per_minute) for rate in rates if rate.per_minute and not rate.way.startswith("R = ")]
        for (way, per_minute), dashes in zip(lines, ("--", ":"), strict=False):
            axes.axhline(per_minute, linestyle=dashes, linewidth=1.2, color="tab:gray", label=way)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xlabel("runs side by side in a process")
        axes.set_ylabel("runs per minute")
        axes.set_title(title, fontsize=10)
        axes.legend()
        figure.savefig(path, dpi=150, transparent=False)
