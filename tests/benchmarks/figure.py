"""The figure of ``docs/speed.md``: speed beside the peers', and the fraction of the memory's speed, over n."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from tests.benchmarks.bandwidth import floor_fraction
from tests.benchmarks.tables import READ, Record, records


def draw(document: dict[str, Any], path: Path) -> None:
    """Write the figure as SVG."""
    rows = [row for row in records(document, "direction") if row["case"]["R"] == 1]
    figure = Figure(figsize=(13, 4), layout="constrained")
    speed, floor, digits = figure.subplots(1, 3)
    _speed(speed, [row for row in rows if row["case"]["m"] == 10])
    for m in sorted({row["case"]["m"] for row in rows}):
        chosen = [row for row in rows if row["case"]["m"] == m]
        fractions = [floor_fraction(row["ratios"][READ]["value"]) for row in chosen]
        floor.plot(_sizes(chosen), fractions, marker="o", label=f"m = {m}")
    floor.axhline(1.0, color="grey", linewidth=0.8)
    floor.set(xscale="log", xlabel="n", ylim=(0, None), title="Fraction of the floor (3 m n elements read)")
    floor.legend(frameon=False)
    _digits(digits, [row for row in rows if row["case"]["m"] == 10])
    with matplotlib.rc_context({"svg.hashsalt": "adaqn-lab"}):  # the same file from the same record
        figure.savefig(path, format="svg", metadata={"Date": None})


def _speed(axes: Any, rows: list[Record]) -> None:
    """Their time over ours, with the 95 % intervals of the medians."""
    for peer in dict.fromkeys(name for row in rows for name in row["ratios"] if name != READ):
        chosen = [row for row in rows if peer in row["ratios"]]
        ratios = [row["ratios"][peer] for row in chosen]
        values = [ratio["value"] for ratio in ratios]
        spread = [[r["value"] - r["low"] for r in ratios], [r["high"] - r["value"] for r in ratios]]
        axes.errorbar(_sizes(chosen), values, yerr=spread, marker="o", capsize=2, label=peer)
    axes.axhline(1.0, color="grey", linewidth=0.8)
    axes.set(xscale="log", yscale="log", xlabel="n", title="H g, m = 10: their time over ours")
    axes.legend(frameon=False)


def _digits(axes: Any, rows: list[Record]) -> None:
    for name in dict.fromkeys(name for row in rows for name in row["errors"]):
        chosen = [row for row in rows if name in row["errors"]]
        label = "adaqn_lab" if name == "own" else name
        axes.plot(_sizes(chosen), [row["errors"][name] for row in chosen], marker="o", label=label)
    axes.set(xscale="log", yscale="log", xlabel="n", title="H g, m = 10: error, sums of one sign")
    axes.legend(frameon=False)


def _sizes(rows: list[Record]) -> list[int]:
    return [row["case"]["n"] for row in rows]
