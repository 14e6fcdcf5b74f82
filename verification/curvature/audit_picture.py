"""An audit as a picture over training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from verification.curvature.audit_summary import Summary
from verification.curvature.drawing import panels
from verification.curvature.window_row import WindowRow

FIT, ALONG, DOWN = "#1b9e77", "#7570b3", "#d95f02"


def draw(rows: Sequence[WindowRow], summary: Summary, path: str | Path) -> None:
    """The scale of y, its angle to B s, and whether -H g is downhill; the bands are intervals of thirds of training."""
    with panels(3, path, "audit") as (scale, angle, descent):
        _runs(scale, rows, "scale", FIT, "c, fits B s best")
        _runs(scale, rows, "along", ALONG, "along s")
        _bands(scale, summary, "scale", FIT)
        _bands(scale, summary, "along", ALONG)
        scale.axhline(1.0, color="grey", linestyle=":")
        scale.set(yscale="log", xlabel="step", ylabel="times y is too small", title=summary.name, ylim=_range(rows))
        _runs(angle, rows, "angle", FIT, None)
        _bands(angle, summary, "angle", FIT)
        angle.set(xlabel="step", ylabel="degrees between y and B s", ylim=(0, 180), yticks=(0, 45, 90, 135, 180))
        _runs(descent, rows, "descent", FIT, "H g")
        _runs(descent, rows, "after_step", DOWN, "the step before g")
        descent.axhline(0.0, color="grey", linestyle=":")
        descent.set(xlabel="step", ylabel="cosine with the gradient g", ylim=(-1, 1))
        for axes in (scale, descent):
            axes.legend()


def _runs(axes: Any, rows: Sequence[WindowRow], name: str, colour: str, label: str | None) -> None:
    """A thin line for each run."""
    for run in sorted({row.run for row in rows}):
        own = [row for row in rows if row.run == run]
        marker = "." if len(own) == 1 else ""
        axes.plot(
            [row.step for row in own], [getattr(row, name) for row in own], color=colour, label=label, linewidth=0.7,
            alpha=0.6, marker=marker,
        )  # fmt: skip
        label = None


def _bands(axes: Any, summary: Summary, name: str, colour: str) -> None:
    for part in summary.thirds or (summary.whole,):
        found = getattr(part, name)
        axes.fill_between([part.first, part.last], found.low, found.high, color=colour, alpha=0.2, linewidth=0)
        axes.plot([part.first, part.last], [found.value] * 2, color=colour)


def _range(rows: Sequence[WindowRow]) -> tuple[float, float]:
    """Of the scales that a logarithmic axis can show, and 1, with a margin."""
    shown = [1.0, *(x for row in rows for x in (row.scale, row.along) if x > 0 and math.isfinite(x))]
    return min(shown) / 1.5, max(shown) * 1.5
